import { findBadUtf8, hexAt, unescaped } from "./utf8_text.ts";

/** How deep a value may nest; the object of the row itself is the first level. */
export const LEVELS_MAX = 512;

/** Why the last skip failed. */
export const FAULT = {
  /** What is wrong, as the end of the sentence `the value is not valid JSON: ...`. */
  reason: "",
};

/** `~position`, which is negative, and the reason on the side. */
function fail(position: number, reason: string): number {
  FAULT.reason = reason;
  return ~position;
}

function unexpected(p: number, end: number): number {
  return p < end ? fail(p, "unexpected byte") : fail(end, "unexpected end");
}

/** Skips JSON whitespace. */
export function skipSpace(bytes: Uint8Array, p: number, end: number): number {
  while (p < end) {
    const c = bytes[p]!;
    if (c > 32 || (c !== 32 && c !== 10 && c !== 13 && c !== 9)) return p;
    p++;
  }
  return p;
}

/** Whether `null` stands at `p`. */
export function isNullAt(bytes: Uint8Array, p: number, end: number): boolean {
  return p + 4 <= end && bytes[p] === 110 && bytes[p + 1] === 117 && bytes[p + 2] === 108 && bytes[p + 3] === 108;
}

/** Skips a string, checked, from the byte after its opening quote; `~position` of the fault when it is none. */
export function skipText(bytes: Uint8Array, start: number, end: number): number {
  let p = start, seen = 0;
  while (p < end) {
    const c = bytes[p++]!;
    if (c > 92 || (c > 34 && c < 92) || c === 32 || c === 33) {
      seen |= c;
      continue;
    }
    if (c === 34) {
      if (seen < 128) return p;
      const bad = findBadUtf8(bytes, start, p - 1);
      return bad < 0 ? p : fail(bad, "bad UTF-8");
    }
    if (c !== 92) return fail(p - 1, "control character in a string");
    if (p >= end) break;
    if (bytes[p] === 117) {
      if (hexAt(bytes, p + 1, end) < 0) return fail(p - 1, "bad escape");
      p += 5;
    } else if (unescaped(bytes[p++]!) < 0) return fail(p - 2, "bad escape");
  }
  return fail(end, "unexpected end");
}

function skipDigits(bytes: Uint8Array, p: number, end: number): number {
  while (p < end) {
    const c = bytes[p]!;
    if (c < 48 || c > 57) return p;
    p++;
  }
  return p;
}

function skipNumber(bytes: Uint8Array, p: number, end: number): number {
  if (bytes[p] === 45) p++;
  let first = p;
  if (p < end && bytes[p] === 48) p++;
  else p = skipDigits(bytes, p, end);
  if (p === first) return unexpected(p, end);
  if (p < end && bytes[p] === 46) {
    first = ++p;
    p = skipDigits(bytes, p, end);
    if (p === first) return unexpected(p, end);
  }
  if (p < end && (bytes[p]! | 32) === 101) {
    p++;
    if (p < end && (bytes[p] === 43 || bytes[p] === 45)) p++;
    first = p;
    p = skipDigits(bytes, p, end);
    if (p === first) return unexpected(p, end);
  }
  return p;
}

const TRUE = new TextEncoder().encode("true");
const FALSE = new TextEncoder().encode("false");
const NULL = new TextEncoder().encode("null");

function skipWord(bytes: Uint8Array, p: number, end: number, word: Uint8Array): number {
  for (let i = 0; i < word.length; i++) if (p + i >= end || bytes[p + i] !== word[i]) return unexpected(p + i, end);
  return p + word.length;
}

function skipScalar(bytes: Uint8Array, p: number, end: number): number {
  if (p >= end) return fail(end, "unexpected end");
  const c = bytes[p]!;
  if (c === 34) return skipText(bytes, p + 1, end);
  if (c === 116) return skipWord(bytes, p, end, TRUE);
  if (c === 102) return skipWord(bytes, p, end, FALSE);
  if (c === 110) return skipWord(bytes, p, end, NULL);
  return skipNumber(bytes, p, end);
}

/** Skips a member's name, the colon and the space around it. */
function skipName(bytes: Uint8Array, p: number, end: number): number {
  if (p >= end || bytes[p] !== 34) return unexpected(p, end);
  p = skipText(bytes, p + 1, end);
  if (p < 0) return p;
  p = skipSpace(bytes, p, end);
  if (p >= end || bytes[p] !== 58) return unexpected(p, end);
  return skipSpace(bytes, p + 1, end);
}

// Open containers, 1 for an object and 0 for an array. Shared: skipping is synchronous and does not call back.
const OPEN = new Uint8Array(LEVELS_MAX);

/**
 * Skips any JSON value, checked as strictly as `JSON.parse` checks it, without recursion.
 *
 * @param bytes The buffer.
 * @param p First byte of the value.
 * @param end One past the last byte that may be read.
 * @param levels How many levels the value may nest, at most {@linkcode LEVELS_MAX}.
 * @returns One past the value, or `~position` (negative) of the first fault, with {@linkcode FAULT} set.
 */
export function skipValue(bytes: Uint8Array, p: number, end: number, levels: number): number {
  let depth = 0;
  for (;;) {
    const c = p < end ? bytes[p]! : 0;
    if (c === 123 || c === 91) {
      if (depth === levels) return fail(p, `nested deeper than ${LEVELS_MAX} levels`);
      p = skipSpace(bytes, p + 1, end);
      const isEmpty = p < end && bytes[p] === c + 2;
      if (isEmpty) p++;
      else {
        OPEN[depth++] = c === 123 ? 1 : 0;
        if (c === 123 && (p = skipName(bytes, p, end)) < 0) return p;
        continue;
      }
    } else {
      p = skipScalar(bytes, p, end);
      if (p < 0) return p;
    }
    for (;;) {
      if (depth === 0) return p;
      p = skipSpace(bytes, p, end);
      const isObject = OPEN[depth - 1] === 1;
      const next = p < end ? bytes[p]! : 0;
      if (next === 44) {
        p = skipSpace(bytes, p + 1, end);
        if (isObject && (p = skipName(bytes, p, end)) < 0) return p;
        break;
      }
      if (next !== (isObject ? 125 : 93)) return unexpected(p, end);
      p++;
      depth--;
    }
  }
}

/**
 * Checks that [start, end) is one JSON value with nothing but whitespace around it.
 *
 * @param bytes The buffer.
 * @param start First byte.
 * @param end One past the last byte.
 * @returns `end`, or `~position` (negative) of the first fault, with {@linkcode FAULT} set.
 */
export function checkJson(bytes: Uint8Array, start: number, end: number): number {
  let p = skipValue(bytes, skipSpace(bytes, start, end), end, LEVELS_MAX);
  if (p < 0) return p;
  p = skipSpace(bytes, p, end);
  return p === end ? p : fail(p, "bytes after the value");
}
