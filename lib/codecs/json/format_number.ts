/**
 * Numbers as JSON text, written straight into bytes. Callers reserve {@linkcode NUMBER_BYTES_MAX} bytes first.
 */

/** No number takes more bytes: `-0.0000012345678901234567` has 25, an int64 has 20. */
export const NUMBER_BYTES_MAX = 25;

/** "00" to "99": tens digit in the low byte, units digit in the high byte. */
const TWO_DIGITS = Uint16Array.from({ length: 100 }, (_, i) => (48 + Math.trunc(i / 10)) | ((48 + i % 10) << 8));
/** Powers of ten that a double holds exactly. */
const POWERS = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
const TWO_31 = 2 ** 31;
const TWO_32 = 2 ** 32;

function digitCount(value: number): number {
  if (value < 100_000) {
    return value < 100 ? (value < 10 ? 1 : 2) : value < 1_000 ? 3 : value < 10_000 ? 4 : 5;
  }
  if (value < 10_000_000) return value < 1_000_000 ? 6 : 7;
  return value < 100_000_000 ? 8 : value < 1_000_000_000 ? 9 : 10;
}

/** Writes an integer of [0, 2^31). */
function putUint31(bytes: Uint8Array, at: number, value: number): number {
  if (value < 10) {
    bytes[at] = 48 + value;
    return at + 1;
  }
  let count = digitCount(value);
  const end = at + count;
  while (count >= 2) {
    const rest = (value / 100) | 0;
    const digits = TWO_DIGITS[value - rest * 100]!;
    bytes[at + count - 1] = digits >> 8;
    bytes[at + count - 2] = digits;
    value = rest;
    count -= 2;
  }
  if (count === 1) bytes[at] = 48 + value;
  return end;
}

/** Writes exactly nine digits. */
function putNineDigits(bytes: Uint8Array, at: number, value: number): number {
  for (let count = 9; count > 1; count -= 2) {
    const rest = (value / 100) | 0;
    const digits = TWO_DIGITS[value - rest * 100]!;
    bytes[at + count - 1] = digits >> 8;
    bytes[at + count - 2] = digits;
    value = rest;
  }
  bytes[at] = 48 + value;
  return at + 9;
}

/** Writes an integer of [0, 2^53). */
function putUint53(bytes: Uint8Array, at: number, value: number): number {
  if (value < TWO_31) return putUint31(bytes, at, value | 0);
  const high = Math.floor(value / 1e9);
  return putNineDigits(bytes, putUint31(bytes, at, high | 0), (value - high * 1e9) | 0);
}

/**
 * Writes an integer that an Int32Array or Uint32Array holds.
 *
 * @param bytes Where to write.
 * @param at First byte to write.
 * @param value The integer.
 * @returns The position after the last byte written.
 */
export function putInt(bytes: Uint8Array, at: number, value: number): number {
  if (value >= 0) return putUint53(bytes, at, value);
  bytes[at] = 45;
  return putUint53(bytes, at + 1, -value);
}

/**
 * Writes a 64-bit unsigned integer given as two 32-bit halves, by long division in base 10^9: no BigInt is made.
 *
 * @param bytes Where to write.
 * @param at First byte to write.
 * @param low Low 32 bits, signed or not.
 * @param high High 32 bits, signed or not.
 * @returns The position after the last byte written.
 */
export function putUint64(bytes: Uint8Array, at: number, low: number, high: number): number {
  low >>>= 0;
  high >>>= 0;
  if (high < 0x20_0000) return putUint53(bytes, at, high * TWO_32 + low);
  const quotientHigh = Math.floor(high / 1e9);
  const middle = (high - quotientHigh * 1e9) * 65_536 + (low >>> 16);
  const quotientMiddle = Math.floor(middle / 1e9);
  const rest = (middle - quotientMiddle * 1e9) * 65_536 + (low & 0xffff);
  const quotientLow = Math.floor(rest / 1e9);
  const quotient = quotientHigh * TWO_32 + quotientMiddle * 65_536 + quotientLow;
  return putNineDigits(bytes, putUint53(bytes, at, quotient), (rest - quotientLow * 1e9) | 0);
}

/**
 * Writes a 64-bit signed integer given as two 32-bit halves.
 *
 * @param bytes Where to write.
 * @param at First byte to write.
 * @param low Low 32 bits, signed or not.
 * @param high High 32 bits, signed.
 * @returns The position after the last byte written.
 */
export function putInt64(bytes: Uint8Array, at: number, low: number, high: number): number {
  if (high >= 0) return putUint64(bytes, at, low, high);
  bytes[at] = 45;
  const negated = -low | 0;
  return putUint64(bytes, at + 1, negated, negated === 0 ? -high : ~high);
}

function putString(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  return at + text.length;
}

/**
 * Writes a finite double in its shortest form, byte for byte what `JSON.stringify` writes, except that -0 is written
 * `-0` so that it survives.
 *
 * A double below 2^31 that has a decimal of at most 15 digits has only one such, and that is its shortest form: it is
 * found by scaling with a power of ten, rounding and dividing back, all exact. `String()` does the rest.
 *
 * @param bytes Where to write.
 * @param at First byte to write.
 * @param value A finite double.
 * @param hints `hints[hint]` holds the number of decimals of the previous value of the same column: tried first.
 * @param hint Which hint is this column's.
 * @returns The position after the last byte written.
 */
export function putFloat64(bytes: Uint8Array, at: number, value: number, hints: Int32Array, hint: number): number {
  if (value < 0) {
    bytes[at] = 45;
    return putPositive(bytes, at + 1, -value, hints, hint);
  }
  if (value === 0 && 1 / value < 0) {
    bytes[at] = 45;
    bytes[at + 1] = 48;
    return at + 2;
  }
  return putPositive(bytes, at, value, hints, hint);
}

function putPositive(bytes: Uint8Array, at: number, value: number, hints: Int32Array, hint: number): number {
  if (value >= TWO_31) {
    return value <= Number.MAX_SAFE_INTEGER && Math.floor(value) === value
      ? putUint53(bytes, at, value)
      : putString(bytes, at, String(value));
  }
  const whole = value | 0;
  if (whole === value) return putUint31(bytes, at, whole);
  if (value < 1e-6) return putString(bytes, at, String(value));
  let decimals = hints[hint]!;
  let scaled = Math.round(value * POWERS[decimals]!);
  if (scaled >= 1e15 || scaled / POWERS[decimals]! !== value) {
    decimals = value < 1e6 ? 9 : value < 1e9 ? 6 : 5;
    scaled = Math.round(value * POWERS[decimals]!);
    if (scaled / POWERS[decimals]! !== value) return putString(bytes, at, String(value));
    hints[hint] = withoutTrailingZeros(scaled, decimals);
  }
  return putFraction(bytes, at, whole, scaled - whole * POWERS[decimals]!, decimals);
}

function withoutTrailingZeros(scaled: number, decimals: number): number {
  while (decimals > 1) {
    const rest = Math.floor(scaled / 10);
    if (rest * 10 !== scaled) break;
    scaled = rest;
    decimals--;
  }
  return decimals;
}

/** Writes `whole.fraction`; `fraction` is below 10^decimals, not zero, and loses its trailing zeros. */
function putFraction(bytes: Uint8Array, at: number, whole: number, fraction: number, decimals: number): number {
  at = putUint31(bytes, at, whole);
  bytes[at++] = 46;
  let rest = fraction | 0;
  for (;;) {
    const shorter = (rest / 10) | 0;
    if (shorter * 10 !== rest) break;
    rest = shorter;
    decimals--;
  }
  for (let i = decimals - 1; i >= 0; i--) {
    const shorter = (rest / 10) | 0;
    bytes[at + i] = 48 + rest - shorter * 10;
    rest = shorter;
  }
  return at + decimals;
}
