/** The oracle for jobs without a reference: the same input, processed without faults, must give the same outputs. */
import type { ReadRow } from "../record_rows.ts";

/** How outputs are compared. */
export interface OutputComparison {
  /** Guarantee of the subscription: `at-least-once` allows repetitions. @default {"exactly-once"} */
  readonly guarantee?: "at-least-once" | "exactly-once";
  /**
   * `append`: every record counts; `update`: the last one of each key does, which depends on the cut of batches otherwise.
   *
   * @default {"append"}
   */
  readonly outputs?: "append" | "update";
  /** At most so many differences are told. @default {5} */
  readonly differencesMax?: number;
}

/** Longest value in a message, in characters. */
const VALUE_MAX = 200;

/**
 * Compares the records of an output topic with those that must be there. Order and partitions are not compared: between
 * keys there is no order, and a record without a key goes anywhere.
 *
 * @param expected Records of a run in which nothing went wrong.
 * @param found Records of the run in question.
 * @param options Guarantee and kind of the outputs.
 * @returns The first differences in words, one a line, or `undefined` when there are none.
 */
export function outputDifference(
  expected: readonly ReadRow[],
  found: readonly ReadRow[],
  options: OutputComparison = {},
): string | undefined {
  const { outputs = "append", differencesMax = 5 } = options;
  const differences = outputs === "append"
    ? recordDifferences(expected, found, options)
    : updateDifferences(expected, found, options);
  if (differences.length === 0) return undefined;
  const count = differences.length === 1 ? "1 record differs" : `${differences.length} records differ`;
  const more = differences.length - differencesMax;
  const lines = differences.slice(0, differencesMax).map((line) => `  ${line}`);
  if (more > 0) lines.push(`  and ${more} more`);
  return [`${count}:`, ...lines].join("\n");
}

/** How often a record is in both lists. */
interface Pair {
  readonly row: ReadRow;
  expected: number;
  found: number;
}

/** Every record counts. */
function recordDifferences(
  expected: readonly ReadRow[],
  found: readonly ReadRow[],
  { guarantee = "exactly-once" }: OutputComparison = {},
): string[] {
  const pairs = new Map<string, Pair>();
  const pairOf = (row: ReadRow): Pair => {
    const name = JSON.stringify([row.key, row.value]);
    let pair = pairs.get(name);
    if (pair === undefined) pairs.set(name, pair = { row, expected: 0, found: 0 });
    return pair;
  };
  for (const row of expected) pairOf(row).expected += 1;
  for (const row of found) pairOf(row).found += 1;
  const missing: Pair[] = [], extra: Pair[] = [];
  const repeated: string[] = [];
  for (const pair of pairs.values()) {
    if (pair.found < pair.expected) missing.push(pair);
    else if (pair.found > pair.expected && pair.expected === 0) extra.push(pair);
    else if (pair.found > pair.expected && guarantee === "exactly-once") {
      repeated.push(`repeated: ${nameOf(pair.row)} is there ${times(pair.found)}, it must be ${times(pair.expected)}`);
    }
  }
  return [...matched(missing, extra), ...repeated];
}

/** What is missing and what is there instead, by key where there is one of each. */
function matched(missing: readonly Pair[], extra: readonly Pair[]): string[] {
  const instead = new Map<string, Pair[]>();
  for (const pair of extra) {
    const { key } = pair.row;
    if (key !== null) instead.set(key, [...instead.get(key) ?? [], pair]);
  }
  const told = new Set<Pair>();
  const lines = missing.map((pair) => {
    const { key } = pair.row;
    const other = key === null ? undefined : instead.get(key)?.shift();
    if (other === undefined) {
      const there = pair.found === 0 ? "" : `, there ${times(pair.found)} of ${pair.expected}`;
      return `missing: ${nameOf(pair.row)}${there}`;
    }
    told.add(other);
    return `different: ${nameOf(pair.row)} is not there, but ${placeOf(other.row)} holds ${valueOf(other.row)}`;
  });
  const unexpected = extra.filter((pair) => !told.has(pair));
  return [...lines, ...unexpected.map(({ row }) => `not expected: ${nameOf(row)} at ${placeOf(row)}`)];
}

/** The last record of each key counts; records without a key are compared one by one. */
function updateDifferences(
  expected: readonly ReadRow[],
  found: readonly ReadRow[],
  options: OutputComparison = {},
): string[] {
  const [keyless, keylessFound] = [expected, found].map((rows) => rows.filter(({ key }) => key === null));
  const [last, lastFound] = [lastOfKey(expected), lastOfKey(found)];
  const lines: string[] = [];
  for (const [key, row] of last) {
    const now = lastFound.get(key);
    if (now === undefined) {
      lines.push(`missing: ${nameOf(row)}, the last one of its key`);
      continue;
    }
    // A repetition may end on an older value.
    const isThere = options.guarantee === "at-least-once" &&
      found.some((each) => each.key === key && each.value === row.value);
    if (now.value === row.value || isThere) continue;
    lines.push(`different: key '${key}' ends with ${valueOf(now)} at ${placeOf(now)}, it must be ${valueOf(row)}`);
  }
  for (const [key, row] of lastFound) {
    if (!last.has(key)) lines.push(`not expected: ${nameOf(row)} at ${placeOf(row)}, no record has this key`);
  }
  return [...lines, ...recordDifferences(keyless!, keylessFound!, options)];
}

function lastOfKey(rows: readonly ReadRow[]): Map<string, ReadRow> {
  const last = new Map<string, ReadRow>();
  for (const row of rows) if (row.key !== null) last.set(row.key, row);
  return last;
}

function nameOf(row: ReadRow): string {
  return row.key === null ? `the record without key, value ${valueOf(row)}` : `key '${row.key}' value ${valueOf(row)}`;
}

function valueOf({ value }: ReadRow): string {
  if (value === null) return "null";
  return value.length <= VALUE_MAX ? value : `${value.slice(0, VALUE_MAX)}...`;
}

function placeOf({ partition, offset }: ReadRow): string {
  return `partition ${partition} offset ${offset}`;
}

function times(count: number): string {
  return count === 1 ? "once" : count === 2 ? "twice" : `${count} times`;
}
