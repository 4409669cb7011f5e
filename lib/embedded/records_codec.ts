import { invariant } from "../base/assert.ts";
import type { ByteSpans, Records } from "../columns/records.ts";
import { compactSpans } from "../columns/spans.ts";
import { denseRange } from "./dense_records.ts";

/**
 * Layout (little-endian, as every platform that runs this): count, flags, bytes of keys, of values, of headers, 0 (six
 * u32); timestamps (f64 each); lengths of keys, of values, of headers (i32 each, -1 is null); bytes of keys, of values,
 * of headers. A column that is absent takes no space.
 */
const PREFIX_BYTES = 24;
const HAS_KEYS = 1;
const HAS_TIMESTAMPS = 2;
const HAS_HEADERS = 4;

/**
 * Writes records into one buffer: a few block copies and one pass over the lengths.
 *
 * @param records The records.
 * @returns The bytes, in a buffer of their own.
 */
export function encodeRecords(records: Records): Uint8Array<ArrayBuffer> {
  const { count, timestamps } = records;
  const columns = [records.keys, records.values, records.headers];
  const packed = columns.map((column) => column === null ? null : pack(column, count));
  const lengthBytes = packed.reduce((sum, column) => sum + (column === null ? 0 : count * 4), 0);
  const contentBytes = packed.reduce((sum, column) => sum + (column?.bytes.length ?? 0), 0);
  const stampBytes = timestamps === null ? 0 : count * 8;
  const buffer = new ArrayBuffer(PREFIX_BYTES + stampBytes + lengthBytes + contentBytes);
  const prefix = new Uint32Array(buffer, 0, 6);
  prefix[0] = count;
  prefix[1] = (packed[0] ? HAS_KEYS : 0) | (timestamps ? HAS_TIMESTAMPS : 0) | (packed[2] ? HAS_HEADERS : 0);
  for (let i = 0; i < 3; i++) prefix[2 + i] = packed[i]?.bytes.length ?? 0;
  let at = PREFIX_BYTES;
  if (timestamps !== null) {
    new Float64Array(buffer, at, count).set(timestamps.subarray(0, count));
    at += stampBytes;
  }
  for (const column of packed) {
    if (column === null) continue;
    writeLengths(new Int32Array(buffer, at, count), column);
    at += count * 4;
  }
  const target = new Uint8Array(buffer);
  for (const column of packed) {
    if (column === null) continue;
    target.set(column.bytes, at);
    at += column.bytes.length;
  }
  return target;
}

/** The column with `bytes` cut to exactly its rows. */
function pack(spans: ByteSpans, count: number): ByteSpans {
  const range = denseRange(spans, 0, count);
  if (range === null) return compactSpans(spans);
  return { bytes: spans.bytes.subarray(range.start, range.end), starts: spans.starts, ends: spans.ends };
}

function writeLengths(target: Int32Array, spans: ByteSpans): void {
  const { starts, ends } = spans;
  for (let i = 0; i < target.length; i++) {
    const start = starts[i]!;
    target[i] = start < 0 ? -1 : ends[i]! - start;
  }
}

/**
 * Reads what {@linkcode encodeRecords} wrote.
 *
 * @param payload The bytes, at any alignment; they are copied.
 * @returns Dense records in buffers of their own.
 */
export function decodeRecords(payload: Uint8Array): Records {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  invariant(payload.length >= PREFIX_BYTES, "a records payload holds its prefix");
  const count = view.getUint32(0, true);
  const flags = view.getUint32(4, true);
  let at = PREFIX_BYTES;
  const copied = (bytes: number): ArrayBuffer => {
    invariant(at + bytes <= payload.length, "a records payload holds what its prefix says");
    const buffer = new ArrayBuffer(bytes);
    new Uint8Array(buffer).set(payload.subarray(at, at + bytes));
    at += bytes;
    return buffer;
  };
  const timestamps = (flags & HAS_TIMESTAMPS) === 0 ? null : new Float64Array(copied(count * 8));
  const lengths = [HAS_KEYS, 0, HAS_HEADERS].map((flag) =>
    flag !== 0 && (flags & flag) === 0 ? null : new Int32Array(copied(count * 4))
  );
  const columns = lengths.map((length, i) =>
    length === null ? null : spansOfLengths(length, new Uint8Array(copied(view.getUint32(8 + i * 4, true))))
  );
  return { count, keys: columns[0]!, values: columns[1]!, timestamps, headers: columns[2]! };
}

/** Turns lengths into starts, in place, and makes the ends. */
function spansOfLengths(lengths: Int32Array, bytes: Uint8Array): ByteSpans {
  const ends = new Int32Array(lengths.length);
  let at = 0;
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i]!;
    if (length < 0) {
      ends[i] = -1;
      continue;
    }
    lengths[i] = at;
    at += length;
    ends[i] = at;
  }
  invariant(at === bytes.length, "lengths of a records payload add up to its bytes");
  return { bytes, starts: lengths, ends };
}
