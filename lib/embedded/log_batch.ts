import { invariant } from "../base/assert.ts";
import type { Records } from "../columns/records.ts";
import type { BatchAppended, MarkerAppended } from "./change.ts";
import { denseByteLength, denseRecords } from "./dense_records.ts";

/** Bytes that a control record is counted with. */
const MARKER_BYTES = 78;

/** A batch, or a control record, as it lies in the log. */
export interface LogBatch {
  /** Offset of the first record that was appended. */
  readonly baseOffset: number;
  /** Offset of the last record that was appended. */
  readonly lastOffset: number;
  /** The records; `null` for a control record. */
  readonly records: Records | null;
  /** Offset of each record, counted from `baseOffset`; `null` while compaction took none. */
  readonly deltas: Int32Array | null;
  /** The control record; `null` for records. */
  readonly marker: { readonly isCommit: boolean; readonly timestamp: number } | null;
  /** Leader epoch at the append. */
  readonly leaderEpoch: number;
  /** Producer id, or -1. */
  readonly producerId: number;
  /** Producer epoch, or -1. */
  readonly producerEpoch: number;
  /** First sequence number, or -1. */
  readonly sequence: number;
  /** Whether it belongs, or belonged, to a transaction. */
  readonly isTransactional: boolean;
  /** Whether its transaction was aborted. */
  isAborted: boolean;
  /** Bytes of keys, values and headers. */
  readonly bytes: number;
  /** Greatest timestamp of its records, epoch milliseconds. */
  readonly maxTimestamp: number;
}

/** Ranges of offsets, ascending and apart: first offset and one past the last. */
export type OffsetRanges = readonly (readonly [from: number, to: number])[];

/** The batch that a change appends. */
export function recordBatch(change: BatchAppended): LogBatch {
  const { records, baseOffset, compacted } = change;
  invariant(records.count > 0, "a batch holds records");
  return {
    baseOffset,
    lastOffset: compacted?.lastOffset ?? baseOffset + records.count - 1,
    records,
    deltas: compacted === undefined ? null : Int32Array.from(compacted.deltas),
    marker: null,
    leaderEpoch: change.leaderEpoch,
    producerId: change.producerId,
    producerEpoch: change.producerEpoch,
    sequence: change.sequence,
    isTransactional: change.isTransactional,
    isAborted: false,
    bytes: denseByteLength(records),
    maxTimestamp: greatest(records.timestamps),
  };
}

/** The control record that a change appends. */
export function controlBatch(change: MarkerAppended): LogBatch {
  return {
    baseOffset: change.offset,
    lastOffset: change.offset,
    records: null,
    deltas: null,
    marker: { isCommit: change.isCommit, timestamp: change.timestamp },
    leaderEpoch: change.leaderEpoch,
    producerId: change.producerId,
    producerEpoch: change.producerEpoch,
    sequence: -1,
    isTransactional: true,
    isAborted: false,
    bytes: MARKER_BYTES,
    maxTimestamp: change.timestamp,
  };
}

/** Offset of a row. */
export function offsetOfRow({ baseOffset, deltas }: LogBatch, row: number): number {
  return baseOffset + (deltas === null ? row : deltas[row]!);
}

/** First row at or after an offset; the number of records when there is none. */
export function rowAtOffset({ baseOffset, deltas, records }: LogBatch, offset: number): number {
  if (offset <= baseOffset) return 0;
  if (deltas === null) return Math.min(offset - baseOffset, records?.count ?? 0);
  let low = 0;
  let high = deltas.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (baseOffset + deltas[middle]! < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * What is left of a batch when ranges of offsets are taken out of it.
 *
 * @returns The batch itself when it loses nothing, `null` when it loses everything.
 */
export function batchWithout(batch: LogBatch, removed: OffsetRanges): LogBatch | null {
  const { records, baseOffset, lastOffset } = batch;
  if (records === null) return batch;
  const ranges = removed.filter(([from, to]) => from <= lastOffset && to > baseOffset);
  if (ranges.length === 0) return batch;
  const rows: number[] = [];
  let range = 0;
  for (let row = 0; row < records.count; row++) {
    const offset = offsetOfRow(batch, row);
    while (range < ranges.length && ranges[range]![1] <= offset) range++;
    if (range === ranges.length || offset < ranges[range]![0]) rows.push(row);
  }
  if (rows.length === records.count) return batch;
  if (rows.length === 0) return null;
  const kept = denseRecords(records, Int32Array.from(rows), 0);
  return {
    ...batch,
    records: kept,
    deltas: Int32Array.from(rows, (row) => offsetOfRow(batch, row) - baseOffset),
    bytes: denseByteLength(kept),
    maxTimestamp: greatest(kept.timestamps),
  };
}

function greatest(timestamps: Float64Array | null): number {
  invariant(timestamps !== null, "records in a log are stamped");
  let max = -Infinity;
  for (let i = 0; i < timestamps.length; i++) if (timestamps[i]! > max) max = timestamps[i]!;
  return max;
}
