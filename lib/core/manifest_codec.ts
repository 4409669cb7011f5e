import { invariant } from "../base/assert.ts";
import { CheckpointCorruptError, CheckpointIncompatibleError } from "../base/errors.ts";
import { toHex } from "../base/hex.ts";
import { sha256Hex } from "../base/sha256.ts";
import { type CheckpointManifest, MANIFEST_FORMAT_VERSION } from "./checkpoint_manifest.ts";
import type { CheckpointNames } from "./checkpoint_names.ts";
import { JsonFieldError, JsonFields } from "./json_fields.ts";
import { readManifestFields } from "./manifest_fields.ts";

/*
 * A manifest is one JSON object on one line. Its last field is the SHA-256 of all bytes before that field, and the end
 * is compared byte by byte, so no change of any byte goes unseen:
 *
 *   {"format":"turbine-checkpoint","formatVersion":1, ... ,"checksum":"<64 hexadecimal digits>"}\n
 *
 * Later versions keep this envelope, so that an older library can tell "newer" from "damaged".
 */
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const FORMAT = "turbine-checkpoint";
const DIGEST_DIGITS = 64;
const ENDING_LENGTH = ending("0".repeat(DIGEST_DIGITS)).length;

/** A manifest as it is stored. */
export interface EncodedManifest {
  /** Content of the object. */
  readonly bytes: Uint8Array;
  /** Checksum that ends it, 64 hexadecimal digits. */
  readonly checksum: string;
}

/**
 * Writes a manifest; the same manifest always gives the same bytes.
 *
 * @param manifest The manifest.
 * @returns Its bytes and checksum.
 */
export function encodeManifest(manifest: CheckpointManifest): EncodedManifest {
  const text = JSON.stringify(toDocument(manifest));
  const body = encoder.encode(text.slice(0, -1));
  const checksum = sha256Hex(body);
  const end = encoder.encode(ending(checksum));
  invariant(end.length === ENDING_LENGTH, "a manifest's ending has one length");
  const bytes = new Uint8Array(body.length + end.length);
  bytes.set(body);
  bytes.set(end, body.length);
  return { bytes, checksum };
}

/**
 * Reads and verifies a manifest.
 *
 * @param bytes Content of the object.
 * @param name Name of the object; what it says must be what the manifest says.
 * @param names Names of the task's objects.
 * @returns The manifest and its checksum.
 * @throws {CheckpointCorruptError} when any byte is not as it was written, or the content is another object's.
 * @throws {CheckpointIncompatibleError} when it is intact but of a newer format.
 */
export function decodeManifest(
  bytes: Uint8Array,
  name: string,
  names: CheckpointNames,
): { readonly manifest: CheckpointManifest; readonly checksum: string } {
  const bodyLength = bytes.length - ENDING_LENGTH;
  if (bodyLength <= 0) throw corrupt(name, `it has only ${bytes.length} bytes`);
  const checksum = sha256Hex(bytes.subarray(0, bodyLength));
  const end = encoder.encode(ending(checksum));
  for (let i = 0; i < end.length; i++) {
    if (bytes[bodyLength + i] !== end[i]) throw corrupt(name, "its checksum does not match its content");
  }
  try {
    // The bytes are as they were written: what is no JSON here was not written by this library.
    const document = new JsonFields(JSON.parse(decoder.decode(bytes)));
    if (document.text("format") !== FORMAT) throw corrupt(name, "it is not a checkpoint manifest");
    const version = document.integer("formatVersion", 1);
    if (version > MANIFEST_FORMAT_VERSION) throw newerFormat(name, version);
    const manifest = readManifestFields(document, names);
    checkName(manifest, name, names);
    return { manifest, checksum };
  } catch (error) {
    if (!(error instanceof JsonFieldError || error instanceof SyntaxError)) throw error;
    throw corrupt(name, error.message, error);
  }
}

function ending(checksum: string): string {
  return `,"checksum":"${checksum}"}\n`;
}

function checkName(manifest: CheckpointManifest, name: string, names: CheckpointNames): void {
  const { application, subscription, partition } = manifest;
  const { task } = names;
  const isSameTask = application === task.application && subscription === task.subscription &&
    partition === task.partition;
  if (!isSameTask || names.manifest(manifest) !== name) {
    throw corrupt(
      name,
      `its content belongs to checkpoint ${manifest.sequence} of owner ${manifest.ownerToken}, lineage ` +
        `${manifest.lineage}, task ${application}/${subscription}/${partition}`,
    );
  }
}

function corrupt(name: string, found: string, cause?: unknown): CheckpointCorruptError {
  return new CheckpointCorruptError(
    `Cannot use checkpoint manifest '${name}': ${found}; an older checkpoint is used if there is one`,
    { context: { name, found }, cause },
  );
}

function newerFormat(name: string, found: number): CheckpointIncompatibleError {
  return new CheckpointIncompatibleError(
    `Cannot use checkpoint manifest '${name}': 'formatVersion' is ${found}, this library reads up to ` +
      `${MANIFEST_FORMAT_VERSION}; run the library version that wrote it or a later one. Nothing was deleted`,
    { context: { name, field: "formatVersion", expected: MANIFEST_FORMAT_VERSION, found } },
  );
}

function toDocument(manifest: CheckpointManifest): Record<string, unknown> {
  const { position } = manifest;
  return {
    format: FORMAT,
    formatVersion: manifest.formatVersion,
    application: manifest.application,
    subscription: manifest.subscription,
    partition: manifest.partition,
    clusterId: manifest.clusterId,
    topics: manifest.topics.map(({ topic, topicId, partitions }) => ({ topic, topicId, partitions })),
    lineage: manifest.lineage,
    ownerToken: manifest.ownerToken,
    sequence: manifest.sequence,
    position: {
      offsets: position.offsets.map(({ topic, partition, offset, leaderEpoch }) => (
        { topic, partition, offset: String(offset), leaderEpoch }
      )),
      taskTimeMs: position.taskTimeMs,
      watermarkMs: position.watermarkMs,
      commitSequence: position.commitSequence,
    },
    storePosition: manifest.storePosition === null ? null : toHex(manifest.storePosition),
    operators: manifest.operators.map(({ name, fingerprint }) => ({ name, fingerprint })),
    handlerVersion: manifest.handlerVersion,
    libraryVersion: manifest.libraryVersion,
    segments: manifest.segments.map(({ kind, name, bytes, rows, firstKey, lastKey, sha256 }) => (
      { kind, name, bytes, rows, firstKey: toHex(firstKey), lastKey: toHex(lastKey), sha256 }
    )),
    previous: manifest.previous === null
      ? null
      : { name: manifest.previous.name, checksum: manifest.previous.checksum },
    createdWallMs: manifest.createdWallMs,
  };
}
