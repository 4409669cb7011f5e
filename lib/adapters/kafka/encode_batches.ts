import { crc32c } from "../../base/crc32c.ts";
import type { Records } from "../../columns/records.ts";
import { copyBytes } from "../../columns/spans.ts";
import { ATTRIBUTES, CHECKED_FROM, type Compression, HEADER_SIZE, PREFIX_SIZE } from "./record_batch.ts";

/** An encoded record batch. */
export interface EncodedBatch {
  /** The batch. */
  readonly bytes: Uint8Array;
  /** Number of its records. */
  readonly count: number;
}

/** Who writes a batch. */
export interface BatchProducer {
  /** Producer id. */
  readonly producerId: bigint;
  /** Producer epoch. */
  readonly producerEpoch: number;
  /** Sequence number of the first record. */
  readonly sequence: number;
  /** Whether the records belong to a transaction. @default {false} */
  readonly isTransactional?: boolean;
}

/** How rows become batches. */
export interface EncodeOptions {
  /** Who writes. */
  readonly producer: BatchProducer;
  /** The time that stamps records without one, in epoch milliseconds. */
  readonly wallMs: number;
  /** Bound of a batch before compression, in bytes. */
  readonly bytesMax: number;
  /** How the records are compressed. @default {"none"} */
  readonly compression?: Compression;
  /** Names the topic in errors. @default {""} */
  readonly topic?: string;
}

/** The sequence number `count` records further; it wraps after 2^31 - 1. */
export function nextSequence(sequence: number, count: number): number {
  return (sequence + count) % 2 ** 31;
}

/**
 * Encodes rows as record batches without compression.
 *
 * @param records The records.
 * @param rows Which rows, in order; all when `null`.
 * @param options Who writes, the time that stamps records without one, and the bound of a batch in bytes; a batch of one
 * record may be larger.
 * @returns Batches in order, with consecutive sequence numbers.
 */
export function encodeBatches(
  records: Records,
  rows: Int32Array | null,
  options: EncodeOptions,
): EncodedBatch[] {
  const { wallMs, bytesMax, producer } = options;
  const total = rows?.length ?? records.count;
  const sizes = new Int32Array(total);
  const batches: EncodedBatch[] = [];
  let { sequence } = producer;
  for (let first = 0; first < total;) {
    const baseTimestamp = timestampOf(records, rows === null ? first : rows[first]!, wallMs);
    let size = HEADER_SIZE;
    let end = first;
    for (; end < total; end++) {
      const row = rows === null ? end : rows[end]!;
      const body = bodySize(records, row, timestampOf(records, row, wallMs) - baseTimestamp) + varintSize(end - first);
      const recordSize = varintSize(body) + body;
      if (end > first && size + recordSize > bytesMax) break;
      sizes[end] = body;
      size += recordSize;
    }
    const plan = { records, rows, sizes, first, end, size, baseTimestamp, wallMs };
    batches.push({ bytes: writeBatch(plan, { ...producer, sequence }), count: end - first });
    sequence = nextSequence(sequence, end - first);
    first = end;
  }
  return batches;
}

interface BatchPlan {
  readonly records: Records;
  readonly rows: Int32Array | null;
  /** Size of each record without its length field. */
  readonly sizes: Int32Array;
  readonly first: number;
  readonly end: number;
  readonly size: number;
  readonly baseTimestamp: number;
  readonly wallMs: number;
}

function timestampOf(records: Records, row: number, wallMs: number): number {
  return records.timestamps === null ? wallMs : records.timestamps[row]!;
}

function bodySize({ keys, values, headers }: Records, row: number, timestampDelta: number): number {
  const key = keys === null || keys.starts[row]! < 0 ? -1 : keys.ends[row]! - keys.starts[row]!;
  const value = values.starts[row]! < 0 ? -1 : values.ends[row]! - values.starts[row]!;
  const headerSize = headers === null || headers.starts[row]! < 0 ? 0 : headers.ends[row]! - headers.starts[row]!;
  return 1 + varlongSize(timestampDelta) + varintSize(key) + Math.max(key, 0) + varintSize(value) + Math.max(value, 0) +
    Math.max(headerSize, 1);
}

function writeBatch(plan: BatchPlan, producer: BatchProducer): Uint8Array {
  const { records, rows, sizes, first, end, baseTimestamp, wallMs } = plan;
  const { keys, values, headers } = records;
  const bytes = new Uint8Array(plan.size);
  let maxTimestamp = baseTimestamp;
  let at = HEADER_SIZE;
  for (let i = first; i < end; i++) {
    const row = rows === null ? i : rows[i]!;
    const timestamp = timestampOf(records, row, wallMs);
    if (timestamp > maxTimestamp) maxTimestamp = timestamp;
    at = writeVarint(bytes, at, sizes[i]!);
    at += 1;
    at = writeVarlong(bytes, at, timestamp - baseTimestamp);
    at = writeVarint(bytes, at, i - first);
    at = writeSpan(bytes, at, keys === null ? null : keys, row);
    at = writeSpan(bytes, at, values, row);
    // Headers are in wire form already; the byte 0 is a count of none.
    if (headers === null || headers.starts[row]! < 0 || headers.ends[row] === headers.starts[row]) at += 1;
    else at = copyBytes(headers.bytes, headers.starts[row]!, headers.ends[row]!, bytes, at);
  }
  writeHeader(bytes, producer, { count: end - first, baseTimestamp, maxTimestamp });
  return bytes;
}

function writeHeader(
  bytes: Uint8Array,
  producer: BatchProducer,
  batch: { readonly count: number; readonly baseTimestamp: number; readonly maxTimestamp: number },
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setInt32(8, bytes.length - PREFIX_SIZE);
  view.setInt32(12, -1);
  view.setInt8(16, 2);
  view.setInt16(21, producer.isTransactional === true ? ATTRIBUTES.isTransactional : 0);
  view.setInt32(23, batch.count - 1);
  view.setBigInt64(27, BigInt(batch.baseTimestamp));
  view.setBigInt64(35, BigInt(batch.maxTimestamp));
  view.setBigInt64(43, producer.producerId);
  view.setInt16(51, producer.producerEpoch);
  view.setInt32(53, producer.sequence);
  view.setInt32(57, batch.count);
  view.setUint32(17, crc32c(bytes.subarray(CHECKED_FROM)));
}

function writeSpan(bytes: Uint8Array, at: number, spans: Records["keys"], row: number): number {
  const start = spans === null ? -1 : spans.starts[row]!;
  if (spans === null || start < 0) return writeVarint(bytes, at, -1);
  const end = spans.ends[row]!;
  return copyBytes(spans.bytes, start, end, bytes, writeVarint(bytes, at, end - start));
}

function varintSize(value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  let size = 1;
  for (; zigzag > 127; size++) zigzag >>>= 7;
  return size;
}

function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; zigzag > 127; zigzag >>>= 7) bytes[at++] = zigzag & 127 | 128;
  bytes[at++] = zigzag;
  return at;
}

/** Zigzag of an integer up to 2^52, without the limit of 32 bits. */
function zigzagOf(value: number): number {
  return value >= 0 ? 2 * value : -2 * value - 1;
}

function varlongSize(value: number): number {
  let zigzag = zigzagOf(value);
  let size = 1;
  for (; zigzag > 127; size++) zigzag = Math.floor(zigzag / 128);
  return size;
}

function writeVarlong(bytes: Uint8Array, at: number, value: number): number {
  let zigzag = zigzagOf(value);
  for (; zigzag > 127; zigzag = Math.floor(zigzag / 128)) bytes[at++] = zigzag % 128 | 128;
  bytes[at++] = zigzag;
  return at;
}
