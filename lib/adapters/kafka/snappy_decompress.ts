import type { DecompressOutput } from "./decompress_output.ts";
import { SNAPPY_STREAM_HEADER, SNAPPY_STREAM_MAGIC_SIZE } from "./snappy_stream.ts";

/**
 * Decompresses Snappy data: a plain block, or the blocks of the stream format that Java producers write.
 *
 * @param bytes Compressed data.
 * @param output Where its content goes.
 * @throws {OutputLimitError} when it holds more than may be written.
 * @throws {RangeError} when it is damaged.
 */
export function snappyDecompress(bytes: Uint8Array, output: DecompressOutput): void {
  for (let i = 0; i < SNAPPY_STREAM_MAGIC_SIZE; i++) {
    if (bytes[i] !== SNAPPY_STREAM_HEADER[i]) return decodeBlock(bytes, { at: 0, end: bytes.length }, output);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = SNAPPY_STREAM_HEADER.length; at < bytes.length;) {
    const length = at + 4 <= bytes.length ? view.getInt32(at) : -1;
    at += 4;
    if (length < 0 || at + length > bytes.length) throw damaged("a block is cut off", at);
    decodeBlock(bytes, { at, end: at + length }, output);
    at += length;
  }
}

function decodeBlock(
  bytes: Uint8Array,
  place: { readonly at: number; readonly end: number },
  output: DecompressOutput,
): void {
  const { end } = place;
  let { at } = place;
  let size = 0;
  for (let shift = 0;; shift += 7) {
    if (at >= end || shift > 28) throw damaged("its size is cut off", at);
    const byte = bytes[at++]!;
    size += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  // An element of three bytes gives at most 64: what claims more than that is damaged, and nothing is reserved for it.
  if (size > 22 * (end - at) + 64) throw damaged(`its size of ${size} bytes cannot be`, at);
  output.reserve(size);
  const written = decodeElements(bytes, at, { end, output: output.bytes, from: output.length, size });
  if (written < 0) throw damaged("an element does not fit", at);
  output.length = written;
}

/** Where a block ends, and where it goes. */
interface BlockPlace {
  readonly end: number;
  /** The output; at least some words longer than what may be written. */
  readonly output: Uint8Array;
  readonly from: number;
  readonly size: number;
}

/** Decodes a block's elements. Copies go by words, which may overrun. Returns the new end of the output, or -1. */
function decodeElements(bytes: Uint8Array, at: number, { end, output, from, size }: BlockPlace): number {
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const target = new DataView(output.buffer, output.byteOffset, output.byteLength);
  const limit = from + size;
  let written = from;
  while (at < end) {
    const tag = bytes[at++]!;
    const kind = tag & 3;
    if (kind === 0) {
      let length = tag >> 2;
      if (length > 59) {
        const count = length - 59;
        if (at + count > end) return -1;
        length = 0;
        for (let i = 0; i < count; i++) length += bytes[at++]! * 2 ** (8 * i);
      }
      length += 1;
      if (at + length > end || written + length > limit) return -1;
      if (length > 64 || at + length + 4 > bytes.length) output.set(bytes.subarray(at, at + length), written);
      else for (let i = 0; i < length; i += 4) target.setInt32(written + i, source.getInt32(at + i));
      at += length;
      written += length;
      continue;
    }
    const operands = kind === 3 ? 4 : kind;
    if (at + operands > end) return -1;
    const length = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const distance = kind === 1
      ? (tag >> 5) << 8 | bytes[at]!
      : kind === 2
      ? bytes[at]! | bytes[at + 1]! << 8
      : source.getUint32(at, true);
    at += operands;
    const match = written - distance;
    if (distance === 0 || match < from || written + length > limit) return -1;
    if (distance < 4) { for (let i = 0; i < length; i++) output[written + i] = output[match + i]!; }
    else for (let i = 0; i < length; i += 4) target.setInt32(written + i, target.getInt32(match + i));
    written += length;
  }
  return written === limit ? written : -1;
}

function damaged(what: string, at: number): RangeError {
  return new RangeError(`Cannot decompress Snappy data as ${what}: current position is ${at}`);
}
