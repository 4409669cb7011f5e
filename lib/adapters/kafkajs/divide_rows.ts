import { murmur2, partitionOf } from "../../columns/murmur2.ts";
import type { ByteSpans } from "../../columns/records.ts";
import type { ProduceRequest } from "../../seams/broker.ts";

/** Rows of a request that go to one partition. */
export interface DividedRows {
  /** Partition number. */
  readonly partition: number;
  /** Rows in order; all rows when `null`. */
  readonly rows: Int32Array | null;
}

/**
 * Divides a request among the partitions of its topic: as it says, or by the key as Kafka's default partitioner does.
 *
 * @param request The request.
 * @param partitions Number of partitions of the topic.
 * @param nullPartition Where records without a key go.
 * @returns Parts in order of their partitions; none for no records.
 * @throws {RangeError} when the request names a partition that cannot be, or not one for each record.
 */
export function divideRows(request: ProduceRequest, partitions: number, nullPartition: number): DividedRows[] {
  const { records, partitions: given } = request;
  if (records.count === 0) return [];
  if (typeof given === "number") {
    checkPartition(given, partitions);
    return [{ partition: given, rows: null }];
  }
  if (given !== undefined) {
    if (given.length !== records.count) {
      throw new RangeError(
        `Cannot produce as 'partitions' must have one entry for each of ${records.count} records: ` +
          `current value is ${given.length}`,
      );
    }
    for (let row = 0; row < given.length; row++) checkPartition(given[row]!, partitions);
    return sortRows(given, partitions);
  }
  if (records.keys === null || partitions === 1) {
    return [{ partition: partitions === 1 ? 0 : nullPartition, rows: null }];
  }
  return sortRows(byKey(records.keys, partitions, nullPartition), partitions);
}

function checkPartition(partition: number, partitions: number): void {
  if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return;
  throw new RangeError(
    `Cannot produce as 'partitions' must be in [0, ${partitions - 1}]: current value is ${partition}`,
  );
}

function byKey({ bytes, starts, ends }: ByteSpans, partitions: number, nullPartition: number): Int32Array {
  const result = new Int32Array(starts.length);
  for (let row = 0; row < starts.length; row++) {
    const start = starts[row]!;
    result[row] = start < 0 ? nullPartition : partitionOf(murmur2(bytes, start, ends[row]!), partitions);
  }
  return result;
}

/** A counting sort: rows keep their order inside a partition. */
function sortRows(partitionOfRow: Int32Array, partitions: number): DividedRows[] {
  const ends = new Int32Array(partitions + 1);
  for (let row = 0; row < partitionOfRow.length; row++) ends[partitionOfRow[row]! + 1]! += 1;
  for (let partition = 0; partition < partitions; partition++) ends[partition + 1]! += ends[partition]!;
  const sorted = new Int32Array(partitionOfRow.length);
  const at = ends.slice(0, partitions);
  for (let row = 0; row < partitionOfRow.length; row++) sorted[at[partitionOfRow[row]!]!++] = row;
  const parts: DividedRows[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const rows = sorted.subarray(ends[partition]!, ends[partition + 1]!);
    if (rows.length > 0) parts.push({ partition, rows });
  }
  return parts;
}
