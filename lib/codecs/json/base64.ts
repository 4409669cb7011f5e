const VALUES = new Int8Array(256).fill(-1);
for (const [value, letter] of [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].entries()) {
  VALUES[letter.charCodeAt(0)] = value;
}

/**
 * Decodes base64 (RFC 4648, the standard alphabet, padded) in its one canonical spelling, so that bytes and text map one
 * to one. Reads ahead of what it writes, so `out` may be the same bytes.
 *
 * @param bytes The text.
 * @param start First byte of the text.
 * @param end One past the last byte of the text.
 * @param out Where the bytes go.
 * @param at First byte to write.
 * @returns One past the last byte written, or -1 when the text is no base64.
 */
export function decodeBase64(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  const length = end - start;
  if (length === 0) return at;
  if (length % 4 !== 0) return -1;
  const padding = bytes[end - 1] !== 61 ? 0 : bytes[end - 2] !== 61 ? 1 : 2;
  const whole = padding === 0 ? end : end - 4;
  let p = start;
  for (; p < whole; p += 4) {
    const a = VALUES[bytes[p]!]!, b = VALUES[bytes[p + 1]!]!, c = VALUES[bytes[p + 2]!]!, d = VALUES[bytes[p + 3]!]!;
    if ((a | b | c | d) < 0) return -1;
    out[at++] = a << 2 | b >> 4;
    out[at++] = (b & 15) << 4 | c >> 2;
    out[at++] = (c & 3) << 6 | d;
  }
  if (padding === 0) return at;
  const a = VALUES[bytes[p]!]!, b = VALUES[bytes[p + 1]!]!, c = padding === 1 ? VALUES[bytes[p + 2]!]! : 0;
  // Bits that no byte takes must be zero.
  if ((a | b | c) < 0 || (padding === 1 ? c & 3 : b & 15) !== 0) return -1;
  out[at++] = a << 2 | b >> 4;
  if (padding === 1) out[at++] = (b & 15) << 4 | c >> 2;
  return at;
}
