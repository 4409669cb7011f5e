/** Bitmaps as Arrow has them: bit i of byte b is row 8b + i; a set bit is true or valid. */

/** Bytes that a bitmap of `bits` bits takes, padded to 8 as Arrow wants it. */
export function bitmapBytes(bits: number): number {
  return ((bits + 63) & ~63) >> 3;
}

/** A bitmap whose first `bits` bits are set, the rest of its bytes clear. */
export function fullBitmap(bits: number): Uint8Array {
  const bitmap = new Uint8Array(bitmapBytes(bits)).fill(255, 0, bits >> 3);
  if (bits & 7) bitmap[bits >> 3] = (1 << (bits & 7)) - 1;
  return bitmap;
}

/** Whether bit `index` is set. */
export function hasBit(bitmap: Uint8Array, index: number): boolean {
  return (bitmap[index >> 3]! & (1 << (index & 7))) !== 0;
}

/** Number of set bits in [from, to). */
export function countBits(bitmap: Uint8Array, from: number, to: number): number {
  let count = 0;
  let i = from;
  for (; i < to && (i & 7) !== 0; i++) count += (bitmap[i >> 3]! >> (i & 7)) & 1;
  for (; i + 8 <= to; i += 8) {
    let byte = bitmap[i >> 3]!;
    byte -= (byte >> 1) & 0x55;
    byte = (byte & 0x33) + ((byte >> 2) & 0x33);
    count += (byte + (byte >> 4)) & 0x0f;
  }
  for (; i < to; i++) count += (bitmap[i >> 3]! >> (i & 7)) & 1;
  return count;
}

/**
 * Copies `count` bits from `source` at bit `from` to `target` at bit `at`. The target's bits there must be clear.
 */
export function copyBits(source: Uint8Array, from: number, count: number, target: Uint8Array, at: number): void {
  let i = 0;
  if ((from & 7) === (at & 7)) {
    for (; i < count && ((at + i) & 7) !== 0; i++) copyBit(source, from + i, target, at + i);
    const whole = (count - i) >> 3;
    target.set(source.subarray((from + i) >> 3, ((from + i) >> 3) + whole), (at + i) >> 3);
    i += whole << 3;
  }
  for (; i < count; i++) copyBit(source, from + i, target, at + i);
}

function copyBit(source: Uint8Array, from: number, target: Uint8Array, at: number): void {
  target[at >> 3] = target[at >> 3]! | (((source[from >> 3]! >> (from & 7)) & 1) << (at & 7));
}

/** Sets the bits [from, to). */
export function setBits(target: Uint8Array, from: number, to: number): void {
  let i = from;
  for (; i < to && (i & 7) !== 0; i++) target[i >> 3] = target[i >> 3]! | (1 << (i & 7));
  const whole = (to - i) >> 3;
  if (whole > 0) {
    target.fill(255, i >> 3, (i >> 3) + whole);
    i += whole << 3;
  }
  for (; i < to; i++) target[i >> 3] = target[i >> 3]! | (1 << (i & 7));
}

/** Packs one byte per row (0 is clear, anything else is set) into bits. */
export function packBits(flags: Uint8Array, count: number): Uint8Array {
  const bitmap = new Uint8Array(bitmapBytes(count));
  for (let i = 0; i < count; i++) if (flags[i] !== 0) bitmap[i >> 3] = bitmap[i >> 3]! | (1 << (i & 7));
  return bitmap;
}
