import { HEADER_SIZE, PREFIX_SIZE } from "./record_batch.ts";

/**
 * The first batches that were written under one leader epoch. Positions inside them all have that epoch, wherever a slab
 * is cut; what follows is fetched again, which happens once for each change of a leader.
 *
 * @param bytes What a broker sent for one partition.
 * @returns A view of its beginning; all of it when the epoch does not change.
 */
export function leaderEpochRun(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let epoch = -1;
  for (let at = 0; at + HEADER_SIZE <= bytes.length;) {
    const next = at + PREFIX_SIZE + view.getInt32(at + 8);
    const found = view.getInt32(at + 12);
    if (at > 0 && found !== epoch) return bytes.subarray(0, at);
    epoch = found;
    // A length that cannot be is told by whoever reads the batches.
    if (next < at + HEADER_SIZE) return bytes;
    at = next;
  }
  return bytes;
}
