/**
 * Slicing by sixteen: entry `256 * k + byte` is what a byte adds that stands k bytes before the end of a sixteen-byte block.
 * One flat table, as sixteen of them cost twice the time: each would be looked up and checked by itself.
 */
const TABLE = makeTable();

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
  const blocksEnd = length - (length & 15);
  let crc = ~previous;
  let at = 0;
  for (; at < blocksEnd; at += 16) {
    crc = table[3840 + ((crc ^ bytes[at]!) & 255)]! ^ table[3584 + (((crc >>> 8) ^ bytes[at + 1]!) & 255)]! ^
      table[3328 + (((crc >>> 16) ^ bytes[at + 2]!) & 255)]! ^ table[3072 + ((crc >>> 24) ^ bytes[at + 3]!)]! ^
      table[2816 + bytes[at + 4]!]! ^ table[2560 + bytes[at + 5]!]! ^ table[2304 + bytes[at + 6]!]! ^
      table[2048 + bytes[at + 7]!]! ^ table[1792 + bytes[at + 8]!]! ^ table[1536 + bytes[at + 9]!]! ^
      table[1280 + bytes[at + 10]!]! ^ table[1024 + bytes[at + 11]!]! ^ table[768 + bytes[at + 12]!]! ^
      table[512 + bytes[at + 13]!]! ^ table[256 + bytes[at + 14]!]! ^ table[bytes[at + 15]!]!;
  }
  for (; at < length; at++) crc = (crc >>> 8) ^ table[(crc ^ bytes[at]!) & 255]!;
  return ~crc >>> 0;
}

function makeTable(): Int32Array {
  const table = new Int32Array(16 * 256);
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
