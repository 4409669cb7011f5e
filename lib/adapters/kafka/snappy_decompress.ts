import { copyMatch } from "./lz4_decompress.ts";

/** What Java's snappy streams begin with: "\x82SNAPPY\0", then two versions of four bytes. */
const STREAM_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const STREAM_HEADER_SIZE = 16;

/**
 * Decompresses Snappy data: a plain block, or the blocks of the stream format that Java producers write.
 *
 * @param bytes Compressed data.
 * @returns The content.
 * @throws {RangeError} when it is damaged.
 */
export function snappyDecompress(bytes: Uint8Array): Uint8Array {
  if (!STREAM_MAGIC.every((byte, i) => bytes[i] === byte)) return decodeBlock(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks: Uint8Array[] = [];
  let total = 0;
  for (let at = STREAM_HEADER_SIZE; at < bytes.length;) {
    const length = at + 4 <= bytes.length ? view.getInt32(at) : -1;
    at += 4;
    if (length < 0 || at + length > bytes.length) throw damaged("a block is cut off", at);
    const block = decodeBlock(bytes.subarray(at, at + length));
    blocks.push(block);
    total += block.length;
    at += length;
  }
  const output = new Uint8Array(total);
  let written = 0;
  for (const block of blocks) {
    output.set(block, written);
    written += block.length;
  }
  return output;
}

function decodeBlock(block: Uint8Array): Uint8Array {
  let at = 0;
  let size = 0;
  for (let shift = 0;; shift += 7) {
    if (at >= block.length || shift > 28) throw damaged("its size is cut off", at);
    const byte = block[at++]!;
    size += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  if (size > 64 * block.length + 64) throw damaged(`its size of ${size} bytes cannot be`, at);
  const output = new Uint8Array(size);
  let written = 0;
  const littleEndian = (count: number): number => {
    if (at + count > block.length) throw damaged("an element is cut off", at);
    let value = 0;
    for (let i = 0; i < count; i++) value += block[at++]! * 2 ** (8 * i);
    return value;
  };
  while (at < block.length) {
    const tag = block[at++]!;
    const kind = tag & 3;
    if (kind === 0) {
      const short = tag >> 2;
      const length = (short < 60 ? short : littleEndian(short - 59)) + 1;
      if (at + length > block.length || written + length > size) throw damaged("literals do not fit", at);
      output.set(block.subarray(at, at + length), written);
      at += length;
      written += length;
      continue;
    }
    const length = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const distance = kind === 1 ? (tag >> 5) * 256 + littleEndian(1) : littleEndian(kind === 2 ? 2 : 4);
    if (distance === 0 || distance > written || written + length > size) throw damaged("a match does not fit", at);
    written = copyMatch(output, written, { distance, length });
  }
  if (written !== size) throw damaged(`it holds ${written} of ${size} bytes`, at);
  return output;
}

function damaged(what: string, at: number): RangeError {
  return new RangeError(`Cannot decompress Snappy data as ${what}: current position is ${at}`);
}
