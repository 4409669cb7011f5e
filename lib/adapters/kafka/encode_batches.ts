import { crc32c } from "../../base/crc32c.ts";
import { RecordTooLargeError } from "../../base/errors.ts";
import type { Records } from "../../columns/records.ts";
import type { BatchLimit } from "./batch_limits.ts";
import { compress } from "./compress.ts";
import { RecordBuffer, writeRecords, type WrittenRecords } from "./encode_records.ts";
import { ATTRIBUTES, CHECKED_FROM, type Compression, COMPRESSIONS, HEADER_SIZE, PREFIX_SIZE } from "./record_batch.ts";

/** An encoded record batch. */
export interface EncodedBatch {
  /** The batch. */
  readonly bytes: Uint8Array;
  /** Number of its records. */
  readonly count: number;
  /** Gives the bytes back, once a broker has them: they may become those of another batch. May be left out. */
  release(): void;
}

/** Rows from a position on. */
export interface RowsFrom {
  /** The records. */
  readonly records: Records;
  /** Which of them, in order; all when `null`. */
  readonly rows: Int32Array | null;
  /** Position in `rows` of the first one. */
  readonly first: number;
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
  /** What the topic is known to take in one batch, if less than `bytesMax`. @default {nothing is known} */
  readonly limit?: BatchLimit | undefined;
}

/** Most that a record takes beside its key, its value and its headers: lengths, attributes and times. */
const RECORD_FRAME_MAX = 32;

/** The sequence number `count` records further; it wraps after 2^31 - 1. */
export function nextSequence(sequence: number, count: number): number {
  return (sequence + count) % 2 ** 31;
}

/**
 * Encodes rows as record batches, each as full as its bound allows. A batch that compression does not make smaller stays as
 * it is.
 *
 * @param records The records.
 * @param rows Which rows, in order; all when `null`.
 * @param options Who writes, the time that stamps records without one, the bound of a batch and the compression.
 * @returns Batches in order, with consecutive sequence numbers.
 * @throws {RecordTooLargeError} when one record does not fit into a batch of its own.
 * @throws {RangeError} when a timestamp is not finite.
 */
export function encodeBatches(records: Records, rows: Int32Array | null, options: EncodeOptions): EncodedBatch[] {
  const total = rows?.length ?? records.count;
  const batches: EncodedBatch[] = [];
  for (let first = 0; first < total; first += batches.at(-1)!.count) {
    batches.push(encodeBatch({ records, rows, first }, options));
  }
  return batches;
}

/**
 * Encodes one record batch, as full as its bound allows.
 *
 * @param from The rows, and the first one; there is one at least.
 * @param options As for {@linkcode encodeBatches}; the sequence number is that of the row at position 0.
 * @throws {RecordTooLargeError} when the first record does not fit into a batch of its own.
 * @throws {RangeError} when a timestamp is not finite.
 */
export function encodeBatch(from: RowsFrom, options: EncodeOptions): EncodedBatch {
  const { records, rows, first } = from;
  const { wallMs, bytesMax, producer, topic = "", limit } = options;
  const packedMax = packedBytesMax(options);
  const buffer = new RecordBuffer(HEADER_SIZE);
  let written = writeRecords(buffer, { records, rows, first, wallMs, bytesMax: packedMax - HEADER_SIZE });
  const row = rows === null ? first : rows[first]!;
  if (written.count === 0 && packedMax < bytesMax) {
    // It may be small enough once it is compressed.
    const alone = { records, rows: Int32Array.of(row), first: 0, wallMs, bytesMax: bytesMax - HEADER_SIZE };
    written = writeRecords(buffer, alone);
  }
  if (written.count === 0) throw tooLarge({ topic, row, size: written.refusedSize + HEADER_SIZE, bytesMax });
  const { bytes, release } = makeBatch(buffer, options.compression ?? "none");
  if (limit?.isExact === true && bytes.length > limit.bytesMax) {
    throw tooLarge({ topic, row, size: bytes.length, bytesMax: limit.bytesMax }, "the topic's max.message.bytes");
  }
  writeHeader(bytes, { ...producer, sequence: nextSequence(producer.sequence, first) }, written);
  return { bytes, count: written.count, release };
}

/**
 * Whether all rows can be encoded for certain, each in any batch: then there is no need to do it before the first batch is
 * sent.
 *
 * @param records The records.
 * @param rows Which rows; all when `null`.
 * @param options The bound of a batch.
 */
export function surelyFit(records: Records, rows: Int32Array | null, options: EncodeOptions): boolean {
  const { keys, values, headers, timestamps } = records;
  const room = packedBytesMax(options) - HEADER_SIZE - RECORD_FRAME_MAX;
  const total = rows?.length ?? records.count;
  for (let position = 0; position < total; position++) {
    const row = rows === null ? position : rows[position]!;
    let size = values.ends[row]! - values.starts[row]!;
    if (keys !== null) size += keys.ends[row]! - keys.starts[row]!;
    if (headers !== null) size += headers.ends[row]! - headers.starts[row]!;
    if (size > room) return false;
    if (timestamps !== null && !(Math.abs(timestamps[row]!) <= Number.MAX_SAFE_INTEGER)) return false;
  }
  return true;
}

/** Bound of a batch, in bytes: what the topic is known to take, if that is less. */
function packedBytesMax({ bytesMax, limit }: EncodeOptions): number {
  return Math.min(bytesMax, limit?.bytesMax ?? bytesMax);
}

/** Room for a header, and the records behind it; of the header only the codec is there. */
function makeBatch(buffer: RecordBuffer, compression: Compression): Pick<EncodedBatch, "bytes" | "release"> {
  const plain = buffer.bytes.subarray(0, buffer.length);
  const compressed = compression === "none" ? plain : compress(compression, plain);
  const isSmaller = compressed.length < plain.length;
  if (!isSmaller && buffer.isMostlyUsed) {
    const bytes = buffer.framed;
    bytes.fill(0, 0, HEADER_SIZE);
    return { bytes, release: () => buffer.release() };
  }
  const section = isSmaller ? compressed : plain;
  const bytes = new Uint8Array(HEADER_SIZE + section.length);
  bytes.set(section, HEADER_SIZE);
  if (isSmaller) bytes[22] = COMPRESSIONS.indexOf(compression);
  buffer.release();
  return { bytes, release: () => {} };
}

function writeHeader(bytes: Uint8Array, producer: BatchProducer, written: WrittenRecords): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setInt32(8, bytes.length - PREFIX_SIZE);
  view.setInt32(12, -1);
  view.setInt8(16, 2);
  view.setInt16(21, view.getInt16(21) | (producer.isTransactional === true ? ATTRIBUTES.isTransactional : 0));
  view.setInt32(23, written.count - 1);
  view.setBigInt64(27, BigInt(written.baseTimestamp));
  view.setBigInt64(35, BigInt(written.maxTimestamp));
  view.setBigInt64(43, producer.producerId);
  view.setInt16(51, producer.producerEpoch);
  view.setInt32(53, producer.sequence);
  view.setInt32(57, written.count);
  view.setUint32(17, crc32c(bytes.subarray(CHECKED_FROM)));
}

function tooLarge(
  record: { readonly topic: string; readonly row: number; readonly size: number; readonly bytesMax: number },
  bound: string = "'batchBytesMax'",
): RecordTooLargeError {
  const { topic, row, size, bytesMax } = record;
  const next = bound === "'batchBytesMax'" ? "'batchBytesMax' and the topic's max.message.bytes" : "it";
  return new RecordTooLargeError(
    `Cannot produce record ${row} to '${topic}' as it takes ${size} bytes in a batch of its own and ${bound} allows ` +
      `${bytesMax}, split the record, or raise ${next}`,
    { context: { topic, row, size, bytesMax } },
  );
}
