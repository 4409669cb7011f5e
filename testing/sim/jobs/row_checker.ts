/**
 * Watches a job that makes at most one output row of each input record.
 *
 * Keeps: I-01 and I-09 (each output is what the reference makes of its record, whatever the batches were), I-04 (nothing
 * is lost), I-05 (exactly once), I-06 (bounded duplicates), I-07 (order), I-29 (no output of a refused record).
 */
import type { Change } from "../../../lib/embedded/change.ts";
import type { Checker, InvariantId, RunView } from "../contracts.ts";
import type { VisibleRecords } from "./committed_log.ts";
import type { DuplicateBound } from "./duplicate_bound.ts";
import { objectOf, type SeenRecord, seenRecords, spanTexts } from "./record_texts.ts";
import type { JsonRow, RowReference } from "./row_reference.ts";
import { WatchedTopics } from "./watched_topics.ts";

/** What a {@linkcode RowChecker} watches. */
export interface RowCheckerOptions {
  /** Consumer group of the subscription. */
  readonly groupId: string;
  /** Input topic. */
  readonly input: string;
  /** Output topic. */
  readonly output: string;
  /** Column of the output that names the record, see `Verdict.place`; `partition` names its partition. */
  readonly place: string;
  /** What must come out. */
  readonly reference: RowReference;
  /** Is told of each record that must be refused. @default nobody */
  readonly onRefused?: (record: SeenRecord) => void;
  /** Bounds duplicates. @default {they are counted, not bounded} */
  readonly bound?: DuplicateBound;
}

interface Expected {
  readonly offset: number;
  readonly row: JsonRow;
  readonly key: string | undefined;
  /** The row of the same key before it. */
  readonly before: Expected | undefined;
  /** How often it is in the input: once, unless the input has it twice. */
  times: number;
  /** How often it was seen in the output. */
  seen: number;
}

/** What is known of one input partition. */
class PartitionRows {
  readonly byPlace = new Map<number, Expected>();
  readonly lastOfKey = new Map<string, Expected>();
  readonly refused = new Set<number>();
  /** In input order. */
  readonly rows: Expected[] = [];
  /** Rows before this one were all seen. */
  firstUnseen = 0;
  duplicates = 0;
}

/** See the top of the file. */
export class RowChecker implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-01", "I-04", "I-05", "I-06", "I-07", "I-09", "I-29"];
  readonly #view: RunView;
  readonly #options: RowCheckerOptions;
  readonly #topics: WatchedTopics;
  readonly #partitions = new Map<number, PartitionRows>();

  /**
   * @param view The run.
   * @param options What to watch.
   */
  constructor(view: RunView, options: RowCheckerOptions) {
    this.#view = view;
    this.#options = options;
    this.#topics = new WatchedTopics(view, {
      [options.input]: (visible) => this.#fold(visible),
      [options.output]: (visible) => this.#see(visible),
    });
  }

  /** Rows that were there twice, by input partition. */
  get duplicates(): ReadonlyMap<number, number> {
    return new Map([...this.#partitions].map(([partition, rows]) => [partition, rows.duplicates]));
  }

  /** Rows of the input that must come out, so far. */
  get expectedRows(): number {
    let count = 0;
    for (const { rows } of this.#partitions.values()) count += rows.length;
    return count;
  }

  change(change: Change): void {
    this.#topics.change(change);
  }

  quiet(): void {
    this.#checkAll();
  }

  end(): void {
    this.#checkAll();
  }

  #fold({ partition, baseOffset, records }: VisibleRecords): void {
    const known = this.#partition(partition);
    const { reference } = this.#options;
    for (const record of seenRecords(records, { partition, baseOffset })) {
      const verdict = reference.fold(record);
      if (verdict.kind === "refused") {
        known.refused.add(verdict.place ?? record.offset);
        this.#options.onRefused?.(record);
      }
      if (verdict.kind !== "row") continue;
      const { place, row, key } = verdict;
      const twin = known.byPlace.get(place);
      if (twin !== undefined) {
        twin.times += 1;
        continue;
      }
      const before = key === undefined ? undefined : known.lastOfKey.get(key);
      const expected = { offset: record.offset, row, key, before, times: 1, seen: 0 };
      known.byPlace.set(place, expected);
      if (key !== undefined) known.lastOfKey.set(key, expected);
      known.rows.push(expected);
    }
  }

  #see({ partition, baseOffset, records }: VisibleRecords): void {
    const texts = spanTexts(records.values);
    for (let row = 0; row < texts.length; row++) this.#seeRow(texts[row], { partition, offset: baseOffset + row });
  }

  #seeRow(text: string | null | undefined, at: { readonly partition: number; readonly offset: number }): void {
    const { output, input, place } = this.#options;
    const where = `topic '${output}' partition ${at.partition} offset ${at.offset}`;
    const found = objectOf(text);
    if (found === undefined) return this.#view.violate("I-01", `${where} holds no JSON object: ${text}`);
    const partition = found.partition as number;
    if (this.#topics.isExcused(input, partition)) return;
    const known = this.#partition(partition);
    const expected = known.byPlace.get(found[place] as number);
    if (expected === undefined) return this.#unexpected(found, where, known);
    const wrong = firstDifference(expected.row, found);
    if (wrong !== undefined) {
      const record = `partition ${partition} offset ${expected.offset}`;
      return this.#view.violate(
        "I-01",
        `${where} is not what the reference makes of input ${record}: ${wrong}; the row is ${text}`,
      );
    }
    expected.seen += 1;
    if (expected.seen > expected.times) return this.#seenTwice(known, where, text!);
    if (expected.before !== undefined && expected.before.seen === 0 && this.#isComplete(partition)) {
      const earlier = `offset ${expected.before.offset} of the same key '${expected.key}'`;
      this.#view.violate("I-07", `${where} is visible before the output of input ${earlier}: ${text}`);
    }
  }

  #unexpected(found: JsonRow, where: string, known: PartitionRows): void {
    const text = JSON.stringify(found);
    if (known.refused.has(found[this.#options.place] as number)) {
      return this.#view.violate("I-29", `${where} is the output of a record that must be refused: ${text}`);
    }
    const isExactlyOnce = this.#view.options.guarantee === "exactly-once";
    this.#view.violate(
      isExactlyOnce ? "I-05" : "I-01",
      `${where} is the output of no record that readers see (it was aborted, dropped or never written): ${text}`,
    );
  }

  #seenTwice(known: PartitionRows, where: string, text: string): void {
    known.duplicates += 1;
    this.#view.mark("an output row came out again");
    if (this.#view.options.guarantee === "exactly-once") {
      this.#view.violate("I-05", `${where} is there a second time: ${text}`);
    }
  }

  #checkAll(): void {
    const { input, output, groupId, bound } = this.#options;
    for (const { topic, partition, offset } of this.#view.broker.committedOffsets(groupId)) {
      const known = this.#partitions.get(partition);
      if (topic !== input || known === undefined || !this.#isComplete(partition)) continue;
      const { rows } = known;
      for (; known.firstUnseen < rows.length; known.firstUnseen++) {
        const expected = rows[known.firstUnseen]!;
        if (expected.offset >= offset) break;
        if (expected.seen >= expected.times) continue;
        const what = `the output of partition ${partition} offset ${expected.offset}: ${JSON.stringify(expected.row)}`;
        return this.#view.violate("I-04", `${offset} is committed and topic '${output}' lacks ${what}`);
      }
    }
    if (bound === undefined) return;
    for (const [partition, { duplicates }] of this.#partitions) {
      if (!this.#isComplete(partition)) continue;
      const most = bound.duplicatesMax(partition);
      if (duplicates <= most) continue;
      const what = `${duplicates} rows of input partition ${partition} are there more than once`;
      this.#view.violate("I-06", `${what} in topic '${output}', and failures explain ${most} at most`);
    }
  }

  /** Whether nothing made loss legal: neither of the partition's input nor of any output. */
  #isComplete(partition: number): boolean {
    return !this.#topics.isExcused(this.#options.input, partition) && !this.#topics.isExcused(this.#options.output);
  }

  #partition(partition: number): PartitionRows {
    let known = this.#partitions.get(partition);
    if (known === undefined) this.#partitions.set(partition, known = new PartitionRows());
    return known;
  }
}

/** The first column in which a row differs from what it must be, in words. */
export function firstDifference(expected: JsonRow, found: JsonRow): string | undefined {
  for (const name of Object.keys(expected)) {
    if (!Object.is(expected[name], found[name])) {
      return `'${name}' must be ${JSON.stringify(expected[name])} and is ${JSON.stringify(found[name])}`;
    }
  }
  const more = Object.keys(found).find((name) => !Object.hasOwn(expected, name));
  return more === undefined ? undefined : `there is no column '${more}'`;
}
