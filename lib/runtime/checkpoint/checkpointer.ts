import { invariant, InvariantError } from "../../base/assert.ts";
import { sha256Hex } from "../../base/sha256.ts";
import { encodeSegment } from "../../codecs/segment.ts";
import {
  type CheckpointFacts,
  type CheckpointManifest,
  type CheckpointPosition,
  type CheckpointReference,
  type CheckpointSegment,
  MANIFEST_FORMAT_VERSION,
} from "../../core/checkpoint_manifest.ts";
import { checkLineage, type CheckpointKey, CheckpointNames, type CheckpointTask } from "../../core/checkpoint_names.ts";
import { decodeManifest, encodeManifest } from "../../core/manifest_codec.ts";
import type { Environment } from "../../seams/adapter.ts";
import type { BlobStore } from "../../seams/blob_store.ts";
import type { StateSnapshot } from "../../seams/state_store.ts";
import { createObject } from "./create_object.ts";
import { Retention, type RetentionPlace } from "./retention.ts";
import { type BlobRetryOptions, RetryingBlobStore } from "./retrying_blob_store.ts";
import { segmentRows } from "./segment_pages.ts";
import { verifyUpload } from "./verify_upload.ts";

/*
 * Keeps:
 *   I-15  a manifest that can be seen implies all its files: it is created last, after they were verified
 *   I-16  no object is overwritten: each attempt has a sequence number of its own, everything is put-if-absent
 *   I-19  retention runs only after a manifest was created
 *   I-21  everything is written under our owner token
 */

/** Options of {@linkcode Checkpointer}. */
export interface CheckpointerOptions {
  /** Where checkpoints go. */
  blobs: BlobStore;
  /** Whose they are. */
  task: CheckpointTask;
  /** Lineage of the task. */
  lineage: string;
  /** Token claimed when the task was opened (claim_owner_token.ts); used by one checkpointer only. */
  ownerToken: number;
  /** Clock, randomness and observer. */
  environment: Environment;
  /** Intact checkpoints to keep; at least 1. @default {3} */
  retained?: number;
  /** Keys and values of one segment, in bytes; a single larger row has a segment of its own. @default {8_388_608} */
  segmentBytesMax?: number;
  /** Segments up to this size are read back and hashed before the manifest is created, in bytes. @default {1_048_576} */
  verifyBytesMax?: number;
  /** How calls to the blob store are tried again. */
  retry?: BlobRetryOptions;
}

/** What became of a checkpoint. A failure leaves the checkpoints before it as they were. */
export type PublishResult =
  | {
    readonly kind: "published";
    /** Name of the manifest. */
    readonly name: string;
    /** The manifest. */
    readonly manifest: CheckpointManifest;
    /** Sum of the sizes of its files, in bytes. */
    readonly bytes: number;
    /** Position of the oldest checkpoint that remains to restore from; `undefined` when retention failed. */
    readonly oldestRetained: CheckpointPosition | undefined;
    /** Why retention failed, if it did: it is tried again after the next checkpoint. */
    readonly retentionError: Error | undefined;
  }
  | {
    readonly kind: "failed";
    /** Why. */
    readonly error: Error;
  };

const RETAINED = 3;
const SEGMENT_BYTES_MAX = 8 << 20;
const VERIFY_BYTES_MAX = 1 << 20;
const PAGE_ROWS_MAX = 8_192;

/** Uploads checkpoints of one task under one owner token. */
export class Checkpointer {
  readonly #names: CheckpointNames;
  readonly #options: Required<Omit<CheckpointerOptions, "retry">> & { readonly retry: BlobRetryOptions };
  readonly #retention: Retention;
  #lastSequence = 0;
  #lastCommitSequence = 0;
  #previous: CheckpointReference | null = null;
  #isBusy = false;

  /**
   * @param options Where, whose, and bounds.
   * @throws {RangeError} when an option is out of range.
   */
  constructor(options: CheckpointerOptions) {
    this.#options = Object.freeze({
      retained: RETAINED,
      segmentBytesMax: SEGMENT_BYTES_MAX,
      verifyBytesMax: VERIFY_BYTES_MAX,
      retry: {},
      ...options,
    });
    checkInteger("retained", this.#options.retained, 1);
    checkInteger("ownerToken", options.ownerToken, 1);
    checkInteger("segmentBytesMax", this.#options.segmentBytesMax, 1);
    checkInteger("verifyBytesMax", this.#options.verifyBytesMax, 0);
    checkLineage(options.lineage);
    this.#names = new CheckpointNames(options.task);
    const { lineage, ownerToken, retained } = this.#options;
    const { observer } = options.environment;
    this.#retention = new Retention({ names: this.#names, lineage, ownerToken, retained, observer });
  }

  /**
   * Uploads a checkpoint, then deletes what is no longer retained. One call at a time; the snapshot is released in any
   * case. Operational failures are returned and logged, never thrown: the stream goes on.
   *
   * @param snapshot State between two commits.
   * @param facts Position of exactly that state, and what it depends on.
   * @param options Which checkpoints a restore from here could choose, and whether a commit of this owner has happened
   * (by default all of the lineage, and it has); a signal that ends retrying.
   * @returns What became of it.
   */
  async publish(
    snapshot: StateSnapshot,
    facts: CheckpointFacts,
    options: Partial<RetentionPlace> & { readonly signal?: AbortSignal } = {},
  ): Promise<PublishResult> {
    invariant(!this.#isBusy, "checkpoints of a task are taken one after the other");
    invariant(
      facts.position.commitSequence >= this.#lastCommitSequence,
      "the commit sequence of checkpoints never decreases within an owner",
    );
    this.#isBusy = true;
    const { blobs, environment, retry } = this.#options;
    const { isUsable = () => true, hasCommitted = true, ...more } = options;
    try {
      const store = new RetryingBlobStore(blobs, environment, { ...retry, ...more });
      const manifest = await this.#upload(store, snapshot, facts);
      return { kind: "published", ...manifest, ...await this.#retain(store, { isUsable, hasCommitted }) };
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      const reason = error instanceof Error ? error : new Error(String(error));
      const detail = { ...this.#names.task, sequence: this.#lastSequence, error: reason.name };
      environment.observer.log("warn", `Checkpoint failed, earlier ones stay in use: ${reason.message}`, detail);
      return { kind: "failed", error: reason };
    } finally {
      this.#isBusy = false;
      await this.#release(snapshot);
    }
  }

  async #upload(blobs: BlobStore, snapshot: StateSnapshot, facts: CheckpointFacts) {
    const { lineage, ownerToken, environment, verifyBytesMax } = this.#options;
    const { observer, clock } = environment;
    const names = this.#names;
    const key: CheckpointKey = { lineage, ownerToken, sequence: ++this.#lastSequence };
    observer.step("checkpoint:begin", { ...names.task, ...key });
    const storePosition = snapshot.position ?? null;
    observer.step("checkpoint:snapshot", { ...key, commitSequence: facts.position.commitSequence });
    const segments = await this.#uploadSegments(blobs, snapshot, key);
    await verifyUpload(blobs, { names, ownerToken, segments, verifyBytesMax });
    observer.step("checkpoint:verified", { ...key, segments: segments.length });
    const manifest: CheckpointManifest = {
      formatVersion: MANIFEST_FORMAT_VERSION,
      ...names.task,
      ...key,
      clusterId: facts.clusterId,
      topics: facts.topics.toSorted((left, right) => compareText(left.topic, right.topic)),
      position: facts.position,
      storePosition,
      operators: facts.operators.toSorted((left, right) => compareText(left.name, right.name)),
      handlerVersion: facts.handlerVersion,
      libraryVersion: facts.libraryVersion,
      segments,
      previous: this.#previous,
      createdWallMs: Math.trunc(clock.wallMs()),
    };
    const name = names.manifest(key);
    const checksum = await this.#createManifest(blobs, name, manifest);
    this.#previous = { name, checksum };
    this.#lastCommitSequence = facts.position.commitSequence;
    return { name, manifest, bytes: segments.reduce((total, segment) => total + segment.bytes, 0) };
  }

  async #uploadSegments(blobs: BlobStore, snapshot: StateSnapshot, key: CheckpointKey): Promise<CheckpointSegment[]> {
    const { segmentBytesMax, environment } = this.#options;
    const segments: CheckpointSegment[] = [];
    for await (const { pages } of segmentRows(snapshot.pages(PAGE_ROWS_MAX), segmentBytesMax)) {
      const { bytes, rows, firstKey, lastKey } = encodeSegment(pages, "base");
      const name = this.#names.segment(key, "base", segments.length);
      await createObject(blobs, name, bytes);
      segments.push({ kind: "base", name, bytes: bytes.length, rows, firstKey, lastKey, sha256: sha256Hex(bytes) });
      environment.observer.step("checkpoint:segment-uploaded", { name, bytes: bytes.length, rows });
    }
    return segments;
  }

  async #createManifest(blobs: BlobStore, name: string, manifest: CheckpointManifest): Promise<string> {
    const { observer } = this.#options.environment;
    const { bytes, checksum } = encodeManifest(manifest);
    assertReadable(bytes, name, this.#names);
    observer.step("checkpoint:manifest-before", { name });
    // SAFETY: I-15. Everything that the manifest names was verified above; nothing may come between.
    await createObject(blobs, name, bytes);
    observer.step("checkpoint:manifest-after", { name, bytes: bytes.length });
    return checksum;
  }

  async #retain(blobs: BlobStore, place: RetentionPlace) {
    try {
      const kept = await this.#retention.run(blobs, this.#lastSequence, place);
      return { oldestRetained: kept.at(-1)?.position, retentionError: undefined };
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      const reason = error instanceof Error ? error : new Error(String(error));
      const { observer } = this.#options.environment;
      observer.log("warn", `Checkpoint retention failed, a later round goes on: ${reason.message}`, {
        ...this.#names.task,
      });
      return { oldestRetained: undefined, retentionError: reason };
    }
  }

  async #release(snapshot: StateSnapshot): Promise<void> {
    try {
      await snapshot.release();
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      const { observer } = this.#options.environment;
      observer.log("warn", `Snapshot could not be released: ${(error as Error).message}`, { ...this.#names.task });
    }
  }
}

/** What we write must be what we read: anything else is a wrong fact from our own callers. */
function assertReadable(bytes: Uint8Array, name: string, names: CheckpointNames): void {
  try {
    decodeManifest(bytes, name, names);
  } catch (error) {
    invariant(false, `a manifest that is written can be read: ${(error as Error).message}`);
  }
}

/** Names are unique, so that two are never the same. */
function compareText(left: string, right: string): number {
  return left < right ? -1 : 1;
}

function checkInteger(name: string, value: number, min: number): void {
  if (Number.isSafeInteger(value) && value >= min) return;
  throw new RangeError(
    `Cannot create checkpointer as '${name}' must be an integer >= ${min}: current value is ${value}`,
  );
}
