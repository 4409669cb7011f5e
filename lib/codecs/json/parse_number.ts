import { NEGATIVE_POWERS_HIGH, NEGATIVE_POWERS_LOW, POWERS_OF_TEN } from "./powers_of_ten.ts";

/** What the last successful parse found. A shared object, since an object for each number would be the whole cost. */
export const NUMBER = {
  /** The double, after {@linkcode parseFloat64}. */
  value: 0,
  /** Low 32 bits, after {@linkcode parseInt64}. */
  low: 0,
  /** High 32 bits, after {@linkcode parseInt64}. */
  high: 0,
};

const ascii = new TextDecoder();

/**
 * Parses a JSON number into the nearest double (`NUMBER.value`), exactly as `Number()` does.
 *
 * @param bytes The buffer.
 * @param start First byte of the number.
 * @param end One past the last byte that may be read.
 * @returns One past the number, or -1 when there is no number here or it has no finite double.
 */
export function parseFloat64(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  const isNegative = p < end && bytes[p] === 45;
  if (isNegative) p++;
  // Significant digits 1-9 go to `head` and 10-18 to `tail`, so that both stay small integers.
  let head = 0, tail = 0, digits = 0, c = p < end ? bytes[p]! - 48 : -1;
  if (c < 0 || c > 9) return -1;
  if (c === 0) p++;
  else {
    while (p < end && (c = bytes[p]! - 48) >= 0 && c <= 9) {
      if (digits < 9) head = head * 10 + c;
      else if (digits < 18) tail = tail * 10 + c;
      digits++;
      p++;
    }
  }
  let exponent = 0;
  if (p < end && bytes[p] === 46) {
    const first = ++p;
    while (p < end && (c = bytes[p]! - 48) >= 0 && c <= 9) {
      if (digits > 0 || c > 0) {
        if (digits < 9) head = head * 10 + c;
        else if (digits < 18) tail = tail * 10 + c;
        digits++;
      }
      p++;
    }
    if (p === first) return -1;
    exponent = first - p;
  }
  if (p < end && (bytes[p]! | 32) === 101) {
    p++;
    const isBelow = p < end && bytes[p] === 45;
    if (isBelow || (p < end && bytes[p] === 43)) p++;
    const first = p;
    let written = 0;
    while (p < end && (c = bytes[p]! - 48) >= 0 && c <= 9) {
      if (written < 100_000) written = written * 10 + c;
      p++;
    }
    if (p === first) return -1;
    exponent += isBelow ? -written : written;
  }
  let value = digits <= 18 ? nearest(head, tail, digits, exponent) : NaN;
  if (value !== value) {
    value = numberOf(bytes, start, p);
    if (value - value !== 0) return -1;
    NUMBER.value = value;
  } else NUMBER.value = isNegative ? -value : value;
  return p;
}

/** The double nearest to (head tail) * 10^exponent, or NaN where this arithmetic cannot decide it. */
function nearest(head: number, tail: number, digits: number, exponent: number): number {
  if (digits <= 15) {
    // An integer below 2^53 and a power of ten up to 10^22 are exact doubles: one operation rounds once.
    const integer = digits <= 9 ? head : head * POWERS_OF_TEN[digits - 9]! + tail;
    if (exponent === 0) return integer;
    if (exponent < 0 && exponent >= -22) return integer / POWERS_OF_TEN[-exponent]!;
    if (exponent > 0 && exponent <= 22) return integer * POWERS_OF_TEN[exponent]!;
    return integer === 0 ? 0 : NaN;
  }
  return exponent <= 0 && exponent >= -40 ? nearestOfPair(head, tail, digits, exponent) : NaN;
}

/** 2^27 + 1, which splits a double into two halves of 26 bits. */
const SPLITTER = 134_217_729;

/**
 * 16 to 18 digits: the integer as an exact sum of two doubles, times 10^exponent as a sum of two doubles. The error of
 * the product is below 2^-100 of it; the result stands only when nothing within 2^-96 rounds to another double.
 */
function nearestOfPair(head: number, tail: number, digits: number, exponent: number): number {
  // Exact: head * 5^9 is below 2^53. The sum therefore rounds once.
  const product = head * POWERS_OF_TEN[digits - 9]!;
  const sum = product + tail;
  if (exponent === 0) return sum;
  const part = sum - product;
  const low = (product - (sum - part)) + (tail - part);
  const powerHigh = NEGATIVE_POWERS_HIGH[-exponent]!;
  const high = sum * powerHigh;
  const error = productError(sum, powerHigh, high) + (sum * NEGATIVE_POWERS_LOW[-exponent]! + low * powerHigh);
  const result = high + error;
  const rest = error - (result - high);
  const margin = result * 1e-29;
  return result + (rest + margin) === result && result + (rest - margin) === result ? result : NaN;
}

/** a * b - product, exactly. */
function productError(a: number, b: number, product: number): number {
  let split = SPLITTER * a;
  const aHigh = split - (split - a), aLow = a - aHigh;
  split = SPLITTER * b;
  const bHigh = split - (split - b), bLow = b - bHigh;
  return ((aHigh * bHigh - product) + aHigh * bLow + aLow * bHigh) + aLow * bLow;
}

function numberOf(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 40) return Number(ascii.decode(bytes.slice(start, end)));
  let text = "";
  for (let p = start; p < end; p++) text += String.fromCharCode(bytes[p]!);
  return Number(text);
}

/**
 * Parses a plain JSON integer (no fraction, no exponent) into `NUMBER.low` and `NUMBER.high`, exactly.
 *
 * @param bytes The buffer.
 * @param start First byte of the number.
 * @param end One past the last byte that may be read.
 * @returns One past the digits, or -1 when there is no integer here, or it is outside int64.
 */
export function parseInt64(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  const isNegative = p < end && bytes[p] === 45;
  if (isNegative) p++;
  let c = p < end ? bytes[p]! - 48 : -1;
  if (c < 0 || c > 9) return -1;
  // Digits 1-9 go to `head` and 10-18 to `tail`, so that both stay small integers.
  const first = p;
  let head = 0, tail = 0;
  if (c === 0) p++;
  else {
    const headEnd = p + 9 < end ? p + 9 : end, tailEnd = p + 18 < end ? p + 18 : end;
    while (p < headEnd && (c = bytes[p]! - 48) >= 0 && c <= 9) {
      head = Math.imul(head, 10) + c | 0;
      p++;
    }
    while (p < tailEnd && (c = bytes[p]! - 48) >= 0 && c <= 9) {
      tail = Math.imul(tail, 10) + c | 0;
      p++;
    }
    c = p < end ? bytes[p]! - 48 : -1;
  }
  let digits = p - first;
  if (digits > 15) {
    if (digits === 18 && c >= 0 && c <= 9) {
      tail = tail * 10 + c;
      digits++;
      if (++p < end && bytes[p]! >= 48 && bytes[p]! <= 57) return -1;
    }
    return putWide(head, tail, POWERS_OF_TEN[digits - 9]!, isNegative) ? p : -1;
  }
  const magnitude = digits <= 9 ? head : head * POWERS_OF_TEN[digits - 9]! + tail;
  const value = isNegative ? -magnitude : magnitude;
  const high = Math.floor(value / 4_294_967_296);
  NUMBER.low = value - high * 4_294_967_296 | 0;
  NUMBER.high = high;
  return p;
}

/** 16 to 19 digits: head * scale + tail, in 16-bit steps since it passes 2^53. Whether it is within int64. */
function putWide(head: number, tail: number, scale: number, isNegative: boolean): boolean {
  // head < 10^9 and scale <= 10^10 keep every product below under 2^53.
  const headHigh = Math.floor(head / 65_536);
  const lower = (head - headHigh * 65_536) * scale + tail;
  const upper = headHigh * scale;
  const upperHigh = Math.floor(upper / 65_536);
  const lowerHigh = Math.floor(lower / 4_294_967_296);
  const low = (lower - lowerHigh * 4_294_967_296) + (upper - upperHigh * 65_536) * 65_536;
  const carry = low >= 4_294_967_296 ? 1 : 0;
  const high = upperHigh + lowerHigh + carry;
  const word = low - carry * 4_294_967_296;
  if (high >= 2_147_483_648 && !(isNegative && high === 2_147_483_648 && word === 0)) return false;
  NUMBER.low = isNegative ? -word | 0 : word | 0;
  NUMBER.high = isNegative ? (word === 0 ? -high | 0 : ~high) : high;
  return true;
}
