import { indented } from "./check_law.ts";
import type { LawOutput, LawResults } from "./law_results.ts";

/** What differs between two runs. */
export interface LawDifference {
  /** `output` or `state`. */
  readonly kind: "output" | "state";
  /** Where: `topic 'means'`, or a piece of state. */
  readonly where: string;
  /** What the first run has there, one line for each record or value. */
  readonly first: readonly string[];
  /** What the second run has there. */
  readonly second: readonly string[];
}

/**
 * Compares what was published, record by record: each partition in its order. Where rows without a key go is a matter of
 * how many batches there were, so those of a topic with several partitions are compared without their places.
 */
export function outputDifference(first: LawResults, second: LawResults): LawDifference | undefined {
  for (const topic of topicsOf(first, second)) {
    const [a, b] = [first, second].map((results) => results.outputs.get(topic) ?? []) as [LawOutput[], LawOutput[]];
    const isSpread = [...a, ...b].some(({ partition }) => partition > 0);
    const [linesA, linesB] = [placed(a, isSpread), placed(b, isSpread)];
    if (!isSame(linesA, linesB)) {
      return { kind: "output", where: `topic '${topic}'`, first: linesA, second: linesB };
    }
  }
  return undefined;
}

/**
 * Compares what was published as updates: the last value of each key is the same, and the values of each key are some of
 * those that come out when each row is a batch of its own, in their order.
 *
 * @param run A run.
 * @param finest The run in which each row is a batch of its own.
 */
export function updateDifference(run: LawResults, finest: LawResults): LawDifference | undefined {
  for (const topic of topicsOf(run, finest)) {
    const own = byKey(run, topic), all = byKey(finest, topic);
    for (const key of new Set([...own.keys(), ...all.keys()])) {
      const first = own.get(key) ?? [], second = all.get(key) ?? [];
      if (first.at(-1) === second.at(-1) && isWithin(first, second)) continue;
      return { kind: "output", where: `topic '${topic}', key ${key},`, first, second };
    }
  }
  return undefined;
}

/** Compares state as people read it: properties of objects may stand in another order. */
export function stateDifference(first: LawResults, second: LawResults): LawDifference | undefined {
  return entryDifference(first.state, second.state);
}

/** Compares state to the byte. */
export function storedStateDifference(first: LawResults, second: LawResults): LawDifference | undefined {
  return stateDifference(first, second) ?? entryDifference(first.storedState, second.storedState);
}

/** A difference as messages show it. @param runs How the two runs were made. */
export function shownDifference(found: LawDifference, runs: readonly [first: string, second: string]): string {
  return [
    `${runs[0]}, ${found.where} has`,
    indented(found.first),
    `${runs[1]}, ${found.where} has`,
    indented(found.second),
  ].join("\n");
}

function entryDifference(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): LawDifference | undefined {
  for (const place of new Set([...a.keys(), ...b.keys()])) {
    const [first, second] = [a.get(place), b.get(place)];
    if (first === second) continue;
    const lines = (value: string | undefined) => value === undefined ? [] : [value];
    return { kind: "state", where: `state ${place}`, first: lines(first), second: lines(second) };
  }
  return undefined;
}

function topicsOf(first: LawResults, second: LawResults): readonly string[] {
  return [...new Set([...first.outputs.keys(), ...second.outputs.keys()])].toSorted();
}

function shown({ key, value }: LawOutput): string {
  return key === null ? `${value}` : `${key}: ${value}`;
}

function placed(outputs: readonly LawOutput[], isSpread: boolean): readonly string[] {
  if (!isSpread) return outputs.map(shown);
  const [unkeyed, keyed] = [outputs.filter(({ key }) => key === null), outputs.filter(({ key }) => key !== null)];
  return [...keyed.map((each) => `partition ${each.partition}  ${shown(each)}`), ...unkeyed.map(shown).toSorted()];
}

function byKey(results: LawResults, topic: string): Map<string, string[]> {
  const lines = new Map<string, string[]>();
  for (const output of results.outputs.get(topic) ?? []) {
    const key = `${output.key}`;
    lines.set(key, [...lines.get(key) ?? [], shown(output)]);
  }
  return lines;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, at) => line === b[at]);
}

/** Whether lines are some of others, in their order. */
function isWithin(lines: readonly string[], others: readonly string[]): boolean {
  let at = 0;
  for (const other of others) if (at < lines.length && lines[at] === other) at++;
  return at === lines.length;
}
