import { CheckpointCorruptError } from "../../base/errors.ts";
import { sha256Hex } from "../../base/sha256.ts";
import { decodeSegment, type SegmentPage } from "../../codecs/segment.ts";
import type { CheckpointSegment } from "../../core/checkpoint_manifest.ts";
import type { BlobStore } from "../../seams/blob_store.ts";
import { READS_MAX } from "./read_manifest.ts";

/**
 * Reads a segment and verifies size, checksum and structure before it gives any row. Bytes that do not verify are read
 * once more, since a body may be damaged on its way only.
 *
 * @param blobs Where.
 * @param segment What the manifest says of it.
 * @returns All rows.
 * @throws {CheckpointCorruptError} when it is missing or damaged.
 * @throws {BlobError} when the store cannot be used.
 */
export async function readSegment(blobs: BlobStore, segment: CheckpointSegment): Promise<SegmentPage[]> {
  let found = "";
  for (let read = 0; read < READS_MAX; read++) {
    const bytes = await blobs.get(segment.name);
    if (bytes === undefined) throw corrupt(blobs, segment, "it is missing");
    if (bytes.length !== segment.bytes) found = `it has ${bytes.length} bytes instead of ${segment.bytes}`;
    else if (sha256Hex(bytes) !== segment.sha256) found = "its checksum does not match the manifest";
    else return decodeSegment(bytes, segment);
  }
  throw corrupt(blobs, segment, found);
}

function corrupt(blobs: BlobStore, segment: CheckpointSegment, found: string): CheckpointCorruptError {
  return new CheckpointCorruptError(
    `Cannot use checkpoint segment '${segment.name}' in ${blobs.location}: ${found}; an older checkpoint is used if ` +
      "there is one",
    { context: { location: blobs.location, name: segment.name, found } },
  );
}
