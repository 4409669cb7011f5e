/**
 * Length of the UTF-8 sequence at `at`, by Unicode's table of well-formed sequences: no overlong forms, no surrogates,
 * nothing above U+10FFFF.
 *
 * @param bytes The buffer.
 * @param at First byte of the sequence.
 * @param end One past the last byte that may belong to it.
 * @returns 1 to 4, or 0 when there is no well-formed sequence.
 */
export function utf8SequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  if (at + 1 >= end) return 0;
  const second = bytes[at + 1]!;
  if (first < 0xe0) return (second & 0xc0) === 0x80 ? 2 : 0;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high || at + 2 >= end || (bytes[at + 2]! & 0xc0) !== 0x80) return 0;
  if (first < 0xf0) return 3;
  return at + 3 < end && (bytes[at + 3]! & 0xc0) === 0x80 ? 4 : 0;
}
