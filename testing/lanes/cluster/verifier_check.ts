/** Looks at the verifier's topics from outside and counts what is wrong with them. */
import { assert, assertEquals } from "@std/assert";
import type { TopicPartition } from "../../../lib/seams/broker.ts";
import type { Topic } from "@turbine/turbine";
import type { ClusterAdmin } from "./cluster_admin.ts";
import { expectedTotals, type InputRow, topicsOf, type TotalRow } from "./verifier_data.ts";

/** What was found in an output topic. */
export interface OutputCounts {
  /** Rows. */
  readonly rows: number;
  /** Records whose output is nowhere, as `key seq`. */
  readonly missing: readonly string[];
  /** Rows that stand there once more than they should. */
  readonly repeated: number;
  /** Rows that are wrong, or that come before one that should be earlier; the first one is told. */
  readonly wrong: readonly string[];
}

/** Reads all committed rows of a topic, in partition order. */
export type ReadRows = (topic: Topic) => Promise<unknown[]>;

const text = (value: unknown) => JSON.stringify(value);

/** What must be in a topic. */
export interface Wanted<T, E> {
  /** Rows of each key in order. */
  readonly expected: ReadonlyMap<string, readonly E[]>;
  /** Compares a row. */
  readonly isEqual: (row: T, expected: E) => boolean;
}

/**
 * Compares an output topic with what must be there. The rows of each key must come in order; after a failure some may come
 * again, from an earlier one on and in order again, but none may be passed over.
 *
 * @param rows What is there.
 * @param wanted What must be there.
 */
export function countOutput<T extends { readonly key: string; readonly seq: number }, E>(
  rows: readonly T[],
  { expected, isEqual }: Wanted<T, E>,
): OutputCounts {
  const seen = new Map<string, Set<number>>();
  const highest = new Map<string, number>();
  const wrong: string[] = [];
  let repeated = 0;
  for (const row of rows) {
    const { key, seq } = row, due = (highest.get(key) ?? -1) + 1;
    const wanted = expected.get(key)?.[seq];
    const own = seen.get(key) ?? new Set();
    if (own.size === 0) seen.set(key, own);
    if (wanted === undefined || !isEqual(row, wanted)) wrong.push(`${text(row)} is not ${text(wanted)}`);
    else if (seq > due) wrong.push(`${text(row)} came when row ${due} of its key was due`);
    if (own.has(seq)) repeated += 1;
    own.add(seq);
    highest.set(key, Math.max(seq, due - 1));
  }
  const missing = [...expected].flatMap(([key, all]) =>
    all.flatMap((_, seq) => seen.get(key)?.has(seq) === true ? [] : [`${key} ${seq}`])
  );
  return { rows: rows.length, missing, repeated, wrong };
}

/**
 * Counts the outputs of a job.
 *
 * @param name Name of the app.
 * @param more What was fed, what reads a topic, whether the beginning of the input is gone, and whether the job keeps no
 * totals.
 * @returns Counts of the topic of echoes and of that of totals.
 * @throws {AssertionError} when the input itself is not what was fed.
 */
export async function checkOutputs(
  name: string,
  { rows, read, isInputCut = false, isEchoOnly = false }: {
    readonly rows: readonly InputRow[];
    readonly read: ReadRows;
    readonly isInputCut?: boolean;
    readonly isEchoOnly?: boolean;
  },
): Promise<{ readonly echo: OutputCounts; readonly totals?: OutputCounts }> {
  const { input, echo, totals } = topicsOf(name);
  const expected = expectedTotals(rows);
  const isEcho = (row: InputRow, { value }: { value: number }) => row.value === value;
  const isTotal = (row: TotalRow, { total }: { total: TotalRow }) =>
    row.count === total.count && row.sum === total.sum && row.min === total.min && row.max === total.max;
  if (!isInputCut) {
    const fed = countOutput(await read(input as Topic) as InputRow[], { expected, isEqual: isEcho });
    assertEquals(fed, { rows: rows.length, missing: [], repeated: 0, wrong: [] }, "the input is not what was fed");
  }
  const counts = { echo: countOutput(await read(echo as Topic) as InputRow[], { expected, isEqual: isEcho }) };
  if (isEchoOnly) return counts;
  return { ...counts, totals: countOutput(await read(totals as Topic) as TotalRow[], { expected, isEqual: isTotal }) };
}

/** All partitions of topics. */
export function placesOf(topics: readonly string[], partitions: number): TopicPartition[] {
  return topics.flatMap((topic) => Array.from({ length: partitions }, (_, partition) => ({ topic, partition })));
}

/** No transaction is left open: none that a coordinator knows, and nothing that holds readers back. */
export async function assertNothingOpen(admin: ClusterAdmin, places: readonly TopicPartition[]): Promise<void> {
  const open = (await admin.transactions()).filter(({ state }) => !/^(Empty|Complete(Commit|Abort)|Dead)$/.test(state));
  assertEquals(open, [], "transactions are left open");
  const stable = await admin.bounds(places, true), all = await admin.bounds(places, false);
  for (const [at, { topic, partition, logEnd }] of stable.entries()) {
    assert(
      logEnd === all[at]!.logEnd,
      `${topic}/${partition} can be read to ${logEnd}, but its log ends at ${all[at]!.logEnd}`,
    );
  }
}
