const FRAME = 0xfd2f_b528;
/** The last four bits of its number are free. */
const SKIPPABLE_FRAME = 0x184d_2a50;
const CUT_OFF = "Unexpected end of frame";
const BLOCK = { rle: 1, reserved: 3 } as const;

/**
 * Cuts zstd's format into frames: a decompressor of one frame stops at its end, and what stands behind it would be lost.
 * Frames that hold no data are left out.
 *
 * @param bytes Frames, one behind the other.
 * @throws {Error} when the last one is cut off, or something else stands there.
 */
export function zstdFrames(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: Uint8Array[] = [];
  try {
    for (let at = 0; at < bytes.length;) {
      const magic = view.getUint32(at, true);
      if ((magic & ~15) === SKIPPABLE_FRAME) {
        at += 8 + view.getUint32(at + 4, true);
        if (at > bytes.length) throw new RangeError(CUT_OFF);
        continue;
      }
      if (magic !== FRAME) throw new Error(`No frame begins at byte ${at}`);
      const end = endOfFrame(view, at);
      frames.push(bytes.subarray(at, end));
      at = end;
    }
  } catch (error) {
    // Reads past the end are RangeErrors.
    throw error instanceof RangeError ? new Error(CUT_OFF, { cause: error }) : error;
  }
  return frames;
}

function endOfFrame(view: DataView, start: number): number {
  const descriptor = view.getUint8(start + 4);
  const isSingleSegment = (descriptor & 32) !== 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  let at = start + 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
  for (let isLast = false; !isLast;) {
    const header = view.getUint16(at, true) | view.getUint8(at + 2) << 16;
    const type = header >> 1 & 3;
    if (type === BLOCK.reserved) throw new Error(`No block begins at byte ${at}`);
    isLast = (header & 1) === 1;
    at += 3 + (type === BLOCK.rle ? 1 : header >> 3);
  }
  const end = at + ((descriptor & 4) === 0 ? 0 : 4);
  if (end > view.byteLength) throw new RangeError(CUT_OFF);
  return end;
}
