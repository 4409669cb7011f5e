import type { DecompressOutput } from "./decompress_output.ts";
import { descriptorChecksum, LZ4_BLOCK_SIZES, LZ4_FLAGS, LZ4_MAGIC, LZ4_STORED } from "./lz4_frame.ts";
import { xxhash32 } from "./xxhash32.ts";

/**
 * Decompresses one LZ4 frame; all checksums that it has are checked.
 *
 * @param bytes The frame.
 * @param output Where its content goes.
 * @throws {OutputLimitError} when it holds more than may be written.
 * @throws {RangeError} when it is damaged.
 */
export function lz4Decompress(bytes: Uint8Array, output: DecompressOutput): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { flags, blockBytesMax, headerEnd } = readDescriptor(bytes, view);
  const start = output.length;
  let at = headerEnd;
  while (at + 4 <= bytes.length) {
    const size = view.getUint32(at, true);
    at += 4;
    if (size === 0) {
      checkContent(view, at, { flags, content: output.bytes.subarray(start, output.length) });
      return;
    }
    const end = at + size % LZ4_STORED;
    const next = end + ((flags & LZ4_FLAGS.hasBlockChecksum) !== 0 ? 4 : 0);
    if (next > bytes.length) throw damaged("a block is cut off", at);
    if (next > end && xxhash32(bytes, at, end) !== view.getUint32(end, true)) {
      throw damaged("the checksum of a block does not hold", at);
    }
    if (size >= LZ4_STORED) output.append(bytes.subarray(at, end));
    else {
      // The bound of a block, or less when not so much may be written any more.
      const room = Math.min(blockBytesMax, output.bytesLeft);
      output.reserve(room);
      const window = (flags & LZ4_FLAGS.isIndependent) !== 0 ? output.length : start;
      const written = decodeBlock(bytes, at, { end, output: output.bytes, window, from: output.length, room });
      if (written < 0) {
        if (room < blockBytesMax) output.reserve(blockBytesMax);
        throw damaged("a block does not fit", at);
      }
      output.length = written;
    }
    at = next;
  }
  throw damaged("its end is missing", at);
}

function readDescriptor(
  bytes: Uint8Array,
  view: DataView,
): { readonly flags: number; readonly blockBytesMax: number; readonly headerEnd: number } {
  if (bytes.length < 7 || view.getUint32(0, true) !== LZ4_MAGIC) throw damaged("it is not a frame", 0);
  const flags = bytes[4]!;
  if ((flags & LZ4_FLAGS.version) !== LZ4_FLAGS.version1) throw damaged("its version is unknown", 4);
  if ((flags & LZ4_FLAGS.hasDictionary) !== 0) throw damaged("it needs a dictionary", 4);
  const blockBytesMax = LZ4_BLOCK_SIZES[(bytes[5]! >> 4) & 7]!;
  if (blockBytesMax === 0) throw damaged("its block size is unknown", 5);
  const checksumAt = 6 + ((flags & LZ4_FLAGS.hasContentSize) !== 0 ? 8 : 0);
  if (bytes[checksumAt] !== descriptorChecksum(bytes, 4, Math.min(checksumAt, bytes.length))) {
    throw damaged("the checksum of its descriptor does not hold", checksumAt);
  }
  return { flags, blockBytesMax, headerEnd: checksumAt + 1 };
}

function checkContent(
  view: DataView,
  at: number,
  { flags, content }: { readonly flags: number; readonly content: Uint8Array },
): void {
  if ((flags & LZ4_FLAGS.hasContentSize) !== 0 && view.getBigUint64(6, true) !== BigInt(content.length)) {
    throw damaged(`it holds ${content.length} bytes and claims ${view.getBigUint64(6, true)}`, at);
  }
  if ((flags & LZ4_FLAGS.hasContentChecksum) === 0) return;
  if (at + 4 > view.byteLength || view.getUint32(at, true) !== xxhash32(content)) {
    throw damaged("the checksum of its content does not hold", at);
  }
}

/** Where a block ends, and where it goes. */
interface BlockPlace {
  readonly end: number;
  /** The output; at least some words longer than what may be written. */
  readonly output: Uint8Array;
  /** First byte of the output that the block may refer to. */
  readonly window: number;
  readonly from: number;
  readonly room: number;
}

/** Decodes a block from `at` on. Copies go by words, which may overrun. Returns the new end of the output, or -1. */
function decodeBlock(bytes: Uint8Array, at: number, { end, output, window, from, room }: BlockPlace): number {
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const target = new DataView(output.buffer, output.byteOffset, output.byteLength);
  const limit = from + room;
  let written = from;
  while (at < end) {
    const token = bytes[at++]!;
    let literals = token >> 4;
    if (literals === 15) {
      for (let byte = 255; byte === 255; literals += byte) {
        if (at >= end) return -1;
        byte = bytes[at++]!;
      }
    }
    if (at + literals > end || written + literals > limit) return -1;
    if (literals <= 64 && at + literals + 16 <= bytes.length) {
      target.setInt32(written, source.getInt32(at));
      target.setInt32(written + 4, source.getInt32(at + 4));
      target.setInt32(written + 8, source.getInt32(at + 8));
      target.setInt32(written + 12, source.getInt32(at + 12));
      for (let i = 16; i < literals; i += 4) target.setInt32(written + i, source.getInt32(at + i));
    } else output.set(bytes.subarray(at, at + literals), written);
    at += literals;
    written += literals;
    if (at === end) return written;
    if (at + 2 > end) return -1;
    const distance = bytes[at]! | bytes[at + 1]! << 8;
    at += 2;
    let length = (token & 15) + 4;
    if (length === 19) {
      for (let byte = 255; byte === 255; length += byte) {
        if (at >= end) return -1;
        byte = bytes[at++]!;
      }
    }
    const match = written - distance;
    if (distance === 0 || match < window || written + length > limit) return -1;
    if (distance < 4) { for (let i = 0; i < length; i++) output[written + i] = output[match + i]!; }
    else {
      target.setInt32(written, target.getInt32(match));
      target.setInt32(written + 4, target.getInt32(match + 4));
      target.setInt32(written + 8, target.getInt32(match + 8));
      target.setInt32(written + 12, target.getInt32(match + 12));
      if (length > 64 && distance >= length) output.copyWithin(written, match, match + length);
      else for (let i = 16; i < length; i += 4) target.setInt32(written + i, target.getInt32(match + i));
    }
    written += length;
  }
  return -1;
}

function damaged(what: string, at: number): RangeError {
  return new RangeError(`Cannot decompress LZ4 data as ${what}: current position is ${at}`);
}
