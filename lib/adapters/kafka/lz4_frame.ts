import { xxhash32 } from "./xxhash32.ts";

/** What an LZ4 frame begins with, read as a little-endian integer. */
export const LZ4_MAGIC = 0x184d2204;
/** Bits of the frame's flags. */
export const LZ4_FLAGS = {
  version: 0xc0,
  version1: 0x40,
  isIndependent: 0x20,
  hasBlockChecksum: 0x10,
  hasContentSize: 0x08,
  hasContentChecksum: 0x04,
  hasDictionary: 0x01,
} as const;
/** Greatest size of a block by its code in the frame's descriptor; 0 for codes that mean nothing. */
export const LZ4_BLOCK_SIZES: readonly number[] = [0, 0, 0, 0, 64 << 10, 256 << 10, 1 << 20, 4 << 20];
/** Bit of a block's size that tells that the block is stored as it is. */
export const LZ4_STORED = 0x8000_0000;

/** The byte that checks a frame's descriptor. */
export function descriptorChecksum(bytes: Uint8Array, start: number, end: number): number {
  return (xxhash32(bytes, start, end) >>> 8) & 255;
}
