const MAGIC = 0x184d2204;
const BLOCK_SIZES = [0, 0, 0, 0, 64 << 10, 256 << 10, 1 << 20, 4 << 20];
/** Bits of the frame's flags. */
const FLAGS = { hasBlockChecksum: 16, hasContentSize: 8, hasDictionary: 1 } as const;

/**
 * Decompresses one LZ4 frame.
 *
 * @param bytes The frame.
 * @returns Its content.
 * @throws {RangeError} when it is damaged.
 */
export function lz4Decompress(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 7 || view.getUint32(0, true) !== MAGIC) throw damaged("it is not a frame", 0);
  const flags = bytes[4]!;
  const blockSize = BLOCK_SIZES[(bytes[5]! >> 4) & 7]!;
  if (blockSize === 0) throw damaged("its block size is unknown", 5);
  let at = 7 + ((flags & FLAGS.hasContentSize) !== 0 ? 8 : 0) + ((flags & FLAGS.hasDictionary) !== 0 ? 4 : 0);
  let output = new Uint8Array(Math.max(blockSize, 4 * bytes.length));
  let written = 0;
  while (at + 4 <= bytes.length) {
    const size = view.getUint32(at, true);
    at += 4;
    if (size === 0) return output.subarray(0, written);
    const length = size & 0x7fff_ffff;
    if (at + length > bytes.length) throw damaged("a block is cut off", at);
    if (output.length - written < blockSize) {
      const grown = new Uint8Array(2 * output.length + blockSize);
      grown.set(output.subarray(0, written));
      output = grown;
    }
    if (size > 0x7fff_ffff) {
      output.set(bytes.subarray(at, at + length), written);
      written += length;
    } else written = decodeBlock(bytes.subarray(at, at + length), output, written);
    at += length + ((flags & FLAGS.hasBlockChecksum) !== 0 ? 4 : 0);
  }
  throw damaged("its end is missing", at);
}

/** Decodes one block behind what is written already, which it may refer to. Returns the new end. */
function decodeBlock(block: Uint8Array, output: Uint8Array, start: number): number {
  let at = 0;
  let written = start;
  const lengthFrom = (base: number): number => {
    let length = base;
    if (base === 15) {
      for (let byte = 255; byte === 255; length += byte) {
        if (at >= block.length) throw damaged("a length is cut off", at);
        byte = block[at++]!;
      }
    }
    return length;
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = lengthFrom(token >> 4);
    if (at + literals > block.length || written + literals > output.length) throw damaged("literals do not fit", at);
    output.set(block.subarray(at, at + literals), written);
    at += literals;
    written += literals;
    if (at >= block.length) break;
    const distance = block[at]! | (block[at + 1] ?? 0) << 8;
    at += 2;
    const length = lengthFrom(token & 15) + 4;
    if (distance === 0 || distance > written || written + length > output.length) {
      throw damaged("a match does not fit", at);
    }
    written = copyMatch(output, written, { distance, length });
  }
  return written;
}

/**
 * Repeats what was written `distance` bytes ago; the repetition may overlap itself.
 *
 * @param output Buffer that is written to.
 * @param written Where to go on.
 * @param match How far back, and how many bytes.
 * @returns The new end.
 */
export function copyMatch(
  output: Uint8Array,
  written: number,
  match: { readonly distance: number; readonly length: number },
): number {
  const { distance, length } = match;
  const from = written - distance;
  if (distance >= length) output.copyWithin(written, from, from + length);
  else for (let i = 0; i < length; i++) output[written + i] = output[from + i]!;
  return written + length;
}

function damaged(what: string, at: number): RangeError {
  return new RangeError(`Cannot decompress LZ4 data as ${what}: current position is ${at}`);
}
