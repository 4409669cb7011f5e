/** More digits than any 64-bit integer has: what is longer is out of every range. */
const DIGITS_MAX = 20;

/**
 * The integer that a JSON number is, however it is written: `1.0`, `1e3` and `120e-1` are integers.
 *
 * @param text A JSON number.
 * @returns The integer, or `null` when it has a fraction. Numbers of more than 20 digits become one of 21 digits.
 */
export function exactInteger(text: string): bigint | null {
  const isNegative = text.startsWith("-");
  const split = text.search(/[eE]/);
  const mantissa = text.slice(isNegative ? 1 : 0, split < 0 ? text.length : split);
  const point = mantissa.indexOf(".");
  let exponent = split < 0 ? 0 : Number(text.slice(split + 1));
  if (point >= 0) exponent -= mantissa.length - point - 1;
  const written = point < 0 ? mantissa : mantissa.slice(0, point) + mantissa.slice(point + 1);
  let first = 0, last = written.length;
  while (first < last && written.charCodeAt(first) === 48) first++;
  while (last > first && written.charCodeAt(last - 1) === 48) last--;
  if (first === last) return 0n;
  exponent += written.length - last;
  if (exponent < 0) return null;
  const length = last - first + exponent;
  const magnitude = length > DIGITS_MAX
    ? 10n ** BigInt(DIGITS_MAX)
    : BigInt(written.slice(first, last)) * 10n ** BigInt(exponent);
  return isNegative ? -magnitude : magnitude;
}
