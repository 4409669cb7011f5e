import { crc32c } from "../../base/crc32c.ts";
import { findFrameHeader, FRAME_HEADER_BYTES, type FrameHeader, readFrameHeader } from "./frame.ts";

/** A place at which a segment stops making sense. */
export interface SegmentDamage {
  /** Position in the file. */
  readonly position: number;
  /** What is wrong there. */
  readonly found: string;
  /** Position of an intact frame header behind it, or -1: then a torn last write explains the damage. */
  readonly laterFrame: number;
}

/** What a segment holds. */
export interface SegmentScan {
  /** Intact frames from the beginning on, without a gap. */
  readonly frames: readonly FrameHeader[];
  /** End of the last of them. */
  readonly end: number;
  /** What stands there instead of a frame, or `null` when the file ends there. */
  readonly damage: SegmentDamage | null;
}

/** Where a scan begins. */
export interface ScanStart {
  /** Salt of the generation. */
  readonly salt: number;
  /** Position of the first frame. */
  readonly position: number;
}

/**
 * Reads the frames of a segment up to its end or to the first damage.
 *
 * @param segment Content of the file.
 * @param start Where to begin.
 */
export function scanSegment(segment: Uint8Array, start: ScanStart): SegmentScan {
  const frames: FrameHeader[] = [];
  let end = start.position;
  while (end < segment.length) {
    const header = readFrameHeader(segment, end, start.salt);
    const found = header === undefined ? headerDamage(segment, end) : bodyDamage(segment, header);
    if (found !== undefined) {
      return {
        frames,
        end,
        damage: { position: end, found, laterFrame: findFrameHeader(segment, end + 1, start.salt) },
      };
    }
    frames.push(header!);
    end += FRAME_HEADER_BYTES + header!.bodyLength;
  }
  return { frames, end, damage: null };
}

/** The body of an intact frame. @param segment Content of the file. @param header The frame's header. */
export function frameBody(segment: Uint8Array, header: FrameHeader): Uint8Array {
  const from = header.position + FRAME_HEADER_BYTES;
  return segment.subarray(from, from + header.bodyLength);
}

function headerDamage(segment: Uint8Array, position: number): string {
  const left = segment.length - position;
  if (left < FRAME_HEADER_BYTES) return `the file ends ${left} bytes into the header of a frame`;
  return "no intact header of a frame";
}

function bodyDamage(segment: Uint8Array, header: FrameHeader): string | undefined {
  const body = frameBody(segment, header);
  if (body.length < header.bodyLength) {
    return `the file ends ${body.length} bytes into a frame's body of ${header.bodyLength} bytes`;
  }
  return crc32c(body) === header.bodyChecksum ? undefined : "the checksum of a frame's body is wrong";
}
