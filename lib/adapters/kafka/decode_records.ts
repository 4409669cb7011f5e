import type { ByteSpans, Records } from "../../columns/records.ts";
import { ATTRIBUTES, type BatchHeader, LEAST_RECORD_SIZE } from "./record_batch.ts";

/** The records of one batch in the common buffer. */
export interface Section {
  /** Header of the batch. */
  readonly header: BatchHeader;
  /** Where its first record begins in the common buffer. */
  readonly start: number;
  /** One past its last byte. */
  readonly end: number;
}

/** Columns that fill up with the rows of one batch after the other; they point into one buffer. */
export class RecordColumns {
  /** Number of rows. */
  count = 0;
  /** Whether a row has a key. */
  hasKeys = false;
  /** The buffer. */
  readonly bytes: Uint8Array;
  /** First byte of each key, or -1. */
  readonly keyStarts: Int32Array;
  /** One past the last byte of each key. */
  readonly keyEnds: Int32Array;
  /** First byte of each value, or -1. */
  readonly valueStarts: Int32Array;
  /** One past the last byte of each value. */
  readonly valueEnds: Int32Array;
  /** Timestamps in epoch milliseconds. */
  readonly timestamps: Float64Array;
  /** Offsets. */
  readonly offsets: Float64Array;
  /** First byte of each row's headers, or -1; made when the first row has some. */
  #headerStarts: Int32Array | null = null;
  #headerEnds: Int32Array | null = null;

  /**
   * @param bytes The buffer.
   * @param capacity Number of rows, at most.
   */
  constructor(bytes: Uint8Array, capacity: number) {
    this.bytes = bytes;
    this.keyStarts = new Int32Array(capacity);
    this.keyEnds = new Int32Array(capacity);
    this.valueStarts = new Int32Array(capacity);
    this.valueEnds = new Int32Array(capacity);
    this.timestamps = new Float64Array(capacity);
    this.offsets = new Float64Array(capacity);
  }

  /**
   * Adds the records of a batch from offset `from` on.
   *
   * @returns Whether the batch is whole; when it is not, no row of it was added.
   */
  add(section: Section, from: number): boolean {
    const { count: before } = this;
    const hadHeaders = this.#headerStarts !== null;
    if (readRecords(this, section, from)) return true;
    if (hadHeaders) this.#headerStarts!.fill(-1, before);
    else this.#headerStarts = null;
    return false;
  }

  /** Notes where the headers of a row stand. */
  setHeaders(row: number, start: number, end: number): void {
    this.#headerStarts ??= new Int32Array(this.offsets.length).fill(-1);
    this.#headerEnds ??= new Int32Array(this.offsets.length);
    this.#headerStarts[row] = start;
    this.#headerEnds[row] = end;
  }

  /** The rows, without a copy. */
  finish(): { readonly records: Records; readonly offsets: Float64Array } {
    const { count, bytes } = this;
    const spans = (starts: Int32Array, ends: Int32Array): ByteSpans => ({
      bytes,
      starts: starts.subarray(0, count),
      ends: ends.subarray(0, count),
    });
    const records = {
      count,
      keys: this.hasKeys ? spans(this.keyStarts, this.keyEnds) : null,
      values: spans(this.valueStarts, this.valueEnds),
      timestamps: this.timestamps.subarray(0, count),
      headers: this.#headerStarts === null ? null : spans(this.#headerStarts, this.#headerEnds!),
    };
    return { records, offsets: this.offsets.subarray(0, count) };
  }
}

/** Whether a section may hold as many records as its batch claims; so that nothing is reserved for a lie. */
export function mayHold({ header, start, end }: Section): boolean {
  return header.count * LEAST_RECORD_SIZE <= end - start;
}

/**
 * Reads one record after the other. Whatever the bytes are, it ends, and stays within the buffer: each record's fields are
 * read without bounds and only count when they end where the record does, and that within the section. Numbers are read in
 * place as calls would cost more than the work.
 */
function readRecords(columns: RecordColumns, { header, start, end }: Section, from: number): boolean {
  const { bytes, keyStarts, keyEnds, valueStarts, valueEnds, timestamps, offsets } = columns;
  const { baseOffset, baseTimestamp, lastOffset, count } = header;
  const isAppendTime = (header.attributes & ATTRIBUTES.isAppendTime) !== 0;
  const timestampBase = isAppendTime ? header.maxTimestamp : baseTimestamp;
  const timestampScale = isAppendTime ? 0 : 1;
  let row = columns.count;
  let at = start;
  let before = baseOffset - 1;
  let hasKeys = false;
  for (let i = 0; i < count; i++) {
    let byte = bytes[at++]!;
    let zigzag = byte & 127;
    for (let shift = 7; byte > 127 && shift < 35; shift += 7) zigzag |= ((byte = bytes[at++]!) & 127) << shift;
    const next = at + (zigzag >>> 1);
    if ((zigzag & 1) !== 0 || next > end) return false;
    // Attributes of a record: none are in use.
    byte = bytes[++at]!;
    at += 1;
    zigzag = byte & 127;
    for (let shift = 7; byte > 127 && shift < 28; shift += 7) zigzag |= ((byte = bytes[at++]!) & 127) << shift;
    let timestampDelta = (zigzag >>> 1) ^ -(zigzag & 1);
    if (byte > 127) {
      timestampDelta = longDelta(bytes, at, zigzag);
      at = longEnd(bytes, at);
    }
    byte = bytes[at++]!;
    zigzag = byte & 127;
    for (let shift = 7; byte > 127 && shift < 35; shift += 7) zigzag |= ((byte = bytes[at++]!) & 127) << shift;
    const offset = baseOffset + (zigzag >>> 1);
    // Offsets ascend, with gaps where records were compacted away.
    if ((zigzag & 1) !== 0 || offset <= before || offset > lastOffset) return false;
    before = offset;
    offsets[row] = offset;
    timestamps[row] = timestampBase + timestampScale * timestampDelta;
    byte = bytes[at++]!;
    zigzag = byte & 127;
    for (let shift = 7; byte > 127 && shift < 35; shift += 7) zigzag |= ((byte = bytes[at++]!) & 127) << shift;
    if ((zigzag & 1) === 0) {
      hasKeys ||= offset >= from;
      keyStarts[row] = at;
      at += zigzag >>> 1;
      keyEnds[row] = at;
    } else keyStarts[row] = -1;
    byte = bytes[at++]!;
    zigzag = byte & 127;
    for (let shift = 7; byte > 127 && shift < 35; shift += 7) zigzag |= ((byte = bytes[at++]!) & 127) << shift;
    if ((zigzag & 1) === 0) {
      valueStarts[row] = at;
      at += zigzag >>> 1;
      valueEnds[row] = at;
    } else valueStarts[row] = -1;
    if (bytes[at] !== 0) {
      if (headersEnd(bytes, at, next) !== next) return false;
      if (offset >= from) columns.setHeaders(row, at, next);
    } else if (at + 1 !== next) return false;
    at = next;
    if (offset >= from) row += 1;
  }
  if (at !== end) return false;
  columns.count = row;
  columns.hasKeys ||= hasKeys;
  return true;
}

/** The rest of a varint of up to 64 bits of which four bytes are read; exact up to 2^53. */
function longDelta(bytes: Uint8Array, at: number, lowest: number): number {
  let zigzag = lowest;
  let scale = 2 ** 28;
  for (let i = 4; i < 10; i++) {
    const byte = bytes[at++]!;
    zigzag += (byte & 127) * scale;
    if (byte < 128) break;
    scale *= 128;
  }
  return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
}

/** Where a varint of up to 64 bits ends of which four bytes are read. */
function longEnd(bytes: Uint8Array, at: number): number {
  const last = at + 5;
  while (at < last && bytes[at]! > 127) at++;
  return at + 1;
}

/** Where the headers of a record end that begin at `at`, or -1 when they do not fit before `end`. */
function headersEnd(bytes: Uint8Array, at: number, end: number): number {
  // One number, their count, and then two lengths for each of them: of its name and of its value.
  let numbers = 1;
  for (let read = 0; read < numbers; read++) {
    let zigzag = 0;
    for (let shift = 0, byte = 128; byte > 127; shift += 7) {
      if (at >= end || shift > 28) return -1;
      byte = bytes[at++]!;
      zigzag |= (byte & 127) << shift;
    }
    const number = (zigzag >>> 1) ^ -(zigzag & 1);
    const isValue = read > 0 && read % 2 === 0;
    if (number < (isValue ? -1 : 0) || number > end - at) return -1;
    if (read === 0) numbers += 2 * number;
    else if (number > 0) at += number;
  }
  return at;
}
