/**
 * Finds the first byte that is not UTF-8 (overlong forms, surrogates and code points past U+10FFFF are not).
 *
 * @param bytes The buffer.
 * @param start First byte.
 * @param end One past the last byte.
 * @returns Position of the first byte of the bad sequence, or -1 when all is well.
 */
export function findBadUtf8(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  while (p < end) {
    const c = bytes[p]!;
    if (c < 0x80) {
      p++;
      continue;
    }
    const length = c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (length === 0 || p + length > end) return p;
    const second = bytes[p + 1]!;
    if ((second & 0xc0) !== 0x80) return p;
    if (c === 0xe0 ? second < 0xa0 : c === 0xed ? second > 0x9f : false) return p;
    if (c === 0xf0 ? second < 0x90 : c === 0xf4 ? second > 0x8f : false) return p;
    if (length > 2 && (bytes[p + 2]! & 0xc0) !== 0x80) return p;
    if (length > 3 && (bytes[p + 3]! & 0xc0) !== 0x80) return p;
    p += length;
  }
  return -1;
}

/** Where the last text went. */
export const TEXT = {
  /** One past the last byte written, after {@linkcode parseText}. */
  end: 0,
};

/**
 * Decodes a JSON string into UTF-8. `out` must have room for as many bytes as the string has in JSON, which is never less.
 *
 * @param bytes The buffer.
 * @param start First byte after the opening quote.
 * @param end One past the last byte that may be read.
 * @param out Where the text goes.
 * @param at First byte to write; `TEXT.end` is one past the last one.
 * @returns One past the closing quote, or -1 when this is no string that UTF-8 can hold.
 */
export function parseText(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  let p = start, seen = 0;
  while (p < end) {
    const c = bytes[p++]!;
    if (c === 34) {
      if (seen >= 128 && findBadUtf8(bytes, start, p - 1) >= 0) return -1;
      TEXT.end = at;
      return p;
    }
    if (c < 32) return -1;
    if (c !== 92) {
      seen |= c;
      out[at++] = c;
      continue;
    }
    if (p >= end) return -1;
    const escape = bytes[p++]!;
    if (escape === 117) {
      let code = hexAt(bytes, p, end);
      p += 4;
      if (code >= 0xd800 && code < 0xdc00 && p + 2 <= end && bytes[p] === 92 && bytes[p + 1] === 117) {
        const low = hexAt(bytes, p + 2, end);
        if (low < 0xdc00 || low > 0xdfff) return -1;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
      }
      if (code < 0 || (code >= 0xd800 && code <= 0xdfff)) return -1;
      at = putCodePoint(out, at, code);
      continue;
    }
    const single = unescaped(escape);
    if (single < 0) return -1;
    out[at++] = single;
  }
  return -1;
}

/** The byte that `\` and this byte stand for, or -1. */
export function unescaped(escape: number): number {
  switch (escape) {
    case 34:
    case 47:
    case 92:
      return escape;
    case 98:
      return 8;
    case 102:
      return 12;
    case 110:
      return 10;
    case 114:
      return 13;
    case 116:
      return 9;
    default:
      return -1;
  }
}

/** Four hexadecimal digits at `p`, or -1. */
export function hexAt(bytes: Uint8Array, p: number, end: number): number {
  if (p + 4 > end) return -1;
  let code = 0;
  for (let i = 0; i < 4; i++) {
    const c = bytes[p + i]!;
    const letter = c | 32;
    if (c >= 48 && c <= 57) code = code << 4 | c - 48;
    else if (letter >= 97 && letter <= 102) code = code << 4 | letter - 87;
    else return -1;
  }
  return code;
}

function putCodePoint(out: Uint8Array, at: number, code: number): number {
  if (code < 0x80) {
    out[at++] = code;
    return at;
  }
  if (code < 0x800) out[at++] = 0xc0 | code >> 6;
  else {
    if (code < 0x10000) out[at++] = 0xe0 | code >> 12;
    else {
      out[at++] = 0xf0 | code >> 18;
      out[at++] = 0x80 | code >> 12 & 63;
    }
    out[at++] = 0x80 | code >> 6 & 63;
  }
  out[at++] = 0x80 | code & 63;
  return at;
}
