import { utf8SequenceLength } from "../utf8.ts";

const HEX = new TextEncoder().encode("0123456789abcdef");
/** Texts up to this length reserve the worst case (six bytes for each byte) instead of being measured. */
const MEASURED_FROM = 512;

/**
 * Bytes to reserve for the escaped form of a text.
 *
 * @param source The buffer.
 * @param start First byte of the text.
 * @param end One past its last byte.
 * @returns An upper bound for short texts, the exact length for long ones.
 */
export function textRoom(source: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length < MEASURED_FROM) return length * 6;
  let room = length;
  for (let p = start; p < end; p++) {
    const byte = source[p]!;
    if (byte >= 32) {
      if (byte === 34 || byte === 92) room++;
    } else room += shortEscape(byte) === 0 ? 5 : 1;
  }
  return room;
}

/** The letter of a two-byte escape (`\n`), or 0 when the control character needs `\u00xx`. */
function shortEscape(byte: number): number {
  switch (byte) {
    case 8:
      return 98;
    case 9:
      return 116;
    case 10:
      return 110;
    case 12:
      return 102;
    case 13:
      return 114;
    default:
      return 0;
  }
}

/**
 * Writes text between quotes of JSON, without the quotes: escapes what JSON demands and nothing else, passes other
 * UTF-8 through. The caller reserves {@linkcode textRoom} bytes first.
 *
 * @param bytes Where to write.
 * @param at First byte to write.
 * @param source The buffer of the text.
 * @param start First byte of the text.
 * @param end One past its last byte.
 * @returns The position after the last byte written, or -1 when the text is not well-formed UTF-8.
 */
export function putText(bytes: Uint8Array, at: number, source: Uint8Array, start: number, end: number): number {
  while (start < end) {
    const byte = source[start]!;
    if (byte >= 0x80) {
      const length = utf8SequenceLength(source, start, end);
      if (length === 0) return -1;
      for (let i = 0; i < length; i++) bytes[at++] = source[start++]!;
      continue;
    }
    start++;
    if (byte >= 32 && byte !== 34 && byte !== 92) {
      bytes[at++] = byte;
      continue;
    }
    bytes[at++] = 92;
    const letter = byte >= 32 ? byte : shortEscape(byte);
    if (letter !== 0) {
      bytes[at++] = letter;
      continue;
    }
    bytes[at++] = 117;
    bytes[at++] = 48;
    bytes[at++] = 48;
    bytes[at++] = HEX[byte >> 4]!;
    bytes[at++] = HEX[byte & 15]!;
  }
  return at;
}

const BASE64 = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

/** Number of bytes that {@linkcode putBase64} writes for `length` bytes. */
export function base64Length(length: number): number {
  return Math.ceil(length / 3) * 4;
}

/**
 * Writes bytes as base64 (RFC 4648 section 4, padded). The caller reserves {@linkcode base64Length} bytes first.
 *
 * @param bytes Where to write.
 * @param at First byte to write.
 * @param source The buffer.
 * @param start First byte.
 * @param end One past the last byte.
 * @returns The position after the last byte written.
 */
export function putBase64(bytes: Uint8Array, at: number, source: Uint8Array, start: number, end: number): number {
  for (; start + 3 <= end; start += 3) {
    const three = (source[start]! << 16) | (source[start + 1]! << 8) | source[start + 2]!;
    bytes[at++] = BASE64[three >> 18]!;
    bytes[at++] = BASE64[(three >> 12) & 63]!;
    bytes[at++] = BASE64[(three >> 6) & 63]!;
    bytes[at++] = BASE64[three & 63]!;
  }
  const rest = end - start;
  if (rest === 0) return at;
  const two = (source[start]! << 8) | (rest === 2 ? source[start + 1]! : 0);
  bytes[at++] = BASE64[two >> 10]!;
  bytes[at++] = BASE64[(two >> 4) & 63]!;
  bytes[at++] = rest === 2 ? BASE64[(two << 2) & 63]! : 61;
  bytes[at++] = 61;
  return at;
}
