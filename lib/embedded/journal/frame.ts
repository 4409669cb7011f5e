import { invariant } from "../../base/assert.ts";
import { crc32c } from "../../base/crc32c.ts";

/**
 * A frame is one group of entries that became durable together. The writer syncs each frame before it writes the next
 * one. Therefore a crash damages at most the last frame of a journal, and an intact header behind a damaged frame proves
 * that the damaged one had been durable, which only damage of the medium explains.
 *
 * Layout, little-endian: magic u32, kind u32, salt u32, entry count u32, first entry u64, position u64, body length u32,
 * checksum of the body u32, checksum of the header up to here u32; body.
 */
export interface FrameHeader {
  /** What it holds. */
  readonly kind: FrameKind;
  /** Number of entries. */
  readonly count: number;
  /** Number of the first entry in this generation. */
  readonly firstEntry: number;
  /** Where the frame stands in its file: a copy of a frame elsewhere is none. */
  readonly position: number;
  /** Length of the body in bytes. */
  readonly bodyLength: number;
  /** CRC-32C of the body. */
  readonly bodyChecksum: number;
}

/** Entries, the end of a generation's snapshot, or the mark of a clean close; the last two have no body. */
export type FrameKind = "entries" | "snapshot-end" | "closed";

/** Length of a frame's header in bytes. */
export const FRAME_HEADER_BYTES = 44;

/** Bytes `TBJF`. */
const MAGIC = 0x464a_4254;
const KINDS: readonly FrameKind[] = ["entries", "snapshot-end", "closed"];
const CHECKSUM_AT = FRAME_HEADER_BYTES - 4;
const TWO_32 = 0x1_0000_0000;

/** Where and under which salt a frame is written. */
export interface FramePlace {
  /** What it holds. */
  readonly kind: FrameKind;
  /** Tells this generation of this journal from all others. */
  readonly salt: number;
  /** Number of the first entry in this generation. */
  readonly firstEntry: number;
  /** Where the frame will stand in its file. */
  readonly position: number;
}

/**
 * A frame as bytes.
 *
 * @param entries Encoded entries.
 * @param place Where it will stand.
 */
export function encodeFrame(entries: readonly Uint8Array[], place: FramePlace): Uint8Array {
  let bodyLength = 0;
  for (const entry of entries) bodyLength += entry.length;
  invariant(bodyLength < TWO_32, "a frame's body is below 4 GiB");
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + bodyLength);
  let at = FRAME_HEADER_BYTES;
  for (const entry of entries) {
    bytes.set(entry, at);
    at += entry.length;
  }
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, KINDS.indexOf(place.kind) + 1, true);
  view.setUint32(8, place.salt, true);
  view.setUint32(12, entries.length, true);
  setUint53(view, 16, place.firstEntry);
  setUint53(view, 24, place.position);
  view.setUint32(32, bodyLength, true);
  view.setUint32(36, crc32c(bytes.subarray(FRAME_HEADER_BYTES)), true);
  view.setUint32(CHECKSUM_AT, crc32c(bytes.subarray(0, CHECKSUM_AT)), true);
  return bytes;
}

/**
 * Reads the header of a frame.
 *
 * @param segment Content of the segment.
 * @param position Where the frame should stand.
 * @param salt Salt of the generation.
 * @returns The header, or `undefined` when no intact header of this journal stands there.
 */
export function readFrameHeader(segment: Uint8Array, position: number, salt: number): FrameHeader | undefined {
  if (position + FRAME_HEADER_BYTES > segment.length) return undefined;
  const view = new DataView(segment.buffer, segment.byteOffset + position, FRAME_HEADER_BYTES);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(8, true) !== salt) return undefined;
  const checksum = crc32c(segment.subarray(position, position + CHECKSUM_AT));
  if (view.getUint32(CHECKSUM_AT, true) !== checksum) return undefined;
  const kind = KINDS[view.getUint32(4, true) - 1];
  if (kind === undefined || getUint53(view, 24) !== position) return undefined;
  return {
    kind,
    count: view.getUint32(12, true),
    firstEntry: getUint53(view, 16),
    position,
    bodyLength: view.getUint32(32, true),
    bodyChecksum: view.getUint32(36, true),
  };
}

/**
 * Position of the next intact frame header.
 *
 * @param segment Content of the segment.
 * @param from First position to look at.
 * @param salt Salt of the generation.
 * @returns The position, or -1.
 */
export function findFrameHeader(segment: Uint8Array, from: number, salt: number): number {
  const first = MAGIC & 255;
  for (let at = segment.indexOf(first, from); at >= 0; at = segment.indexOf(first, at + 1)) {
    if (readFrameHeader(segment, at, salt) !== undefined) return at;
  }
  return -1;
}

/** Writes an integer in [0, 2^53). @param view Where. @param at Position. @param value The integer. */
export function setUint53(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % TWO_32, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
}

/** Reads what {@linkcode setUint53} wrote. @param view Where. @param at Position. */
export function getUint53(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32;
}
