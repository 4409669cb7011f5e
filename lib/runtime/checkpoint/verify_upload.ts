import { CheckpointConflictError, CheckpointTornError } from "../../base/errors.ts";
import { sha256Hex } from "../../base/sha256.ts";
import type { CheckpointSegment } from "../../core/checkpoint_manifest.ts";
import type { CheckpointNames } from "../../core/checkpoint_names.ts";
import { greatestOwnerToken } from "../../core/checkpoint_owner.ts";
import type { BlobStore } from "../../seams/blob_store.ts";

/** What is verified before a manifest is created. */
export interface UploadFacts {
  /** Names of the task's objects. */
  readonly names: CheckpointNames;
  /** Our owner token. */
  readonly ownerToken: number;
  /** The files just written. */
  readonly segments: readonly CheckpointSegment[];
  /** Files up to this size are read back, in bytes. */
  readonly verifyBytesMax: number;
}

/**
 * Verifies an upload by what the store shows: every file is listed with its size, those up to `verifyBytesMax` bytes are
 * read back and hashed, and no later owner has claimed the task. For larger files the store's success and the listed
 * size are trusted here; a restore verifies all of them.
 *
 * @param blobs Where.
 * @param facts What was written.
 * @throws {CheckpointConflictError} when a later owner has taken over.
 * @throws {CheckpointTornError} when a file is missing, short or damaged.
 * @throws {BlobError} when the store cannot be used.
 */
export async function verifyUpload(blobs: BlobStore, facts: UploadFacts): Promise<void> {
  const { names, ownerToken, segments, verifyBytesMax } = facts;
  const listed = await blobs.list(names.prefix);
  const greatest = greatestOwnerToken(listed.map((entry) => entry.name), names);
  if (greatest > ownerToken) {
    throw new CheckpointConflictError(
      `Cannot finish a checkpoint below '${names.prefix}' in ${blobs.location}: owner ${greatest} has taken over from ` +
        `owner ${ownerToken}; this process is to close the task without further effects`,
      { context: { location: blobs.location, task: names.task, ownerToken, greatest } },
    );
  }
  const sizes = new Map(listed.map((entry) => [entry.name, entry.size]));
  for (const segment of segments) {
    const size = sizes.get(segment.name);
    if (size !== segment.bytes) {
      throw torn(blobs, segment, size === undefined ? "it is not listed" : `it has ${size} bytes`);
    }
    if (segment.bytes > verifyBytesMax) continue;
    const bytes = await blobs.get(segment.name);
    if (bytes === undefined || sha256Hex(bytes) !== segment.sha256) throw torn(blobs, segment, "its checksum differs");
  }
}

function torn(blobs: BlobStore, segment: CheckpointSegment, found: string): CheckpointTornError {
  return new CheckpointTornError(
    `Cannot finish a checkpoint in ${blobs.location}: file '${segment.name}' was written with ${segment.bytes} bytes, but ` +
      `${found}; no manifest was created, the next checkpoint is tried at its time`,
    { context: { location: blobs.location, name: segment.name, expectedBytes: segment.bytes, found } },
  );
}
