import { murmur2, partitionOf } from "./murmur2.ts";
import type { ByteSpans, Records } from "./records.ts";

/** Rows that go to one partition. */
export interface PartitionRows {
  /** Partition number. */
  readonly partition: number;
  /** Rows in order; all rows when `null`. */
  readonly rows: Int32Array | null;
}

/** Records, and where they go. */
export interface PlacedRecords {
  /** The records. */
  readonly records: Records;
  /** Partition of each record; one number when all go to one; `undefined`: by the key. */
  readonly partitions?: Int32Array | number;
}

/** The topic that records go to. */
export interface PartitioningOptions {
  /** Number of partitions of the topic. */
  readonly count: number;
  /** Where records without a key go, modulo `count`: callers count their requests. */
  readonly nullPartition: number;
}

/**
 * Divides records among the partitions of a topic: as they say, or by the key as Kafka's default partitioner does.
 *
 * @param placed The records, and where they go.
 * @param options Number of partitions, and the turn of records without a key.
 * @returns Parts in order of their partitions; none for no records.
 * @throws {RangeError} when a partition is named that cannot be, or not one for each record.
 */
export function partitionRows(placed: PlacedRecords, options: PartitioningOptions): PartitionRows[] {
  const { records, partitions: given } = placed;
  const { count } = options;
  if (records.count === 0) return [];
  if (typeof given === "number") return [{ partition: checked(given, count), rows: null }];
  if (given !== undefined) {
    if (given.length !== records.count) {
      throw new RangeError(
        `Cannot produce as 'partitions' must have one entry for each of ${records.count} records: ` +
          `current value is ${given.length}`,
      );
    }
    for (let row = 0; row < given.length; row++) checked(given[row]!, count);
    return divide(given, count);
  }
  if (count === 1) return [{ partition: 0, rows: null }];
  const nullPartition = options.nullPartition % count;
  if (records.keys === null) return [{ partition: nullPartition, rows: null }];
  return divide(partitionsOfKeys(records.keys, count, nullPartition), count);
}

function checked(partition: number, count: number): number {
  if (Number.isInteger(partition) && partition >= 0 && partition < count) return partition;
  throw new RangeError(
    `Cannot produce as 'partitions' must be in [0, ${count - 1}]: current value is ${partition}`,
  );
}

function partitionsOfKeys({ bytes, starts, ends }: ByteSpans, count: number, nullPartition: number): Int32Array {
  const result = new Int32Array(starts.length);
  for (let row = 0; row < starts.length; row++) {
    const start = starts[row]!;
    result[row] = start < 0 ? nullPartition : partitionOf(murmur2(bytes, start, ends[row]!), count);
  }
  return result;
}

/** A counting sort: rows keep their order inside a partition. */
function divide(partitionOfRow: Int32Array, count: number): PartitionRows[] {
  const sizes = new Int32Array(count);
  for (let row = 0; row < partitionOfRow.length; row++) sizes[partitionOfRow[row]!]! += 1;
  const parts: PartitionRows[] = [];
  const targets: (Int32Array | null)[] = [];
  for (let partition = 0; partition < count; partition++) {
    const rows = sizes[partition] === 0 ? null : new Int32Array(sizes[partition]!);
    targets.push(rows);
    if (rows !== null) parts.push({ partition, rows });
  }
  if (parts.length === 1) return [{ partition: parts[0]!.partition, rows: null }];
  sizes.fill(0);
  for (let row = 0; row < partitionOfRow.length; row++) {
    const partition = partitionOfRow[row]!;
    targets[partition]![sizes[partition]!++] = row;
  }
  return parts;
}
