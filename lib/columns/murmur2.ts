const M = 0x5bd1e995;

/**
 * Kafka's murmur2 (the default partitioner's hash) of a byte range.
 *
 * @param bytes The buffer.
 * @param start First byte.
 * @param end One past the last byte.
 * @returns The hash as a signed 32-bit integer, bit for bit what Kafka's `Utils.murmur2` gives.
 */
export function murmur2(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  const length = end - start;
  let hash = 0x9747b28c ^ length;
  let p = start;
  for (const last = end - 3; p < last; p += 4) {
    let k = bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    hash = Math.imul(hash, M) ^ Math.imul(k, M);
  }
  const rest = end - p;
  if (rest > 0) {
    if (rest > 2) hash ^= bytes[p + 2]! << 16;
    if (rest > 1) hash ^= bytes[p + 1]! << 8;
    hash = Math.imul(hash ^ bytes[p]!, M);
  }
  hash = Math.imul(hash ^ (hash >>> 13), M);
  return hash ^ (hash >>> 15);
}

/**
 * The partition of a key's hash, as Kafka's default partitioner chooses it.
 *
 * @param hash What {@linkcode murmur2} gave.
 * @param partitions Number of partitions, at least 1.
 * @returns A partition number.
 */
export function partitionOf(hash: number, partitions: number): number {
  return (hash & 0x7fffffff) % partitions;
}
