import { type Fold, makeFold } from "./crc32c_fold.ts";

/**
 * Slicing by eight: entry `256 * k + byte` is what a byte adds that stands k bytes before the end of an eight-byte block.
 * One flat table, as eight of them cost twice the time: each would be looked up and checked by itself.
 */
const TABLE = makeTable();
/** Two halves of a block are read side by side, as neither waits for the other's checksum. */
const HALF_BYTES = 1024;
/** Entry `256 * k + byte` is what byte k of a checksum becomes when half a block of zeros follows. */
const SHIFT = makeShift(HALF_BYTES);
/** Made when it is wanted first: some programs check nothing that is large. */
let blocks: Fold | null = null;

/**
 * CRC-32C (Castagnoli; reflected polynomial 0x82f63b78, initial value and final xor 0xffffffff), as iSCSI, ext4 and Kafka
 * use it. Checksums of parts compose: `crc32c(b, crc32c(a))` is that of `a` followed by `b`.
 *
 * @param bytes What to check.
 * @param previous Checksum of what stands before it. @default {0}
 * @returns The checksum as an integer in [0, 2^32).
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  const table = TABLE;
  const length = bytes.length;
  const blocksEnd = length - length % (2 * HALF_BYTES);
  let crc = ~previous;
  if (blocksEnd > 0) {
    blocks ??= makeFold(table) ?? checksumOfBlocks;
    crc = blocks(bytes, blocksEnd, crc);
  }
  let at = blocksEnd;
  for (const end = length - (length & 7); at < end; at += 8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc = table[1792 + (crc & 255)]! ^ table[1536 + ((crc >>> 8) & 255)]! ^ table[1280 + ((crc >>> 16) & 255)]! ^
      table[1024 + (crc >>> 24)]! ^ table[768 + bytes[at + 4]!]! ^ table[512 + bytes[at + 5]!]! ^
      table[256 + bytes[at + 6]!]! ^ table[bytes[at + 7]!]!;
  }
  for (; at < length; at++) crc = (crc >>> 8) ^ table[(crc ^ bytes[at]!) & 255]!;
  return ~crc >>> 0;
}

/** Goes on with `crc` over [0, end), a multiple of two halves: what is done where there are no vectors. */
export function checksumOfBlocks(bytes: Uint8Array, end: number, crc: number): number {
  const table = TABLE;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < end; at += HALF_BYTES) {
    let second = 0;
    for (const middle = at + HALF_BYTES; at < middle; at += 8) {
      const a = view.getInt32(at, true) ^ crc;
      const b = view.getInt32(at + 4, true);
      const c = view.getInt32(at + HALF_BYTES, true) ^ second;
      const d = view.getInt32(at + HALF_BYTES + 4, true);
      crc = table[1792 + (a & 255)]! ^ table[1536 + ((a >>> 8) & 255)]! ^ table[1280 + ((a >>> 16) & 255)]! ^
        table[1024 + (a >>> 24)]! ^ table[768 + (b & 255)]! ^ table[512 + ((b >>> 8) & 255)]! ^
        table[256 + ((b >>> 16) & 255)]! ^ table[b >>> 24]!;
      second = table[1792 + (c & 255)]! ^ table[1536 + ((c >>> 8) & 255)]! ^ table[1280 + ((c >>> 16) & 255)]! ^
        table[1024 + (c >>> 24)]! ^ table[768 + (d & 255)]! ^ table[512 + ((d >>> 8) & 255)]! ^
        table[256 + ((d >>> 16) & 255)]! ^ table[d >>> 24]!;
    }
    crc = SHIFT[crc & 255]! ^ SHIFT[256 + ((crc >>> 8) & 255)]! ^ SHIFT[512 + ((crc >>> 16) & 255)]! ^
      SHIFT[768 + (crc >>> 24)]! ^ second;
  }
  return crc;
}

function makeTable(): Int32Array {
  const table = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
    table[byte] = crc;
  }
  for (let entry = 256; entry < table.length; entry++) {
    const before = table[entry - 256]!;
    table[entry] = (before >>> 8) ^ table[before & 255]!;
  }
  return table;
}

/** Checksums are linear: those of single bits give those of all bytes. */
function makeShift(zeros: number): Int32Array {
  const shift = new Int32Array(4 * 256);
  for (let bit = 0; bit < 32; bit++) {
    let crc = 1 << bit;
    for (let i = 0; i < zeros; i++) crc = (crc >>> 8) ^ TABLE[crc & 255]!;
    const first = 256 * (bit >> 3);
    for (let byte = 0; byte < 256; byte++) if ((byte >> (bit & 7) & 1) !== 0) shift[first + byte]! ^= crc;
  }
  return shift;
}
