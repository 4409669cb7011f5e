import type { RecordSlab } from "../columns/records.ts";
import { joinSlices, type RecordsSlice } from "./dense_records.ts";
import type { LogBatch, PartitionLog } from "./partition_log.ts";

/** A batch of so many records is handed out by itself: one batch needs no copy, and so few reads cost less than that. */
const SHARED_ROWS = 4_096;

/** Bounds and isolation of a read. */
export interface ReadOptions {
  /** Position to read from. */
  readonly from: number;
  /** At most so many records; at least one is returned when there is one. */
  readonly maxRecords: number;
  /** About so many bytes of keys, values and headers; at least one record is returned when there is one. */
  readonly maxBytes: number;
  /** Whether open and aborted transactions are hidden. */
  readonly isCommitted: boolean;
}

/**
 * Reads from a partition's log. Batches are cut by rows at the bounds; one batch is handed out without a copy.
 *
 * @param log The log; `from` must lie in `[logStart, logEnd]`.
 * @param place Topic and partition, for the slab.
 * @param options Bounds and isolation.
 * @returns A slab, empty when only control or aborted records were passed; `null` when there is nothing new.
 */
export function readLog(
  log: PartitionLog,
  place: { readonly topic: string; readonly partition: number },
  options: ReadOptions,
): RecordSlab | null {
  const { from, isCommitted } = options;
  const limit = isCommitted ? log.lastStableOffset : log.logEnd;
  const picked = pick(log, limit, options);
  if (picked.to === from) return null;
  const records = joinSlices(picked.slices);
  return {
    topic: place.topic,
    partition: place.partition,
    records,
    offsets: offsetsOf(picked.slices, picked.bases, records.count),
    from: BigInt(from),
    to: BigInt(picked.to),
    highWatermark: BigInt(log.logEnd),
    logStart: BigInt(log.logStart),
    leaderEpoch: picked.leaderEpoch,
  };
}

interface Picked {
  readonly slices: RecordsSlice[];
  readonly bases: number[];
  to: number;
  leaderEpoch: number;
}

function pick(log: PartitionLog, limit: number, options: ReadOptions): Picked {
  const picked: Picked = { slices: [], bases: [], to: options.from, leaderEpoch: -1 };
  let rowsLeft = Math.max(1, options.maxRecords);
  let bytesLeft = Math.max(1, options.maxBytes);
  for (let index = log.indexOf(options.from); index < log.batchCount; index++) {
    const batch = log.batchAt(index);
    if (batch.baseOffset >= limit) break;
    const isShown = batch.records !== null && !(options.isCommitted && batch.isAborted);
    if (isShown) {
      if (rowsLeft <= 0 || bytesLeft <= 0) break;
      const first = Math.max(0, picked.to - batch.baseOffset);
      const taken = rowsThatFit(batch, first, { rowsLeft, bytesLeft });
      if (taken === 0 && picked.slices.length > 0) break;
      const last = first + Math.max(1, taken);
      picked.slices.push({ records: batch.records!, from: first, to: last });
      picked.bases.push(batch.baseOffset);
      rowsLeft -= last - first;
      bytesLeft -= (batch.bytes / batch.records!.count) * (last - first);
      picked.to = batch.baseOffset + last;
      picked.leaderEpoch = batch.leaderEpoch;
      if (last < batch.records!.count) break;
      if (last - first >= SHARED_ROWS && picked.slices.length === 1) break;
    } else {
      picked.to = batch.lastOffset + 1;
      picked.leaderEpoch = batch.leaderEpoch;
    }
  }
  return picked;
}

/** How many rows from `first` on fit, by the mean size of the batch's records. */
function rowsThatFit(batch: LogBatch, first: number, left: { rowsLeft: number; bytesLeft: number }): number {
  const rows = Math.min(batch.records!.count - first, left.rowsLeft);
  const meanBytes = batch.bytes / batch.records!.count;
  return rows * meanBytes <= left.bytesLeft ? rows : Math.floor(left.bytesLeft / meanBytes);
}

function offsetsOf(slices: readonly RecordsSlice[], bases: readonly number[], count: number): Float64Array {
  const offsets = new Float64Array(count);
  let row = 0;
  for (let s = 0; s < slices.length; s++) {
    const { from, to } = slices[s]!;
    const base = bases[s]!;
    for (let k = from; k < to; k++) offsets[row++] = base + k;
  }
  return offsets;
}

/**
 * First offset whose timestamp is at or after a time.
 *
 * @param log The log.
 * @param atMs Epoch milliseconds.
 * @returns The offset, or the last stable offset when there is none below it.
 */
export function offsetAtTime(log: PartitionLog, atMs: number): number {
  const end = log.lastStableOffset;
  for (let index = 0; index < log.batchCount; index++) {
    const batch = log.batchAt(index);
    if (batch.records === null || batch.maxTimestamp < atMs) continue;
    const stamps = batch.records.timestamps!;
    for (let row = Math.max(0, log.logStart - batch.baseOffset); row < stamps.length; row++) {
      if (stamps[row]! >= atMs) return Math.min(end, batch.baseOffset + row);
    }
  }
  return end;
}
