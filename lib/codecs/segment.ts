import {
  Binary,
  Field,
  makeData,
  RecordBatch,
  RecordBatchFileReader,
  RecordBatchFileWriter,
  Schema,
  Struct,
} from "apache-arrow";
import { invariant } from "../base/assert.ts";
import { CheckpointCorruptError } from "../base/errors.ts";
import type { ByteSpans } from "../columns/records.ts";
import { compareBytes, copyBytes, denseSpans, spanBytes } from "../columns/spans.ts";

/*
 * A segment is a complete Arrow IPC file (Feather V2, uncompressed):
 *
 *   key    binary, not nullable   stored keys: u32 big-endian murmur2 of the routing key, operator id, user key
 *   value  binary, nullable       stored values; null only in a delta, where it means "deleted"
 *
 * Rows are sorted by key as unsigned bytes, and no key comes twice. There are one or more record batches of 1 to 8,192
 * rows each; a segment without rows is never written. The schema's metadata holds `turbine.segment` = `1`. The same rows
 * give the same bytes. Other programs read it as it is, for example pyarrow:
 *
 *   pyarrow.ipc.open_file("000000000001-base-000000.arrow").read_all()
 *
 * and DuckDB queries the table that this gives by its variable's name.
 */

/** Most rows of one record batch of a segment. */
export const SEGMENT_BATCH_ROWS_MAX = 8_192;

const VERSION_KEY = "turbine.segment";
const VERSION = "1";

/** Keys and values in columns of bytes; what a state store reads and writes. */
export interface SegmentPage {
  /** Number of rows. */
  readonly count: number;
  /** Keys; never null. */
  readonly keys: ByteSpans;
  /** Values; null only in a delta. */
  readonly values: ByteSpans;
}

/** A written segment. */
export interface EncodedSegment {
  /** The file. */
  readonly bytes: Uint8Array;
  /** Number of rows. */
  readonly rows: number;
  /** First key, a copy. */
  readonly firstKey: Uint8Array;
  /** Last key, a copy. */
  readonly lastKey: Uint8Array;
}

/** What a segment must hold. */
export interface SegmentFacts {
  /** Name for messages. */
  readonly name: string;
  /** Whether null values may occur. */
  readonly kind: "base" | "delta";
  /** Number of rows. */
  readonly rows: number;
  /** First key. */
  readonly firstKey: Uint8Array;
  /** Last key. */
  readonly lastKey: Uint8Array;
}

/**
 * Writes rows as a segment.
 *
 * @param pages The rows in ascending key order, at least one; each page becomes one record batch or several.
 * @param kind Whether null values may occur.
 * @returns The file and its key range.
 */
export function encodeSegment(pages: readonly SegmentPage[], kind: "base" | "delta"): EncodedSegment {
  const schema = segmentSchema();
  const writer = new RecordBatchFileWriter();
  writer.reset(undefined, schema);
  let rows = 0;
  let firstKey: Uint8Array | undefined;
  let lastKey: Uint8Array | undefined;
  for (const page of pages) {
    if (page.count === 0) continue;
    invariant(kind === "delta" || !hasNulls(page.values, page.count), "a base segment holds no deletions");
    invariant(firstDisorder(page, lastKey) < 0, "rows of a segment come in ascending key order, each key once");
    for (let from = 0; from < page.count; from += SEGMENT_BATCH_ROWS_MAX) {
      writer.write(batchOf(schema, page, from, Math.min(page.count, from + SEGMENT_BATCH_ROWS_MAX)));
    }
    rows += page.count;
    firstKey ??= spanBytes(page.keys, 0)!;
    lastKey = spanBytes(page.keys, page.count - 1)!;
  }
  invariant(firstKey !== undefined && lastKey !== undefined, "a segment has at least one row");
  writer.finish();
  return { bytes: writer.toUint8Array(true), rows, firstKey: firstKey.slice(), lastKey: lastKey.slice() };
}

/**
 * Reads a segment and verifies its whole structure before the first row is given away: columns, order and number of rows,
 * key range, that every row lies in its column. The caller has verified the checksum before: what Arrow's own reader does
 * with damaged metadata is not defined.
 *
 * @param bytes The file; the pages are views into it.
 * @param facts What it must hold.
 * @returns All rows in pages of 1 to 8,192 rows.
 * @throws {CheckpointCorruptError} when it is not a segment, or not of these facts.
 */
export function decodeSegment(bytes: Uint8Array, facts: SegmentFacts): SegmentPage[] {
  const pages = readPages(bytes, facts);
  let rows = 0;
  let lastKey: Uint8Array | undefined;
  for (const page of pages) {
    if (facts.kind === "base" && hasNulls(page.values, page.count)) {
      throw corrupt(facts, "a base segment has a null value");
    }
    const row = firstDisorder(page, lastKey);
    if (row >= 0) throw corrupt(facts, `row ${rows + row} is not after the row before it`);
    rows += page.count;
    lastKey = spanBytes(page.keys, page.count - 1)!;
  }
  if (rows !== facts.rows) throw corrupt(facts, `it has ${rows} rows instead of ${facts.rows}`);
  if (rows === 0 || !isKey(facts.firstKey, spanBytes(pages[0]!.keys, 0)!) || !isKey(facts.lastKey, lastKey!)) {
    throw corrupt(facts, "its first or last key is not that of the manifest");
  }
  return pages;
}

function segmentSchema(): Schema {
  const fields = [new Field("key", new Binary(), false), new Field("value", new Binary(), true)];
  return new Schema(fields, new Map([[VERSION_KEY, VERSION]]));
}

function batchOf(schema: Schema, page: SegmentPage, from: number, to: number): RecordBatch {
  const children = [binaryData(page.keys, from, to), binaryData(page.values, from, to)];
  const data = makeData({ type: new Struct(schema.fields), length: to - from, nullCount: 0, children });
  return new RecordBatch(schema, data);
}

/** Rows [from, to) copied into a column of Arrow. */
function binaryData(spans: ByteSpans, from: number, to: number) {
  const { bytes, starts, ends } = spans;
  const length = to - from;
  const valueOffsets = new Int32Array(length + 1);
  const nullBitmap = new Uint8Array((length + 7) >> 3);
  let nullCount = 0;
  for (let i = 0; i < length; i++) {
    const start = starts[from + i]!;
    if (start < 0) nullCount++;
    else nullBitmap[i >> 3]! |= 1 << (i & 7);
    valueOffsets[i + 1] = valueOffsets[i]! + (start < 0 ? 0 : ends[from + i]! - start);
  }
  invariant(valueOffsets[length]! >= 0, "a record batch of a segment has less than 2 GiB in a column");
  const data = new Uint8Array(valueOffsets[length]!);
  for (let i = 0; i < length; i++) {
    const start = starts[from + i]!;
    if (start >= 0) copyBytes(bytes, start, ends[from + i]!, data, valueOffsets[i]!);
  }
  const type = new Binary();
  return nullCount === 0
    ? makeData({ type, length, nullCount, valueOffsets, data })
    : makeData({ type, length, nullCount, nullBitmap, valueOffsets, data });
}

function readPages(bytes: Uint8Array, facts: SegmentFacts): SegmentPage[] {
  // Arrow's buffers are views of 4 and 8 byte words, which a file that starts at an odd place cannot give.
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  try {
    // The reader forgets its schema at the end of the file.
    const reader = RecordBatchFileReader.from(aligned).open();
    const { schema } = reader;
    const isSchema = schema?.fields.length === 2 && schema.metadata.get(VERSION_KEY) === VERSION &&
      schema.fields.every((field, i) => field.name === ["key", "value"][i] && field.type instanceof Binary);
    if (!isSchema) throw corrupt(facts, "its columns are not those of a segment");
    return [...reader].map((batch) => pageOf(batch as RecordBatch, facts));
  } catch (error) {
    if (error instanceof CheckpointCorruptError) throw error;
    throw corrupt(facts, `it cannot be read as an Arrow file (${(error as Error).message})`, error);
  }
}

function pageOf(batch: RecordBatch, facts: SegmentFacts): SegmentPage {
  const count = batch.numRows;
  if (count < 1 || count > SEGMENT_BATCH_ROWS_MAX) throw corrupt(facts, `it has a record batch of ${count} rows`);
  const [keys, values] = batch.data.children;
  if (keys!.nullCount !== 0) throw corrupt(facts, "it has a null key");
  return { count, keys: spansOfData(keys!, count, facts), values: spansOfData(values!, count, facts) };
}

// deno-lint-ignore no-explicit-any
function spansOfData(data: any, count: number, facts: SegmentFacts): ByteSpans {
  const offsets = data.valueOffsets as Int32Array;
  const bytes = data.values as Uint8Array;
  if (data.length !== count || offsets.length < count + 1 || offsets[0]! < 0) throw corrupt(facts, "a column is short");
  for (let i = 0; i < count; i++) {
    if (offsets[i + 1]! < offsets[i]!) throw corrupt(facts, `row ${i} of a record batch ends before it begins`);
  }
  if (offsets[count]! > bytes.length) throw corrupt(facts, "a row ends after its column");
  const dense = denseSpans(bytes, offsets.subarray(0, count + 1));
  if (data.nullCount === 0) return dense;
  const bitmap = data.nullBitmap as Uint8Array;
  if (bitmap.length * 8 < count) throw corrupt(facts, "a validity bitmap is short");
  const starts = dense.starts.slice();
  for (let i = 0; i < count; i++) if ((bitmap[i >> 3]! & (1 << (i & 7))) === 0) starts[i] = -1;
  return { bytes, starts, ends: dense.ends };
}

function hasNulls(spans: ByteSpans, count: number): boolean {
  for (let row = 0; row < count; row++) if (spans.starts[row]! < 0) return true;
  return false;
}

/** First row that is null or not after the row before it, or -1. */
function firstDisorder(page: SegmentPage, before: Uint8Array | undefined): number {
  const { bytes, starts, ends } = page.keys;
  if (starts[0]! < 0) return 0;
  if (before !== undefined && compareBytes(before, 0, before.length, bytes, starts[0]!, ends[0]!) >= 0) return 0;
  for (let row = 1; row < page.count; row++) {
    if (starts[row]! < 0) return row;
    if (compareBytes(bytes, starts[row - 1]!, ends[row - 1]!, bytes, starts[row]!, ends[row]!) >= 0) return row;
  }
  return -1;
}

function isKey(expected: Uint8Array, found: Uint8Array): boolean {
  return compareBytes(expected, 0, expected.length, found, 0, found.length) === 0;
}

function corrupt(facts: SegmentFacts, found: string, cause?: unknown): CheckpointCorruptError {
  return new CheckpointCorruptError(
    `Cannot use checkpoint segment '${facts.name}': ${found}; an older checkpoint is used if there is one`,
    { context: { name: facts.name, found }, cause },
  );
}
