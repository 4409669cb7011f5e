import type { ByteSpans } from "../../columns/records.ts";
import { murmur2, partitionOf } from "../../columns/murmur2.ts";
import type { ProduceRequest } from "../../seams/broker.ts";

/** Rows of a request that go to one partition. */
export interface PartitionRows {
  /** Partition number. */
  readonly partition: number;
  /** Rows in order; all rows when `null`. */
  readonly rows: Int32Array | null;
}

/**
 * Divides a request among partitions.
 *
 * @param request The request.
 * @param partitions Number of partitions of the topic.
 * @param nullPartition Where records without a key go.
 * @returns Parts in order of their partitions; none for no records.
 * @throws {RangeError} when the request names a partition that cannot be, or not one for each record.
 */
export function partitionRows(request: ProduceRequest, partitions: number, nullPartition: number): PartitionRows[] {
  const { records, partitions: given } = request;
  if (records.count === 0) return [];
  if (typeof given === "number") return [{ partition: checked(given, partitions), rows: null }];
  if (given !== undefined) {
    if (given.length !== records.count) {
      throw new RangeError(
        `Cannot produce as 'partitions' must have one entry for each of ${records.count} records: ` +
          `current value is ${given.length}`,
      );
    }
    for (let row = 0; row < given.length; row++) checked(given[row]!, partitions);
    return divide(given, partitions);
  }
  if (records.keys === null) return [{ partition: nullPartition % partitions, rows: null }];
  if (partitions === 1) return [{ partition: 0, rows: null }];
  return divide(partitionsOfKeys(records.keys, partitions, nullPartition % partitions), partitions);
}

function checked(partition: number, partitions: number): number {
  if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return partition;
  throw new RangeError(
    `Cannot produce as 'partitions' must be in [0, ${partitions - 1}]: current value is ${partition}`,
  );
}

function partitionsOfKeys({ bytes, starts, ends }: ByteSpans, partitions: number, nullPartition: number): Int32Array {
  const result = new Int32Array(starts.length);
  for (let row = 0; row < starts.length; row++) {
    const start = starts[row]!;
    result[row] = start < 0 ? nullPartition : partitionOf(murmur2(bytes, start, ends[row]!), partitions);
  }
  return result;
}

/** A counting sort: rows keep their order inside a partition. */
function divide(partitionOfRow: Int32Array, partitions: number): PartitionRows[] {
  const counts = new Int32Array(partitions);
  for (let row = 0; row < partitionOfRow.length; row++) counts[partitionOfRow[row]!]! += 1;
  const parts: PartitionRows[] = [];
  const targets: (Int32Array | null)[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const rows = counts[partition] === 0 ? null : new Int32Array(counts[partition]!);
    targets.push(rows);
    if (rows !== null) parts.push({ partition, rows });
  }
  if (parts.length === 1) return [{ partition: parts[0]!.partition, rows: null }];
  counts.fill(0);
  for (let row = 0; row < partitionOfRow.length; row++) {
    const partition = partitionOfRow[row]!;
    targets[partition]![counts[partition]!++] = row;
  }
  return parts;
}
