/** Spreads four bytes over a table of positions: 2^32 by the golden ratio. */
export const HASH_FACTOR = 0x9e3779b1 | 0;

/**
 * How many bytes at `at` repeat what stands earlier; the first four are known to.
 *
 * @param source The bytes.
 * @param at Where the repetition begins.
 * @param place Where the same bytes stand earlier, and where to end at most.
 */
export function matchLength(
  source: DataView,
  at: number,
  place: { readonly match: number; readonly end: number },
): number {
  const { end } = place;
  const back = at - place.match;
  let p = at + 4;
  while (p + 4 <= end) {
    const differing = source.getInt32(p, true) ^ source.getInt32(p - back, true);
    // The lowest bit that differs tells in which byte.
    if (differing !== 0) return p - at + ((31 - Math.clz32(differing & -differing)) >> 3);
    p += 4;
  }
  while (p < end && source.getUint8(p) === source.getUint8(p - back)) p++;
  return p - at;
}
