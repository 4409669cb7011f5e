const DIGITS = "0123456789abcdef";
/** Both digits of each byte. */
const PAIRS: readonly string[] = Array.from({ length: 256 }, (_, byte) => DIGITS[byte >> 4]! + DIGITS[byte & 15]!);

/**
 * Writes bytes as lower-case hexadecimal digits.
 *
 * @param bytes Any bytes.
 * @returns Two digits for each byte.
 */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += PAIRS[bytes[i]!]!;
  return text;
}

/**
 * Reads lower-case hexadecimal digits. Upper case is refused, so that bytes have one spelling only.
 *
 * @param text Two digits for each byte.
 * @returns The bytes, or `undefined` when the text is not of that form.
 */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = valueOf(text.charCodeAt(2 * i));
    const low = valueOf(text.charCodeAt(2 * i + 1));
    if (high < 0 || low < 0) return undefined;
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

/** Value of a lower-case digit, or -1. */
function valueOf(unit: number): number {
  if (unit >= 48 && unit <= 57) return unit - 48;
  return unit >= 97 && unit <= 102 ? unit - 87 : -1;
}
