import type { ByteSpans, Records } from "../columns/records.ts";
import { compactSpans, sliceSpans, takeSpans } from "../columns/spans.ts";

/**
 * A log keeps records *dense*: in each column the rows' bytes follow each other without gaps in a buffer that belongs to
 * the log alone. Slicing and concatenating batches is then a few block copies.
 */

/** Rows [from, to) of dense records of one batch. */
export interface RecordsSlice {
  /** Dense records. */
  readonly records: Records;
  /** First row. */
  readonly from: number;
  /** One past the last row. */
  readonly to: number;
}

/**
 * Copies records into buffers of their own and stamps them.
 *
 * @param records The producer's records.
 * @param rows Which rows, or `null` for all.
 * @param stampMs Timestamp for records that have none, epoch milliseconds.
 * @returns Dense records with timestamps.
 */
export function denseRecords(records: Records, rows: Int32Array | null, stampMs: number): Records {
  const count = rows === null ? records.count : rows.length;
  return {
    count,
    keys: records.keys === null ? null : denseColumn(records.keys, rows, count),
    values: denseColumn(records.values, rows, count),
    timestamps: denseTimestamps(records.timestamps, rows, count, stampMs),
    headers: records.headers === null ? null : denseColumn(records.headers, rows, count),
  };
}

function denseTimestamps(
  given: Float64Array | null,
  rows: Int32Array | null,
  count: number,
  stampMs: number,
): Float64Array {
  if (given === null) return new Float64Array(count).fill(stampMs);
  if (rows === null) return given.slice(0, count);
  const stamps = new Float64Array(count);
  for (let i = 0; i < count; i++) stamps[i] = given[rows[i]!]!;
  return stamps;
}

function denseColumn(spans: ByteSpans, rows: Int32Array | null, count: number): ByteSpans {
  if (rows !== null) return compactSpans(takeSpans(spans, rows));
  const range = denseRange(spans, 0, count);
  if (range === null) return compactSpans(count === spans.starts.length ? spans : sliceSpans(spans, 0, count));
  return {
    bytes: spans.bytes.slice(range.start, range.end),
    starts: shifted(spans.starts, spans.starts, count, -range.start),
    ends: shifted(spans.ends, spans.starts, count, -range.start),
  };
}

function shifted(positions: Int32Array, starts: Int32Array, count: number, by: number): Int32Array {
  const result = positions.slice(0, count);
  if (by === 0) return result;
  for (let i = 0; i < count; i++) if (starts[i]! >= 0) result[i]! += by;
  return result;
}

/**
 * The one byte range that rows [from, to) cover without gaps.
 *
 * @returns The range, or `null` when rows do not follow each other.
 */
export function denseRange(spans: ByteSpans, from: number, to: number): { start: number; end: number } | null {
  const { starts, ends } = spans;
  let first = -1;
  let end = 0;
  for (let i = from; i < to; i++) {
    const start = starts[i]!;
    if (start < 0) continue;
    if (first < 0) first = start;
    else if (start !== end) return null;
    end = ends[i]!;
  }
  return first < 0 ? { start: 0, end: 0 } : { start: first, end };
}

/** Bytes of keys, values and headers of dense records. */
export function denseByteLength(records: Records): number {
  return (records.keys?.bytes.length ?? 0) + records.values.bytes.length + (records.headers?.bytes.length ?? 0);
}

/** Size of the largest record in bytes of key, value and headers. */
export function largestRecord(records: Records): number {
  let largest = 0;
  const { keys, values, headers } = records;
  for (let row = 0; row < records.count; row++) {
    let size = 0;
    if (values.starts[row]! >= 0) size += values.ends[row]! - values.starts[row]!;
    if (keys !== null && keys.starts[row]! >= 0) size += keys.ends[row]! - keys.starts[row]!;
    if (headers !== null && headers.starts[row]! >= 0) size += headers.ends[row]! - headers.starts[row]!;
    if (size > largest) largest = size;
  }
  return largest;
}

/**
 * Rows of several dense batches after each other. One slice is not copied.
 *
 * @param slices Slices in order.
 * @returns Records; empty ones for no slice.
 */
export function joinSlices(slices: readonly RecordsSlice[]): Records {
  if (slices.length === 1) return viewOf(slices[0]!);
  let count = 0;
  let hasKeys = false;
  let hasHeaders = false;
  for (const { records, from, to } of slices) {
    count += to - from;
    hasKeys ||= records.keys !== null;
    hasHeaders ||= records.headers !== null;
  }
  const timestamps = new Float64Array(count);
  let at = 0;
  for (const { records, from, to } of slices) {
    timestamps.set(records.timestamps!.subarray(from, to), at);
    at += to - from;
  }
  return {
    count,
    keys: hasKeys ? joinColumn(slices, count, (records) => records.keys) : null,
    values: joinColumn(slices, count, (records) => records.values),
    timestamps,
    headers: hasHeaders ? joinColumn(slices, count, (records) => records.headers) : null,
  };
}

function viewOf({ records, from, to }: RecordsSlice): Records {
  if (from === 0 && to === records.count) return records;
  return {
    count: to - from,
    keys: records.keys === null ? null : sliceSpans(records.keys, from, to),
    values: sliceSpans(records.values, from, to),
    timestamps: records.timestamps!.subarray(from, to),
    headers: records.headers === null ? null : sliceSpans(records.headers, from, to),
  };
}

function joinColumn(
  slices: readonly RecordsSlice[],
  count: number,
  column: (records: Records) => ByteSpans | null,
): ByteSpans {
  const ranges = slices.map(({ records, from, to }) => edges(column(records), from, to));
  const bytes = new Uint8Array(ranges.reduce((sum, range) => sum + range.end - range.start, 0));
  const starts = new Int32Array(count);
  const ends = new Int32Array(count);
  let row = 0;
  let at = 0;
  for (const [i, { records, from, to }] of slices.entries()) {
    const spans = column(records);
    const range = ranges[i]!;
    if (spans === null) {
      starts.fill(-1, row, row + to - from);
      ends.fill(-1, row, row + to - from);
      row += to - from;
      continue;
    }
    bytes.set(spans.bytes.subarray(range.start, range.end), at);
    const by = at - range.start;
    for (let k = from; k < to; k++, row++) {
      const start = spans.starts[k]!;
      starts[row] = start < 0 ? -1 : start + by;
      ends[row] = start < 0 ? -1 : spans.ends[k]! + by;
    }
    at += range.end - range.start;
  }
  return { bytes, starts, ends };
}

/** First and last byte of rows [from, to) of a dense column. */
function edges(spans: ByteSpans | null, from: number, to: number): { start: number; end: number } {
  if (spans === null) return { start: 0, end: 0 };
  let first = from;
  while (first < to && spans.starts[first]! < 0) first++;
  if (first === to) return { start: 0, end: 0 };
  let last = to - 1;
  while (spans.starts[last]! < 0) last--;
  return { start: spans.starts[first]!, end: spans.ends[last]! };
}
