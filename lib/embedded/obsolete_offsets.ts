import type { ByteSpans } from "../columns/records.ts";
import { type LogBatch, offsetOfRow, type OffsetRanges, rowAtOffset } from "./log_batch.ts";
import type { PartitionLog } from "./partition_log.ts";

/**
 * Offsets whose records compaction may take: a newer record of the same key lies below the clean point too, the record
 * has no key, or its transaction was aborted.
 *
 * @param log The log.
 * @param cleanPoint Offset up to which it is cleaned; not above the last stable offset.
 * @returns Ranges of such offsets, ascending, and how many records they hold.
 */
export function obsoleteOffsets(log: PartitionLog, cleanPoint: number): { removed: OffsetRanges; count: number } {
  const newest = new Map<string, number>();
  forEachRecord(log, cleanPoint, (key, offset) => key !== null && newest.set(key, offset));
  const removed: [number, number][] = [];
  let count = 0;
  forEachRecord(log, cleanPoint, (key, offset) => {
    if (key !== null && newest.get(key) === offset) return;
    count++;
    const last = removed.at(-1);
    if (last !== undefined && last[1] === offset) last[1] = offset + 1;
    else removed.push([offset, offset + 1]);
  });
  return { removed, count };
}

/** Visits the records below the clean point in offset order; the key of an aborted record is told as `null`. */
function forEachRecord(
  log: PartitionLog,
  cleanPoint: number,
  visit: (key: string | null, offset: number) => unknown,
): void {
  for (const batch of log.batches()) {
    if (batch.baseOffset >= cleanPoint) return;
    const count = batch.records?.count ?? 0;
    // What lies before the log's start is gone already, and may be part of an open transaction.
    for (let row = rowAtOffset(batch, log.logStart); row < count; row++) {
      const offset = offsetOfRow(batch, row);
      if (offset >= cleanPoint) return;
      visit(batch.isAborted ? null : keyOf(batch, row), offset);
    }
  }
}

/** Bytes of a key as text, one character for each. */
function keyOf({ records }: LogBatch, row: number): string | null {
  const keys: ByteSpans | null = records!.keys;
  if (keys === null || keys.starts[row]! < 0) return null;
  let text = "";
  for (let at = keys.starts[row]!; at < keys.ends[row]!; at++) text += String.fromCharCode(keys.bytes[at]!);
  return text;
}
