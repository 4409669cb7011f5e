/** Slicing by eight: table k maps a byte that stands k bytes before the end of an eight-byte block. */
const TABLES = makeTables();

/**
 * CRC-32C (Castagnoli; reflected polynomial 0x82f63b78, initial value and final xor 0xffffffff), as iSCSI, ext4 and Kafka
 * use it. Checksums of parts compose: `crc32c(b, crc32c(a))` is that of `a` followed by `b`.
 *
 * @param bytes What to check.
 * @param previous Checksum of what stands before it. @default {0}
 * @returns The checksum as an integer in [0, 2^32).
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES;
  const length = bytes.length;
  const blocksEnd = length - (length & 7);
  let crc = ~previous;
  let at = 0;
  for (; at < blocksEnd; at += 8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc = t7[crc & 255]! ^ t6[(crc >>> 8) & 255]! ^ t5[(crc >>> 16) & 255]! ^ t4[crc >>> 24]! ^
      t3[bytes[at + 4]!]! ^ t2[bytes[at + 5]!]! ^ t1[bytes[at + 6]!]! ^ t0[bytes[at + 7]!]!;
  }
  for (; at < length; at++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]!) & 255]!;
  return ~crc >>> 0;
}

type Tables = readonly [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

function makeTables(): Tables {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
    tables[0]![byte] = crc;
  }
  for (let slice = 1; slice < 8; slice++) {
    for (let byte = 0; byte < 256; byte++) {
      const before = tables[slice - 1]![byte]!;
      tables[slice]![byte] = (before >>> 8) ^ tables[0]![before & 255]!;
    }
  }
  return tables as unknown as Tables;
}
