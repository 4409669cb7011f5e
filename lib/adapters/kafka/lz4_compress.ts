import { copyBytes } from "../../columns/spans.ts";
import { HASH_FACTOR, matchLength } from "./compress_match.ts";
import { descriptorChecksum, LZ4_FLAGS, LZ4_MAGIC, LZ4_STORED } from "./lz4_frame.ts";

const BLOCK_BYTES = 64 << 10;
const BLOCK_CODE = 4 << 4;
const HEADER = makeHeader();
const HASH_BITS = 13;
/** Position in the block by the hash of four bytes; a position that was never set is 0 and is checked like any other. */
const TABLE = new Uint16Array(1 << HASH_BITS);
/** The last match begins at least so far before the end of a block, and the last bytes are literals. */
const MATCH_LIMIT = 12;
const LAST_LITERALS = 5;
/** After `2 ** SKIP_BITS` attempts in vain the search begins to skip bytes. */
const SKIP_BITS = 6;

/** Greatest size that {@linkcode lz4Compress} writes, with room for copies that overrun. */
export function lz4SizeMax(size: number): number {
  return HEADER.length + 4 + size + Math.ceil(size / BLOCK_BYTES) * 4 + Math.ceil(size / 255) + 32;
}

/**
 * Compresses bytes to one LZ4 frame of independent blocks of 64 KiB without checksums of blocks, as Kafka's own producers
 * write it.
 *
 * @param bytes What to compress.
 * @param target Where the frame goes; at least {@linkcode lz4SizeMax} bytes.
 * @returns Size of the frame.
 */
export function lz4Compress(bytes: Uint8Array, target: Uint8Array): number {
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  target.set(HEADER, 0);
  let at = HEADER.length;
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const block = bytes.subarray(start, Math.min(start + BLOCK_BYTES, bytes.length));
    const end = writeBlock(block, target, at + 4);
    const size = end - at - 4;
    if (size < block.length) {
      view.setUint32(at, size, true);
      at = end;
    } else {
      view.setUint32(at, block.length + LZ4_STORED, true);
      target.set(block, at + 4);
      at += 4 + block.length;
    }
  }
  view.setUint32(at, 0, true);
  return at + 4;
}

function makeHeader(): Uint8Array {
  const header = new Uint8Array(7);
  new DataView(header.buffer).setUint32(0, LZ4_MAGIC, true);
  header[4] = LZ4_FLAGS.version1 | LZ4_FLAGS.isIndependent;
  header[5] = BLOCK_CODE;
  header[6] = descriptorChecksum(header, 4, 6);
  return header;
}

/** Writes one block at `at`. Returns its end. */
function writeBlock(block: Uint8Array, target: Uint8Array, at: number): number {
  const source = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const table = TABLE.fill(0);
  const last = block.length - MATCH_LIMIT;
  const matchEnd = block.length - LAST_LITERALS;
  let anchor = 0;
  let p = 1;
  let tries = 1 << SKIP_BITS;
  while (p < last) {
    const word = source.getInt32(p, true);
    const slot = Math.imul(word, HASH_FACTOR) >>> (32 - HASH_BITS);
    const match = table[slot]!;
    table[slot] = p;
    if (source.getInt32(match, true) !== word) {
      p += tries++ >> SKIP_BITS;
      continue;
    }
    const literals = p - anchor;
    const tokenAt = at++;
    if (literals > 14) at = writeLength(target, at, literals - 15);
    at = copyBytes(block, anchor, p, target, at);
    const distance = p - match;
    target[at++] = distance;
    target[at++] = distance >> 8;
    const length = matchLength(source, p, { match, end: matchEnd });
    if (length > 18) at = writeLength(target, at, length - 19);
    target[tokenAt] = Math.min(literals, 15) << 4 | Math.min(length - 4, 15);
    p += length;
    anchor = p;
    tries = 1 << SKIP_BITS;
  }
  const literals = block.length - anchor;
  target[at++] = Math.min(literals, 15) << 4;
  if (literals > 14) at = writeLength(target, at, literals - 15);
  return copyBytes(block, anchor, block.length, target, at);
}

/** What a length is beyond what its token holds. */
function writeLength(target: Uint8Array, at: number, rest: number): number {
  for (; rest > 254; rest -= 255) target[at++] = 255;
  target[at++] = rest;
  return at;
}
