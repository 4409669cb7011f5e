/**
 * Slabs: bytes of many records in one buffer plus where each begins and ends. Objects per record exist nowhere in `lib/`.
 */

/** Byte ranges in one buffer, one for each row. A row whose start is negative is null. */
export interface ByteSpans {
  /** The buffer that holds all rows' bytes; ranges may be in any order, with gaps, and may be shared with other spans. */
  readonly bytes: Uint8Array;
  /** First byte of each row, or -1 for a null row. */
  readonly starts: Int32Array;
  /** One past the last byte of each row; without meaning for a null row. */
  readonly ends: Int32Array;
}

/** Records to be produced, or the records of a fetched slab, in columns of bytes. */
export interface Records {
  /** Number of records. */
  readonly count: number;
  /** Record keys; `null` when every key is null. */
  readonly keys: ByteSpans | null;
  /** Record values; a null row is a tombstone. */
  readonly values: ByteSpans;
  /** Record timestamps in epoch milliseconds; `null` when the producer is to stamp them. */
  readonly timestamps: Float64Array | null;
  /** Record headers in Kafka's wire form (see headers.ts); `null` when no record has any, a null row has none. */
  readonly headers: ByteSpans | null;
}

/** What one poll of one partition gave. */
export interface RecordSlab {
  /** Topic name. */
  readonly topic: string;
  /** Partition number. */
  readonly partition: number;
  /** The records, in offset order; `timestamps` is never null here. May be empty (control records only). */
  readonly records: Records;
  /** Offset of each record, exact up to 2^53. */
  readonly offsets: Float64Array;
  /** Position the fetch started from. */
  readonly from: bigint;
  /** Next position to fetch: past control records and compaction gaps. */
  readonly to: bigint;
  /** High watermark of the partition at the fetch (last stable offset for read_committed is at or below it). */
  readonly highWatermark: bigint;
  /** First offset that the log still holds. */
  readonly logStart: bigint;
  /** Leader epoch of the last batch, or -1 when unknown. */
  readonly leaderEpoch: number;
}
