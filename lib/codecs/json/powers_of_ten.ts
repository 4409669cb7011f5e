/** 10^0 to 10^22: the powers of ten that are exact doubles. */
export const POWERS_OF_TEN: Float64Array = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

/** 10^-0 to 10^-40, rounded to doubles. */
export const NEGATIVE_POWERS_HIGH: Float64Array = Float64Array.from({ length: 41 }, (_, i) => Number(`1e-${i}`));

/** What 10^-i lacks in {@linkcode NEGATIVE_POWERS_HIGH}: the sum of both is 10^-i to 106 bits. */
export const NEGATIVE_POWERS_LOW: Float64Array = Float64Array.from({ length: 41 }, (_, i) => remainderOf(i));

/** 10^-i minus the double nearest to it, in exact integers until the last step. */
function remainderOf(i: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, NEGATIVE_POWERS_HIGH[i]!);
  const bits = view.getBigUint64(0);
  // The double is mantissa * 2^-shift; 10^-i <= 1 makes shift positive.
  const mantissa = (bits & 0xf_ffff_ffff_ffffn) | 0x10_0000_0000_0000n;
  const shift = 1075n - (bits >> 52n);
  const power = 10n ** BigInt(i);
  // (2^shift - mantissa * 10^i) / (2^shift * 10^i), with 200 further bits in the quotient.
  const numerator = (1n << shift) - mantissa * power;
  return Number((numerator << 200n) / power) * 2 ** -200 * 2 ** -Number(shift);
}
