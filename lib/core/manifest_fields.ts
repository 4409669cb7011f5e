import { compareBytes } from "../columns/spans.ts";
import type {
  CheckpointManifest,
  CheckpointOffset,
  CheckpointOperator,
  CheckpointPosition,
  CheckpointReference,
  CheckpointSegment,
  CheckpointTopic,
} from "./checkpoint_manifest.ts";
import { type CheckpointNames, LINEAGE_PATTERN, type SegmentKind } from "./checkpoint_names.ts";
import { JsonFieldError, type JsonFields } from "./json_fields.ts";

const DIGEST = /^[0-9a-f]{64}$/;
const DIGEST_FORM = "64 hexadecimal digits";
const INT32_MAX = 2 ** 31 - 1;
const NUMBER_MAX = 10 ** 12 - 1;

/**
 * Reads all fields of a version 1 manifest and checks what holds between them.
 *
 * @param document The manifest's document.
 * @param names Names of the task's objects: segments may only be the task's own.
 * @returns The manifest.
 * @throws {JsonFieldError} when a field is missing or has no meaning.
 */
export function readManifestFields(document: JsonFields, names: CheckpointNames): CheckpointManifest {
  const topics = document.objects("topics").map(readTopic);
  const manifest: CheckpointManifest = {
    formatVersion: document.integer("formatVersion", 1),
    application: document.text("application"),
    subscription: document.text("subscription"),
    partition: document.integer("partition", 0, INT32_MAX),
    clusterId: document.text("clusterId"),
    topics,
    lineage: document.match("lineage", LINEAGE_PATTERN, "a lineage"),
    ownerToken: document.integer("ownerToken", 1, NUMBER_MAX),
    sequence: document.integer("sequence", 1, NUMBER_MAX),
    position: readPosition(document.object("position"), topics),
    storePosition: document.isNull("storePosition") ? null : document.hex("storePosition"),
    operators: document.objects("operators").map(readOperator),
    handlerVersion: document.integer("handlerVersion", 0),
    libraryVersion: document.text("libraryVersion"),
    segments: document.objects("segments").map(readSegment),
    previous: document.isNull("previous") ? null : readReference(document.object("previous")),
    createdWallMs: document.integer("createdWallMs", Number.MIN_SAFE_INTEGER),
  };
  checkSorted("topics", manifest.topics.map((topic) => topic.topic));
  checkSorted("operators", manifest.operators.map((operator) => operator.name));
  checkSegments(manifest.segments, names);
  return manifest;
}

function readTopic(fields: JsonFields): CheckpointTopic {
  return {
    topic: fields.text("topic"),
    topicId: fields.text("topicId"),
    partitions: fields.integer("partitions", 1, INT32_MAX),
  };
}

function readPosition(fields: JsonFields, topics: readonly CheckpointTopic[]): CheckpointPosition {
  const offsets = fields.objects("offsets").map((entry): CheckpointOffset => ({
    topic: entry.text("topic"),
    partition: entry.integer("partition", 0, INT32_MAX),
    offset: entry.offset("offset"),
    leaderEpoch: entry.integer("leaderEpoch", -1, INT32_MAX),
  }));
  const seen = new Set<string>();
  for (const { topic, partition } of offsets) {
    const known = topics.find((candidate) => candidate.topic === topic);
    const place = `${topic}/${partition}`;
    if (known === undefined || partition >= known.partitions) {
      throw new JsonFieldError(`'position.offsets' must be of the manifest's topics: found ${place}`);
    }
    if (seen.has(place)) {
      throw new JsonFieldError(`'position.offsets' must name a partition once: found ${place} twice`);
    }
    seen.add(place);
  }
  return {
    offsets,
    taskTimeMs: fields.numberOrNull("taskTimeMs"),
    watermarkMs: fields.numberOrNull("watermarkMs"),
    commitSequence: fields.integer("commitSequence", 0),
  };
}

function readOperator(fields: JsonFields): CheckpointOperator {
  return { name: fields.text("name"), fingerprint: fields.match("fingerprint", DIGEST, DIGEST_FORM) };
}

function readSegment(fields: JsonFields): CheckpointSegment {
  return {
    kind: fields.match("kind", /^(?:base|delta)$/, "base or delta") as SegmentKind,
    name: fields.text("name"),
    bytes: fields.integer("bytes", 1),
    rows: fields.integer("rows", 1),
    firstKey: fields.hex("firstKey"),
    lastKey: fields.hex("lastKey"),
    sha256: fields.match("sha256", DIGEST, DIGEST_FORM),
  };
}

function readReference(fields: JsonFields): CheckpointReference {
  return { name: fields.text("name"), checksum: fields.match("checksum", DIGEST, DIGEST_FORM) };
}

function checkSorted(field: string, values: readonly string[]): void {
  for (let i = 1; i < values.length; i++) {
    if (values[i - 1]! < values[i]!) continue;
    throw new JsonFieldError(
      `'${field}' must be sorted by name without repetition: found ${values[i]} after ${values[i - 1]}`,
    );
  }
}

function checkSegments(segments: readonly CheckpointSegment[], names: CheckpointNames): void {
  const seen = new Set<string>();
  let previousBase: CheckpointSegment | undefined;
  for (const [index, segment] of segments.entries()) {
    const object = names.parse(segment.name);
    if (object?.kind !== "segment" || object.segmentKind !== segment.kind || seen.has(segment.name)) {
      throw new JsonFieldError(
        `'segments[${index}].name' must be a ${segment.kind} of this task: found ${segment.name}`,
      );
    }
    seen.add(segment.name);
    const isRange = compareKeys(segment.firstKey, segment.lastKey) <= 0;
    const isAfter = segment.kind === "delta" || previousBase === undefined ||
      compareKeys(previousBase.lastKey, segment.firstKey) < 0;
    if (!isRange || !isAfter) throw new JsonFieldError(`'segments[${index}]' must have keys after those before it`);
    if (segment.kind === "base") previousBase = segment;
  }
}

function compareKeys(left: Uint8Array, right: Uint8Array): number {
  return compareBytes(left, 0, left.length, right, 0, right.length);
}
