import { copyBytes } from "../../columns/spans.ts";
import { HASH_FACTOR, matchLength } from "./compress_match.ts";
import { SNAPPY_STREAM_HEADER } from "./snappy_stream.ts";

/** What Java's streams take as a block. */
const BLOCK_BYTES = 32 << 10;
const HASH_BITS = 13;
/** Position in the block by the hash of four bytes; a position that was never set is 0 and is checked like any other. */
const TABLE = new Uint16Array(1 << HASH_BITS);
/** After `2 ** SKIP_BITS` attempts in vain the search begins to skip bytes. */
const SKIP_BITS = 5;

/** Greatest size that {@linkcode snappyCompress} writes, with room for copies that overrun. */
export function snappySizeMax(size: number): number {
  return SNAPPY_STREAM_HEADER.length + Math.ceil(size / BLOCK_BYTES) * 40 + size + Math.ceil(size / 6);
}

/**
 * Compresses bytes with Snappy, in the stream format that Kafka's own producers write.
 *
 * @param bytes What to compress.
 * @param target Where it goes; at least {@linkcode snappySizeMax} bytes.
 * @returns Size of what was written.
 */
export function snappyCompress(bytes: Uint8Array, target: Uint8Array): number {
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  target.set(SNAPPY_STREAM_HEADER, 0);
  let at = SNAPPY_STREAM_HEADER.length;
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const block = bytes.subarray(start, Math.min(start + BLOCK_BYTES, bytes.length));
    const end = writeBlock(block, target, at + 4);
    view.setUint32(at, end - at - 4);
    at = end;
  }
  return at;
}

/** Writes one block at `at`. Returns its end. */
function writeBlock(block: Uint8Array, target: Uint8Array, at: number): number {
  const source = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const table = TABLE.fill(0);
  const last = block.length - 4;
  for (let size = block.length;; size >>>= 7) {
    if (size < 128) {
      target[at++] = size;
      break;
    }
    target[at++] = size & 127 | 128;
  }
  let anchor = 0;
  let p = 1;
  let tries = 1 << SKIP_BITS;
  while (p <= last) {
    const word = source.getInt32(p, true);
    const slot = Math.imul(word, HASH_FACTOR) >>> (32 - HASH_BITS);
    const match = table[slot]!;
    table[slot] = p;
    if (source.getInt32(match, true) !== word) {
      p += tries++ >> SKIP_BITS;
      continue;
    }
    if (p > anchor) at = writeLiterals(block, target, { at, start: anchor, end: p });
    const length = matchLength(source, p, { match, end: block.length });
    at = writeCopy(target, at, { distance: p - match, length });
    p += length;
    anchor = p;
    tries = 1 << SKIP_BITS;
  }
  return anchor === block.length ? at : writeLiterals(block, target, { at, start: anchor, end: block.length });
}

function writeLiterals(
  block: Uint8Array,
  target: Uint8Array,
  place: { readonly at: number; readonly start: number; readonly end: number },
): number {
  const { start, end } = place;
  let { at } = place;
  const less = end - start - 1;
  if (less < 60) target[at++] = less << 2;
  else if (less < 256) {
    target[at++] = 60 << 2;
    target[at++] = less;
  } else {
    target[at++] = 61 << 2;
    target[at++] = less;
    target[at++] = less >> 8;
  }
  return copyBytes(block, start, end, target, at);
}

/** A copy of up to 64 bytes at a time; those of at least 4 bytes and from near by take two bytes, others three. */
function writeCopy(
  target: Uint8Array,
  at: number,
  { distance, length }: { readonly distance: number; readonly length: number },
): number {
  let left = length;
  while (left >= 68) {
    at = writeLongCopy(target, at, { distance, length: 64 });
    left -= 64;
  }
  // So that the last copy has at least four bytes.
  if (left > 64) {
    at = writeLongCopy(target, at, { distance, length: 60 });
    left -= 60;
  }
  if (left > 11 || distance > 2047) return writeLongCopy(target, at, { distance, length: left });
  target[at++] = (distance >> 8) << 5 | (left - 4) << 2 | 1;
  target[at++] = distance;
  return at;
}

function writeLongCopy(
  target: Uint8Array,
  at: number,
  { distance, length }: { readonly distance: number; readonly length: number },
): number {
  target[at++] = (length - 1) << 2 | 2;
  target[at++] = distance;
  target[at++] = distance >> 8;
  return at;
}
