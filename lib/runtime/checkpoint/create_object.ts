import { CheckpointConflictError } from "../../base/errors.ts";
import type { BlobStore } from "../../seams/blob_store.ts";

/**
 * Writes an object that nobody else writes. Finding it there with the same bytes is success: an earlier attempt of ours
 * whose reply was lost.
 *
 * @param blobs Where.
 * @param name Full name.
 * @param bytes Content.
 * @throws {CheckpointConflictError} when the name is taken by other content, which stays as it is.
 */
export async function createObject(blobs: BlobStore, name: string, bytes: Uint8Array): Promise<void> {
  const result = await blobs.create(name, bytes);
  if (result.isCreated || equalBytes(result.existing, bytes)) return;
  throw new CheckpointConflictError(
    `Cannot create '${name}' in ${blobs.location}: the name is taken by other content (${result.existing.length} ` +
      "bytes), so another process uses the same owner token; it was left as it is. Claim a new token and take a new checkpoint",
    { context: { location: blobs.location, name, existingBytes: result.existing.length } },
  );
}

/** Whether two objects have the same content. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}
