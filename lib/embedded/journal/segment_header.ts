import { crc32c } from "../../base/crc32c.ts";
import { getUint53, setUint53 } from "./frame.ts";

/**
 * The beginning of each segment file. It names its place in the journal, so that a missing, swapped or shortened file is
 * found. Layout, little-endian: magic u32, version u32, salt u32, generation u32, segment u32, first entry u64, length of
 * the segment before u64, checksum of all that u32.
 */
export interface SegmentHeader {
  /** Tells this generation of this journal from all others. */
  readonly salt: number;
  /** Generation of the journal, from 1. */
  readonly generation: number;
  /** Number of the segment in its generation, from 1. */
  readonly segment: number;
  /** Number of its first entry in its generation. */
  readonly firstEntry: number;
  /** Length in bytes of the segment before it, 0 for the first one. */
  readonly previousLength: number;
}

/** Length of a segment's header in bytes. */
export const SEGMENT_HEADER_BYTES = 40;

/** Bytes `TBJS`. */
const MAGIC = 0x534a_4254;
const VERSION = 1;
const CHECKSUM_AT = SEGMENT_HEADER_BYTES - 4;

/** A segment's header as bytes. @param header The header. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, VERSION, true);
  view.setUint32(8, header.salt, true);
  view.setUint32(12, header.generation, true);
  view.setUint32(16, header.segment, true);
  setUint53(view, 20, header.firstEntry);
  setUint53(view, 28, header.previousLength);
  view.setUint32(CHECKSUM_AT, crc32c(bytes.subarray(0, CHECKSUM_AT)), true);
  return bytes;
}

/**
 * Reads a segment's header.
 *
 * @param bytes Content of the segment, at least {@linkcode SEGMENT_HEADER_BYTES} long.
 * @returns The header, or what is wrong with it.
 */
export function readSegmentHeader(bytes: Uint8Array): SegmentHeader | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, SEGMENT_HEADER_BYTES);
  if (view.getUint32(0, true) !== MAGIC) return "it does not begin with the mark of a segment";
  const checksum = crc32c(bytes.subarray(0, CHECKSUM_AT));
  if (view.getUint32(CHECKSUM_AT, true) !== checksum) return "the checksum of the segment's header is wrong";
  if (view.getUint32(4, true) !== VERSION) return `the segment's format is ${view.getUint32(4, true)}, not ${VERSION}`;
  return {
    salt: view.getUint32(8, true),
    generation: view.getUint32(12, true),
    segment: view.getUint32(16, true),
    firstEntry: getUint53(view, 20),
    previousLength: getUint53(view, 28),
  };
}
