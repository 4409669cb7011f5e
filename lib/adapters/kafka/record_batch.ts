/**
 * Record batches of Kafka's message format 2, between bytes on the wire and columns.
 *
 *   baseOffset 8 | length 4 | leaderEpoch 4 | magic 1 | crc 4 | attributes 2 | lastOffsetDelta 4 | baseTimestamp 8 |
 *   maxTimestamp 8 | producerId 8 | producerEpoch 2 | baseSequence 4 | count 4 | records
 */

/** Bytes before the records of a batch. */
export const HEADER_SIZE = 61;
/** Bytes before what `length` counts. */
export const PREFIX_SIZE = 12;
/** Where the bytes begin that the checksum covers. */
export const CHECKED_FROM = 21;
/** Bytes of the smallest record: no key, no value, no headers. */
export const LEAST_RECORD_SIZE = 7;
/** Bits of the attributes. */
export const ATTRIBUTES = { codec: 7, isAppendTime: 8, isTransactional: 16, isControl: 32 } as const;

/** How the records of a batch are compressed. */
export type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** Codecs by the number that the attributes hold. */
export const COMPRESSIONS: readonly Compression[] = ["none", "gzip", "snappy", "lz4", "zstd"];

/** Header of one batch in a buffer. */
export interface BatchHeader {
  /** Where the batch begins. */
  readonly start: number;
  /** One past its last byte. */
  readonly end: number;
  /** Offset of its first record, before any compaction. */
  readonly baseOffset: number;
  /** Offset of its last record, before any compaction. */
  readonly lastOffset: number;
  /** Leader epoch. */
  readonly leaderEpoch: number;
  /** Bits, see {@linkcode ATTRIBUTES}. */
  readonly attributes: number;
  /** Base of the timestamps, in epoch milliseconds. */
  readonly baseTimestamp: number;
  /** Time of the append, when the bits say so. */
  readonly maxTimestamp: number;
  /** Producer, or -1. */
  readonly producerId: bigint;
  /** Producer epoch, or -1. */
  readonly producerEpoch: number;
  /** Sequence number of its first record, or -1. */
  readonly baseSequence: number;
  /** Number of records. */
  readonly count: number;
}
