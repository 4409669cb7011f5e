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
  /** Records whose output is nowhere. */
  readonly lost: number;
  /** Rows that stand there once more than they should. */
  readonly repeated: number;
  /** Rows that are wrong, or that come before one that should be earlier; the first one is told. */
  readonly wrong: readonly string[];
}

/** Reads all committed rows of a topic, in partition order. */
export type ReadRows = (topic: Topic) => Promise<unknown[]>;

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
  const next = new Map<string, number>();
  const wrong: string[] = [];
  let repeated = 0;
  for (const row of rows) {
    const { key, seq } = row, due = next.get(key) ?? 0;
    const wanted = expected.get(key)?.[seq];
    if (wanted === undefined || !isEqual(row, wanted)) {
      wrong.push(`${JSON.stringify(row)} is not ${JSON.stringify(wanted)}`);
    } else if (seq > due) wrong.push(`${JSON.stringify(row)} came when row ${due} of its key was due`);
    if (seq < due) repeated += 1;
    else next.set(key, seq + 1);
  }
  const all = [...expected].reduce((sum, [, each]) => sum + each.length, 0);
  const seen = [...next].reduce((sum, [, due]) => sum + due, 0);
  return { rows: rows.length, lost: all - seen, repeated, wrong };
}

/**
 * Counts the outputs of a job.
 *
 * @param name Name of the app.
 * @param more What was fed, and what reads a topic.
 * @returns Counts of the topic of echoes and of that of totals.
 * @throws {AssertionError} when the input itself is not what was fed.
 */
export async function checkOutputs(
  name: string,
  { rows, read }: { readonly rows: readonly InputRow[]; readonly read: ReadRows },
): Promise<{ readonly echo: OutputCounts; readonly totals: OutputCounts }> {
  const { input, echo, totals } = topicsOf(name);
  const expected = expectedTotals(rows);
  const isEcho = (row: InputRow, { value }: { value: number }) => row.value === value;
  const isTotal = (row: TotalRow, { total }: { total: TotalRow }) =>
    row.count === total.count && row.sum === total.sum && row.min === total.min && row.max === total.max;
  const fed = countOutput(await read(input as Topic) as InputRow[], { expected, isEqual: isEcho });
  assertEquals(fed, { rows: rows.length, lost: 0, repeated: 0, wrong: [] }, "the input is not what was fed");
  return {
    echo: countOutput(await read(echo as Topic) as InputRow[], { expected, isEqual: isEcho }),
    totals: countOutput(await read(totals as Topic) as TotalRow[], { expected, isEqual: isTotal }),
  };
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
