import { crc32 } from "node:zlib";
import { copyBytes } from "../../../lib/columns/spans.ts";
import type { ByteSpans } from "../../../lib/columns/records.ts";
import type { StatePage } from "../../../lib/seams/state_store.ts";

/**
 * A frame of a log of state: one atomic write. Layout, little-endian: magic u32, kind u32, generation u32, position u64,
 * synced u64, body length u32, checksum (CRC-32) of the body u32, checksum of the header up to here u32; body.
 *
 * Body of a write: number of rows u32, length of the position u32, length of each key u32, length of each value i32 (-1:
 * deletion), position, all keys, all values. A mark has no body.
 */
export interface StateFrame {
  /** What it holds: rows that are loaded, rows with their position, or nothing but its place. */
  readonly kind: StateFrameKind;
  /** Where it begins in its file. */
  readonly at: number;
  /** Where the next frame begins. */
  readonly end: number;
  /** How much of the file was durable for certain when it was written. */
  readonly syncedBytes: number;
}

/** A file of frames, as read. */
export interface StateFrames {
  /** Its content. */
  readonly bytes: Uint8Array;
  /** Its generation. */
  readonly generation: number;
}

/** Kinds of frames. */
export type StateFrameKind = "load" | "apply" | "mark";

/** Where a frame is written. */
export interface StateFramePlace {
  /** Generation of the file. */
  readonly generation: number;
  /** Where the frame will begin. */
  readonly at: number;
  /** How much of the file is durable for certain. */
  readonly syncedBytes: number;
}

const MAGIC = 0x4653_4254;
const HEADER_BYTES = 40;
const CHECKSUM_AT = HEADER_BYTES - 4;
const BODY_HEAD_BYTES = 8;
const ROW_HEAD_BYTES = 8;
const TWO_32 = 0x1_0000_0000;
const KINDS: readonly StateFrameKind[] = ["load", "apply", "mark"];

/** Writes frames into one buffer: what it returns is valid until the next call. */
export class StateFrameWriter {
  #bytes = new Uint8Array(4_096);
  #view = new DataView(this.#bytes.buffer);

  /**
   * A write as a frame.
   *
   * @param page The rows.
   * @param place Where it will stand, and the position that is written with them, if any.
   */
  write(page: StatePage, place: StateFramePlace & { readonly position: Uint8Array | undefined }): Uint8Array {
    const { position } = place;
    const bodyLength = BODY_HEAD_BYTES + (position?.length ?? 0) + rowsLength(page);
    this.#fit(HEADER_BYTES + bodyLength);
    this.#view.setUint32(HEADER_BYTES, page.count, true);
    this.#view.setUint32(HEADER_BYTES + 4, position?.length ?? 0, true);
    let at = this.#writeLengths(page.keys, page.count, HEADER_BYTES + BODY_HEAD_BYTES);
    at = this.#writeLengths(page.values, page.count, at);
    if (position !== undefined) {
      this.#bytes.set(position, at);
      at += position.length;
    }
    at = copyRows(page.keys, page.count, { target: this.#bytes, at });
    copyRows(page.values, page.count, { target: this.#bytes, at });
    return this.#finish(position === undefined ? "load" : "apply", place, bodyLength);
  }

  /** A mark as a frame. @param place Where it will stand. */
  mark(place: StateFramePlace): Uint8Array {
    return this.#finish("mark", place, 0);
  }

  #writeLengths({ starts, ends }: ByteSpans, count: number, from: number): number {
    const view = this.#view;
    for (let row = 0; row < count; row++) {
      const start = starts[row]!;
      view.setInt32(from + 4 * row, start < 0 ? -1 : ends[row]! - start, true);
    }
    return from + 4 * count;
  }

  #finish(kind: StateFrameKind, place: StateFramePlace, bodyLength: number): Uint8Array {
    const frame = this.#bytes.subarray(0, HEADER_BYTES + bodyLength);
    const view = this.#view;
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, KINDS.indexOf(kind) + 1, true);
    view.setUint32(8, place.generation, true);
    setUint53(view, 12, place.at);
    setUint53(view, 20, place.syncedBytes);
    view.setUint32(28, bodyLength, true);
    view.setUint32(32, crc32(frame.subarray(HEADER_BYTES)), true);
    view.setUint32(CHECKSUM_AT, crc32(frame.subarray(0, CHECKSUM_AT)), true);
    return frame;
  }

  #fit(length: number): void {
    if (length <= this.#bytes.length) return;
    this.#bytes = new Uint8Array(2 * length);
    this.#view = new DataView(this.#bytes.buffer);
  }
}

/**
 * Reads the frame at a place.
 *
 * @param log The file.
 * @param at Where it should begin.
 * @returns The frame, or what is wrong with it.
 */
export function readStateFrame(log: StateFrames, at: number): StateFrame | string {
  const { bytes } = log;
  const frame = readHeader(log, at);
  if (frame === undefined) return "no intact header of a frame";
  if (frame.end > bytes.length) return "the file ends within a frame";
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES);
  const isIntact = crc32(bytes.subarray(at + HEADER_BYTES, frame.end)) === view.getUint32(32, true);
  return isIntact ? frame : "the checksum of a frame is wrong";
}

/**
 * Whether a later frame proves that what is damaged had been durable: then no crash can have done it.
 *
 * @param log The file.
 * @param damageAt Where the damage is.
 */
export function isProvenDurable(log: StateFrames, damageAt: number): boolean {
  const { bytes } = log;
  const first = MAGIC & 255;
  for (let at = bytes.indexOf(first, damageAt + 1); at >= 0; at = bytes.indexOf(first, at + 1)) {
    const frame = readHeader(log, at);
    if (frame !== undefined && frame.syncedBytes > damageAt) return true;
  }
  return false;
}

/** What was written by a frame; views into the log. */
export function readStateWrite(
  log: StateFrames,
  frame: StateFrame,
): { readonly page: StatePage; readonly position: Uint8Array } {
  const { bytes } = log;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(frame.at + HEADER_BYTES, true);
  const positionLength = view.getUint32(frame.at + HEADER_BYTES + 4, true);
  let at = frame.at + HEADER_BYTES + BODY_HEAD_BYTES;
  const positionAt = at + ROW_HEAD_BYTES * count;
  const position = bytes.subarray(positionAt, positionAt + positionLength);
  const keys = { bytes, starts: new Int32Array(count), ends: new Int32Array(count) };
  const values = { bytes, starts: new Int32Array(count), ends: new Int32Array(count) };
  let end = positionAt + positionLength;
  for (const spans of [keys, values]) {
    for (let row = 0; row < count; row++, at += 4) {
      const length = view.getInt32(at, true);
      spans.starts[row] = length < 0 ? -1 : end;
      end += Math.max(0, length);
      spans.ends[row] = length < 0 ? -1 : end;
    }
  }
  return { page: { count, keys, values }, position };
}

/** Copies the bytes of rows one behind the other; rows that are neighbours already are copied at once. */
function copyRows(spans: ByteSpans, count: number, to: { target: Uint8Array; at: number }): number {
  const { bytes, starts, ends } = spans;
  let { at } = to;
  for (let row = 0; row < count;) {
    const start = starts[row]!;
    let end = ends[row]!;
    row++;
    if (start < 0) continue;
    while (row < count && starts[row] === end) end = ends[row++]!;
    at = copyBytes(bytes, start, end, to.target, at);
  }
  return at;
}

function readHeader({ bytes, generation }: StateFrames, at: number): StateFrame | undefined {
  if (at + HEADER_BYTES > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(8, true) !== generation) return undefined;
  if (view.getUint32(CHECKSUM_AT, true) !== crc32(bytes.subarray(at, at + CHECKSUM_AT))) return undefined;
  const kind = KINDS[view.getUint32(4, true) - 1];
  if (kind === undefined || getUint53(view, 12) !== at) return undefined;
  return { kind, at, end: at + HEADER_BYTES + view.getUint32(28, true), syncedBytes: getUint53(view, 20) };
}

function rowsLength({ count, keys, values }: StatePage): number {
  let total = count * ROW_HEAD_BYTES;
  for (let row = 0; row < count; row++) {
    total += keys.ends[row]! - keys.starts[row]!;
    const start = values.starts[row]!;
    if (start >= 0) total += values.ends[row]! - start;
  }
  return total;
}

function setUint53(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % TWO_32, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
}

function getUint53(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32;
}
