/** The records of the verifier job and what must come of them: integers of many keys, in order for each key. */
import { float64, int32, json, type Topic, topic, utf8 } from "@turbine/turbine";
import { SeededRandom } from "../../seeded_random.ts";

/** Partitions of all topics of the job. */
export const PARTITIONS = 5;
/** Rows that the job takes at a time: a commit holds at most one such batch of each partition while nothing is late. */
export const BATCH_ROWS = 150;
/** Rows of one transaction of the input. */
export const TRANSACTION_ROWS = 750;
/** A silent process loses its partitions after this, in milliseconds. */
export const FAILOVER_GRACE_MS = 10_000;
const KEYS = 100;

const INPUT = { key: utf8(), seq: int32(), value: int32() };
const TOTAL = { key: utf8(), seq: int32(), count: int32(), sum: float64(), min: int32(), max: int32() };
const HOW = { key: "key", partitions: PARTITIONS, createTopics: true } as const;

/** A record; `seq` counts from 0 for each key. Nothing of the job reads it but to echo it: it is the verifier's. */
export interface InputRow {
  /** Whose integer it is. */
  readonly key: string;
  /** Its place among those of its key. */
  readonly seq: number;
  /** The integer. */
  readonly value: number;
}

/** Totals of a key after a record. */
export interface TotalRow {
  /** Whose totals. */
  readonly key: string;
  /** Place of the record they were made by. */
  readonly seq: number;
  /** Records so far. */
  readonly count: number;
  /** Their sum. */
  readonly sum: number;
  /** The least. */
  readonly min: number;
  /** The greatest. */
  readonly max: number;
}

/** The topics of a job of this name. */
export interface VerifierTopics {
  /** What it reads. */
  readonly input: Topic<typeof INPUT>;
  /** Each record again. */
  readonly echo: Topic<typeof INPUT>;
  /** One row of totals for each record. */
  readonly totals: Topic<typeof TOTAL>;
}

/** The topics of a job. @param name Name of the app. */
export function topicsOf(name: string): VerifierTopics {
  return {
    input: topic(`${name}-input`, { ...HOW, value: json(INPUT) }),
    echo: topic(`${name}-echo`, { ...HOW, value: json(INPUT) }),
    totals: topic(`${name}-totals`, { ...HOW, value: json(TOTAL) }),
  };
}

/**
 * The records of a run, in the order in which they are fed.
 *
 * @param count How many.
 * @param grownFrom From this one on they have other keys, as a key's place changes with the number of partitions.
 */
export function inputRows(count: number, grownFrom: number = count): InputRow[] {
  const random = new SeededRandom(count);
  const next = new Map<string, number>();
  return Array.from({ length: count }, (_, at) => {
    const key = `${at < grownFrom ? "k" : "g"}${random.uint32() % KEYS}`;
    const seq = next.get(key) ?? 0;
    next.set(key, seq + 1);
    return { key, seq, value: random.uint32() % 2_000_001 - 1_000_000 };
  });
}

/** What must come out for each key: its records in order, each with the totals of the prefix that ends with it. */
export function expectedTotals(rows: readonly InputRow[]): Map<string, { value: number; total: TotalRow }[]> {
  const byKey = new Map<string, { value: number; total: TotalRow }[]>();
  for (const { key, seq, value } of rows) {
    const own = byKey.get(key) ?? [];
    if (own.length === 0) byKey.set(key, own);
    const { count, sum, min, max } = own.at(-1)?.total ?? { count: 0, sum: 0, min: Infinity, max: -Infinity };
    const total = {
      key,
      seq,
      count: count + 1,
      sum: sum + value,
      min: Math.min(min, value),
      max: Math.max(max, value),
    };
    own.push({ value, total });
  }
  return byKey;
}
