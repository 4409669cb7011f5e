import type { CheckpointKey, CheckpointTask, SegmentKind } from "./checkpoint_names.ts";

/** Version of the manifest's format that this library writes, and the newest that it reads. */
export const MANIFEST_FORMAT_VERSION = 1;

/** An input topic as it was when the checkpoint was taken. */
export interface CheckpointTopic {
  /** Topic name. */
  readonly topic: string;
  /** Stable id of this incarnation of the topic. */
  readonly topicId: string;
  /** Number of partitions. */
  readonly partitions: number;
}

/** How far one input partition was applied. */
export interface CheckpointOffset {
  /** Topic name; one of the manifest's topics. */
  readonly topic: string;
  /** Partition number. */
  readonly partition: number;
  /** Position: the next offset to apply. */
  readonly offset: bigint;
  /** Leader epoch of the record before it, or -1 when unknown. */
  readonly leaderEpoch: number;
}

/** The point in the input that the state reflects. */
export interface CheckpointPosition {
  /** One entry for each input partition of the task. */
  readonly offsets: readonly CheckpointOffset[];
  /** Task time in epoch milliseconds, or `null` before the first record. */
  readonly taskTimeMs: number | null;
  /** Watermark in epoch milliseconds, or `null` before the first record. */
  readonly watermarkMs: number | null;
  /** Number of the task's last commit in this lineage. */
  readonly commitSequence: number;
}

/** State of one operator: what it is called, and what its rows look like. */
export interface CheckpointOperator {
  /** Name of the operator or table in the state. */
  readonly name: string;
  /** SHA-256 of the canonical text of its schema (schema_fingerprint.ts), 64 hexadecimal digits. */
  readonly fingerprint: string;
}

/** One file of a checkpoint. */
export interface CheckpointSegment {
  /** `base`: rows of the whole state; `delta`: rows put or deleted since the segments before it. */
  readonly kind: SegmentKind;
  /** Full name of the object; may have been written for an earlier checkpoint. */
  readonly name: string;
  /** Size of the object in bytes. */
  readonly bytes: number;
  /** Number of rows; at least 1. */
  readonly rows: number;
  /** First key. */
  readonly firstKey: Uint8Array;
  /** Last key; not below the first. */
  readonly lastKey: Uint8Array;
  /** SHA-256 of the object, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** Reference to another manifest. */
export interface CheckpointReference {
  /** Full name of its object. */
  readonly name: string;
  /** Checksum that ends it, 64 hexadecimal digits. */
  readonly checksum: string;
}

/** What is known about a task when a checkpoint is taken: all of the manifest but what the upload itself finds out. */
export interface CheckpointFacts {
  /** Identity of the cluster that the offsets belong to. */
  readonly clusterId: string;
  /** Input topics, sorted by name. */
  readonly topics: readonly CheckpointTopic[];
  /** Position of exactly the snapshot's state. */
  readonly position: CheckpointPosition;
  /** Operators with state, sorted by name. */
  readonly operators: readonly CheckpointOperator[];
  /** Version of the handler that made the state. */
  readonly handlerVersion: number;
  /** Version of this library that wrote the checkpoint. */
  readonly libraryVersion: string;
}

/**
 * Describes one checkpoint completely: what it is a copy of, where in the input it stands, and its files. Created last,
 * so that a manifest that can be seen implies that all its files are there.
 */
export interface CheckpointManifest extends CheckpointTask, CheckpointKey, CheckpointFacts {
  /** Version of the format. */
  readonly formatVersion: number;
  /** Position as the state store wrote it together with the rows; `null` for a store never written. */
  readonly storePosition: Uint8Array | null;
  /**
   * Files in the order in which they are applied. Base segments have ascending key ranges that do not overlap; the rows
   * of a delta replace what the segments before it say of the same keys, a null value deletes.
   */
  readonly segments: readonly CheckpointSegment[];
  /** The checkpoint that its owner took before this one; `null` for its first. It need no longer be there. */
  readonly previous: CheckpointReference | null;
  /** Wall time of the upload in epoch milliseconds: a stamp for people, never compared. */
  readonly createdWallMs: number;
}

/**
 * Order of two checkpoints of one lineage: by how far they stand, then by who wrote them and when. The offset goes before
 * the commit sequence: after a group was put back, another number of commits may lead to the same place.
 */
export function compareManifests(left: CheckpointManifest, right: CheckpointManifest): number {
  for (const [at, { offset }] of left.position.offsets.entries()) {
    const other = right.position.offsets[at]?.offset ?? offset;
    if (offset !== other) return offset < other ? -1 : 1;
  }
  return left.position.commitSequence - right.position.commitSequence || left.ownerToken - right.ownerToken ||
    left.sequence - right.sequence;
}
