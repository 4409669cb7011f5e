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
  const { wallMs, bytesMax, producer, compression = "none", topic = "", limit } = options;
  const packedMax = Math.min(bytesMax, limit?.bytesMax ?? bytesMax);
  const total = rows?.length ?? records.count;
  const buffer = new RecordBuffer();
  const batches: EncodedBatch[] = [];
  let { sequence } = producer;
  for (let first = 0; first < total;) {
    let written = writeRecords(buffer, { records, rows, first, wallMs, bytesMax: packedMax - HEADER_SIZE });
    const row = rows === null ? first : rows[first]!;
    if (written.count === 0 && packedMax < bytesMax) {
      // It may be small enough once it is compressed.
      const alone = { records, rows: Int32Array.of(row), first: 0, wallMs, bytesMax: bytesMax - HEADER_SIZE };
      written = writeRecords(buffer, alone);
    }
    if (written.count === 0) throw tooLarge({ topic, row, size: written.refusedSize + HEADER_SIZE, bytesMax });
    const bytes = makeBatch(buffer.bytes.subarray(0, buffer.length), compression);
    if (limit?.isExact === true && bytes.length > limit.bytesMax) {
      throw tooLarge({ topic, row, size: bytes.length, bytesMax: limit.bytesMax }, "the topic's max.message.bytes");
    }
    writeHeader(bytes, { ...producer, sequence }, written);
    batches.push({ bytes, count: written.count });
    sequence = nextSequence(sequence, written.count);
    first += written.count;
  }
  return batches;
}

/** Room for a header, and the records behind it. The header has the codec only. */
function makeBatch(plain: Uint8Array, compression: Compression): Uint8Array {
  const compressed = compression === "none" ? plain : compress(compression, plain);
  const isSmaller = compressed.length < plain.length;
  const section = isSmaller ? compressed : plain;
  const bytes = new Uint8Array(HEADER_SIZE + section.length);
  bytes.set(section, HEADER_SIZE);
  if (isSmaller) bytes[22] = COMPRESSIONS.indexOf(compression);
  return bytes;
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
