import type { Records } from "../../columns/records.ts";

/** Rows to be written, in their order. */
export interface RowsToWrite {
  /** The records. */
  readonly records: Records;
  /** Which of them; all when `null`. */
  readonly rows: Int32Array | null;
  /** Position in `rows` of the first one to write. */
  readonly first: number;
  /** Time of records without one, in epoch milliseconds. */
  readonly wallMs: number;
  /** Bound of what is written, in bytes. */
  readonly bytesMax: number;
}

/** What was written. */
export interface WrittenRecords {
  /** Number of records. */
  readonly count: number;
  /** Size of the record that did not fit any more, or 0 when all did. */
  readonly refusedSize: number;
  /** Time of the first record. */
  readonly baseTimestamp: number;
  /** Latest time. */
  readonly maxTimestamp: number;
}

/** Spans up to this size are copied by words: a subarray would cost more than the copy. */
const SHORT_BYTES_MAX = 160;
/** A buffer up to this size is kept for later batches. */
const KEPT_BYTES_MAX = 4 << 20;
/** So many buffers are kept: those of batches under way. */
const KEPT_MAX = 4;
const LEAST_BYTES = 64 << 10;

const kept: Uint8Array[] = [];

/** Where records go, one behind the other, behind room for the header of their batch. Buffers are used again. */
export class RecordBuffer {
  /** Where records go: what was written is in [0, length). */
  bytes: Uint8Array;
  /** Number of bytes written. */
  length = 0;
  readonly #headroom: number;
  #whole: Uint8Array;

  /** @param headroom Room before the records, in bytes. @default {0} */
  constructor(headroom: number = 0) {
    this.#headroom = headroom;
    this.#whole = kept.pop() ?? new Uint8Array(LEAST_BYTES);
    this.bytes = this.#whole.subarray(headroom);
  }

  /** The room for the header, and what was written. */
  get framed(): Uint8Array {
    return this.#whole.subarray(0, this.#headroom + this.length);
  }

  /** Whether most of the buffer is in use: another copy would cost more than it saves. */
  get isMostlyUsed(): boolean {
    return 2 * this.length >= this.bytes.length;
  }

  /** Makes room, and some for copies that overrun. */
  reserve(count: number): void {
    const needed = this.length + count + 8;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed + this.#headroom, 2 * this.#whole.length));
    grown.set(this.framed);
    this.#whole = grown;
    this.bytes = grown.subarray(this.#headroom);
  }

  /** Nobody needs what was written any more: the buffer may be used again, for other batches. */
  release(): void {
    const { length } = this.#whole;
    if (length > 0 && length <= KEPT_BYTES_MAX && kept.length < KEPT_MAX) kept.push(this.#whole);
    this.#whole = new Uint8Array(0);
    this.bytes = this.#whole;
    this.length = 0;
  }
}

/**
 * Writes records in the wire form of a batch, as many as fit.
 *
 * @param buffer Where they go, from its begin on.
 * @param plan Which records, and the bound.
 * @throws {RangeError} when a timestamp is not finite.
 */
export function writeRecords(buffer: RecordBuffer, plan: RowsToWrite): WrittenRecords {
  const { records, rows, first, wallMs, bytesMax } = plan;
  const { keys, values, headers, timestamps } = records;
  const total = rows === null ? records.count : rows.length;
  const baseTimestamp = timestamps === null ? wallMs : wholeMs(timestamps, rows === null ? first : rows[first]!);
  const keyWords = keys === null ? NO_WORDS : wordsOf(keys.bytes);
  const valueWords = wordsOf(values.bytes);
  const headerWords = headers === null ? NO_WORDS : wordsOf(headers.bytes);
  let target = wordsOf(buffer.bytes);
  let { bytes } = target;
  let maxTimestamp = baseTimestamp;
  let at = 0;
  let position = first;
  for (; position < total; position++) {
    const row = rows === null ? position : rows[position]!;
    const keySize = keys === null || keys.starts[row]! < 0 ? -1 : keys.ends[row]! - keys.starts[row]!;
    const valueSize = values.starts[row]! < 0 ? -1 : values.ends[row]! - values.starts[row]!;
    const headersSize = headers === null || headers.starts[row]! < 0 ? 0 : headers.ends[row]! - headers.starts[row]!;
    let delta = 0;
    if (timestamps !== null) {
      const timestamp = wholeMs(timestamps, row);
      delta = timestamp - baseTimestamp;
      if (timestamp > maxTimestamp) maxTimestamp = timestamp;
    }
    const body = 1 + (delta === 0 ? 1 : longSize(delta)) + sizeOf(2 * (position - first)) +
      (keySize < 0 ? 1 : sizeOf(2 * keySize) + keySize) + (valueSize < 0 ? 1 : sizeOf(2 * valueSize) + valueSize) +
      (headersSize === 0 ? 1 : headersSize);
    const size = sizeOf(2 * body) + body;
    if (at + size > bytesMax) {
      buffer.length = at;
      return { count: position - first, refusedSize: size, baseTimestamp, maxTimestamp };
    }
    if (at + size + 8 > bytes.length) {
      buffer.length = at;
      buffer.reserve(size);
      target = wordsOf(buffer.bytes);
      bytes = target.bytes;
    }
    at = writeUnsigned(bytes, at, 2 * body);
    // Attributes of a record: none are in use.
    bytes[at++] = 0;
    if (delta === 0) bytes[at++] = 0;
    else at = writeLong(bytes, at, delta);
    at = writeUnsigned(bytes, at, 2 * (position - first));
    if (keySize < 0) bytes[at++] = 1;
    else at = copySpan(keyWords, keys!.starts[row]!, keySize, target, writeUnsigned(bytes, at, 2 * keySize));
    if (valueSize < 0) bytes[at++] = 1;
    else at = copySpan(valueWords, values.starts[row]!, valueSize, target, writeUnsigned(bytes, at, 2 * valueSize));
    // Headers are in wire form already; the byte 0 is a count of none.
    if (headersSize === 0) bytes[at++] = 0;
    else at = copySpan(headerWords, headers!.starts[row]!, headersSize, target, at);
  }
  buffer.length = at;
  return { count: position - first, refusedSize: 0, baseTimestamp, maxTimestamp };
}

const NO_WORDS = wordsOf(new Uint8Array(0));

/** Time of a row, without what Kafka cannot hold of it. */
function wholeMs(timestamps: Float64Array, row: number): number {
  const timestamp = Math.floor(timestamps[row]!);
  if (Math.abs(timestamp) <= Number.MAX_SAFE_INTEGER) return timestamp;
  throw new RangeError(
    `Cannot produce record ${row} as its timestamp must be a number of milliseconds: current value is ${
      timestamps[row]
    }`,
  );
}

/** Bytes, and the same bytes by words. */
interface Words {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

function wordsOf(bytes: Uint8Array): Words {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** Copies `length` bytes; by words when there are few, which may overrun what is written. Returns the end. */
function copySpan(source: Words, start: number, length: number, target: Words, at: number): number {
  if (length > SHORT_BYTES_MAX) target.bytes.set(source.bytes.subarray(start, start + length), at);
  else if (start + length + 4 > source.bytes.length) {
    for (let i = 0; i < length; i++) target.bytes[at + i] = source.bytes[start + i]!;
  } else for (let i = 0; i < length; i += 4) target.view.setInt32(at + i, source.view.getInt32(start + i));
  return at + length;
}

/** Bytes of an unsigned varint. */
function sizeOf(value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : value < 268_435_456 ? 4 : 5;
}

function writeUnsigned(bytes: Uint8Array, at: number, value: number): number {
  for (; value > 127; value >>>= 7) bytes[at++] = value & 127 | 128;
  bytes[at++] = value;
  return at;
}

/** Integers within this are written with 32 bits. */
const SHORT_MAX = 2 ** 30;

/** Zigzag form of an integer beyond 32 bits. */
function zigzagOf(value: number): number {
  return value >= 0 ? 2 * value : -2 * value - 1;
}

/** Bytes of a signed varint of up to 64 bits. */
function longSize(value: number): number {
  if (-SHORT_MAX < value && value < SHORT_MAX) return sizeOf((value << 1) ^ (value >> 31));
  let size = 1;
  for (let zigzag = zigzagOf(value); zigzag > 127; zigzag = Math.floor(zigzag / 128)) size += 1;
  return size;
}

function writeLong(bytes: Uint8Array, at: number, value: number): number {
  if (-SHORT_MAX < value && value < SHORT_MAX) return writeUnsigned(bytes, at, (value << 1) ^ (value >> 31));
  let zigzag = zigzagOf(value);
  for (; zigzag > 127; zigzag = Math.floor(zigzag / 128)) bytes[at++] = zigzag % 128 | 128;
  bytes[at++] = zigzag;
  return at;
}
