import type { RecordSlab } from "../columns/records.ts";
import { joinSlices, type RecordsSlice } from "./dense_records.ts";
import { type LogBatch, offsetOfRow, rowAtOffset } from "./log_batch.ts";
import type { PartitionLog } from "./partition_log.ts";

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
  /** Leader epoch under which the record before `from` was read; absent or -1 when it is not known. */
  readonly lastEpoch?: number;
}

/**
 * Reads from a partition's log. Batches are cut by rows at the bounds; one batch is handed out without a copy.
 *
 * @param log The log; `from` must lie in `[logStart, logEnd]`.
 * @param place Topic and partition, for the slab.
 * @param options Bounds and isolation.
 * @returns A slab, empty when only control records, aborted records or gaps were passed; `null` when there is nothing new.
 */
export function readLog(
  log: PartitionLog,
  place: { readonly topic: string; readonly partition: number },
  options: ReadOptions,
): RecordSlab | null {
  const { from, isCommitted } = options;
  const limit = isCommitted ? log.lastStableOffset : log.logEnd;
  if (from >= limit) return null;
  const picked = pick(log, limit, options);
  const records = joinSlices(picked.slices);
  return {
    topic: place.topic,
    partition: place.partition,
    records,
    offsets: offsetsOf(picked.slices, records.count),
    from: BigInt(from),
    to: BigInt(picked.to),
    highWatermark: BigInt(log.logEnd),
    logStart: BigInt(log.logStart),
    leaderEpoch: log.epochs.epochAt(picked.to - 1),
  };
}

interface BatchSlice extends RecordsSlice {
  readonly batch: LogBatch;
}

interface Picked {
  readonly slices: BatchSlice[];
  readonly to: number;
}

/**
 * Batches below `limit`, as far as the bounds allow; what is not there, or not shown, is passed. It ends where the leader
 * epoch changes, so that the slab's epoch is that of each of its records.
 */
function pick(log: PartitionLog, limit: number, options: ReadOptions): Picked {
  const slices: BatchSlice[] = [];
  let to = options.from;
  let epoch = -1;
  let rowsLeft = Math.max(1, options.maxRecords);
  let bytesLeft = Math.max(1, options.maxBytes);
  for (let index = log.indexOf(options.from); index < log.batchCount; index++) {
    const batch = log.batchAt(index);
    if (batch.baseOffset >= limit) break;
    if (to > options.from && batch.leaderEpoch !== epoch) return { slices, to };
    epoch = batch.leaderEpoch;
    const { records } = batch;
    const first = rowAtOffset(batch, to);
    const isShown = records !== null && !(options.isCommitted && batch.isAborted) && first < records.count;
    if (!isShown) {
      to = batch.lastOffset + 1;
      continue;
    }
    if (rowsLeft <= 0 || bytesLeft <= 0) return { slices, to };
    const taken = rowsThatFit(batch, first, { rowsLeft, bytesLeft });
    if (taken === 0 && slices.length > 0) return { slices, to };
    const last = first + Math.max(1, taken);
    slices.push({ batch, records, from: first, to: last });
    rowsLeft -= last - first;
    bytesLeft -= (batch.bytes / records.count) * (last - first);
    if (last < records.count) return { slices, to: offsetOfRow(batch, last - 1) + 1 };
    to = batch.lastOffset + 1;
    if (last - first >= SHARED_ROWS && slices.length === 1) return { slices, to };
  }
  return { slices, to: limit };
}

/** How many rows from `first` on fit, by the mean size of the batch's records. */
function rowsThatFit(batch: LogBatch, first: number, left: { rowsLeft: number; bytesLeft: number }): number {
  const rows = Math.min(batch.records!.count - first, left.rowsLeft);
  const meanBytes = batch.bytes / batch.records!.count;
  return rows * meanBytes <= left.bytesLeft ? rows : Math.floor(left.bytesLeft / meanBytes);
}

function offsetsOf(slices: readonly BatchSlice[], count: number): Float64Array {
  const offsets = new Float64Array(count);
  let row = 0;
  for (const { batch, from, to } of slices) {
    const { baseOffset, deltas } = batch;
    if (deltas === null) { for (let k = from; k < to; k++) offsets[row++] = baseOffset + k; }
    else for (let k = from; k < to; k++) offsets[row++] = baseOffset + deltas[k]!;
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
    for (let row = rowAtOffset(batch, log.logStart); row < stamps.length; row++) {
      if (stamps[row]! >= atMs) return Math.min(end, offsetOfRow(batch, row));
    }
  }
  return end;
}
