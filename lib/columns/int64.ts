/**
 * 64-bit integers without BigInt: kernels read and write them as pairs of int32 words, low word first.
 */

const TWO_32 = 4294967296;
/** Largest magnitude up to which a double holds every integer: 2^53 - 1. */
export const SAFE_MAX: number = Number.MAX_SAFE_INTEGER;

/** The int32 words (low, high, low, high, ...) of 64-bit integers, without a copy. */
export function wordsOf(values: BigInt64Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length * 2);
}

/** The nearest double of the integer at `row`; exact up to 2^53. */
export function wordsToNumber(words: Int32Array, row: number): number {
  return words[2 * row + 1]! * TWO_32 + (words[2 * row]! >>> 0);
}

/** Writes an integral double within [-2^63, 2^63) at `row`. */
export function numberToWords(value: number, words: Int32Array, row: number): void {
  const high = Math.floor(value / TWO_32);
  words[2 * row] = (value - high * TWO_32) | 0;
  words[2 * row + 1] = high;
}

/**
 * 64-bit integers from integral doubles, as builders of timestamps need them.
 *
 * @param values Integral doubles within [-2^63, 2^63); anything else gives unspecified integers.
 * @returns A fresh array of the same length.
 */
export function int64FromNumbers(values: Float64Array): BigInt64Array {
  const result = new BigInt64Array(values.length);
  const words = wordsOf(result);
  for (let row = 0; row < values.length; row++) numberToWords(values[row]!, words, row);
  return result;
}

/** Doubles from 64-bit integers; exact up to 2^53, else the nearest. */
export function numbersFromInt64(values: BigInt64Array): Float64Array {
  const words = wordsOf(values);
  const result = new Float64Array(values.length);
  for (let row = 0; row < result.length; row++) result[row] = words[2 * row + 1]! * TWO_32 + (words[2 * row]! >>> 0);
  return result;
}

/** The high word of a bigint within 64 bits, signed. */
export function highWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value >> 32n));
}

/** The low word of a bigint, as a signed int32. */
export function lowWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

/** Order of two 64-bit integers given as words: negative, zero or positive. */
export function compareWords(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  return aHigh !== bHigh ? aHigh - bHigh : (aLow >>> 0) - (bLow >>> 0);
}

/**
 * Order of a 64-bit integer and a double, exact for every pair; NaN when the double is NaN.
 *
 * The nearest double of the integer decides unless it equals `value`; then `value` is integral and its words decide.
 */
export function compareWordsToNumber(high: number, low: number, value: number): number {
  const nearest = high * TWO_32 + (low >>> 0);
  if (nearest !== value) return nearest - value;
  const valueHigh = Math.floor(value / TWO_32);
  return high !== valueHigh ? high - valueHigh : (low >>> 0) - (value - valueHigh * TWO_32);
}
