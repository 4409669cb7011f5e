/** Keeps I-29: a refused record is never passed over in silence; and I-06 for the letters of refused records. */
import type { Change } from "../../../lib/embedded/change.ts";
import { decodeHeaders } from "../../../lib/columns/headers.ts";
import { spanBytes } from "../../../lib/columns/spans.ts";
import { DEAD_LETTER_HEADERS } from "../../../lib/runtime/dead_letters.ts";
import type { StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, InvariantId, RunView, SimProcess } from "../contracts.ts";
import type { VisibleRecords } from "./committed_log.ts";
import type { DuplicateBound } from "./duplicate_bound.ts";
import { type SeenRecord, spanTexts } from "./record_texts.ts";
import { WatchedTopics } from "./watched_topics.ts";

/** What a {@linkcode DeadLetterChecker} watches. */
export interface DeadLetterCheckerOptions {
  /** Consumer group of the subscription. */
  readonly groupId: string;
  /** Input topic. */
  readonly input: string;
  /** Topic of refused records. */
  readonly deadLetter: string;
  /** Bounds repeated letters. @default {they are counted, not bounded} */
  readonly bound?: DuplicateBound;
}

interface Refused {
  readonly value: string | null | undefined;
  seen: number;
}

/**
 * Under `dead-letter` each refused record is in the topic of refused records, as it was: exactly once, or at least once.
 * Under `skip` each is counted, and nothing goes there.
 */
export class DeadLetterChecker implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-06", "I-29"];
  readonly #view: RunView;
  readonly #options: DeadLetterCheckerOptions;
  readonly #topics: WatchedTopics;
  /** By partition, then by offset. */
  readonly #refused = new Map<number, Map<number, Refused>>();
  /** Rows that processes told that they have refused, by partition. */
  readonly #told = new Map<number, number>();
  /** Those of each process since its task went live: by process, then by partition. */
  readonly #toldLive = new Map<number, Map<number, number>>();

  /**
   * @param view The run.
   * @param options What to watch.
   */
  constructor(view: RunView, options: DeadLetterCheckerOptions) {
    this.#view = view;
    this.#options = options;
    this.#topics = new WatchedTopics(view, {
      [options.deadLetter]: (visible) => this.#letters(visible),
    });
  }

  /** A record that readers see must be refused. */
  refuse({ partition, offset, value }: SeenRecord): void {
    let refused = this.#refused.get(partition);
    if (refused === undefined) this.#refused.set(partition, refused = new Map());
    refused.set(offset, { value, seen: 0 });
    this.#view.mark("a record was to be refused");
  }

  change(change: Change): void {
    this.#topics.change(change);
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    const partition = detail.partition as number;
    // What a silent replay refuses again was counted when it was live.
    if (label === "restore:begin") this.#liveOf(process).delete(partition);
    if (label === "restore:live") this.#liveOf(process).set(partition, 0);
    if (label !== "batch:rejected") return;
    const rows = (detail.rejectedRows as number | undefined) ?? 0;
    this.#told.set(partition, (this.#told.get(partition) ?? 0) + rows);
    const live = this.#liveOf(process).get(partition);
    if (live !== undefined) this.#liveOf(process).set(partition, live + rows);
  }

  process(process: SimProcess, what: string): void {
    if (what === "starting") this.#toldLive.delete(process.number);
  }

  #liveOf({ number }: SimProcess): Map<number, number> {
    let live = this.#toldLive.get(number);
    if (live === undefined) this.#toldLive.set(number, live = new Map());
    return live;
  }

  /** What an app says about its tasks is what has become of their rows. */
  #checkStatus(): void {
    const { input, groupId } = this.#options;
    for (const process of this.#view.processes) {
      const tasks = (process.app?.status() ?? []).flatMap(({ name, tasks }) =>
        groupId.endsWith(`.${name}`) ? tasks : []
      );
      for (const { topic, partition, rejectedRows } of tasks) {
        const told = this.#toldLive.get(process.number)?.get(partition);
        if (topic !== input || told === undefined || told === rejectedRows) continue;
        const what = `process ${process.number} has refused ${told} rows of partition ${partition}`;
        this.#view.violate("I-29", `${what} since its task is live, and its status says ${rejectedRows}`);
      }
    }
  }

  quiet(): void {
    this.#checkStatus();
    this.#checkAll();
  }

  end(): void {
    this.#checkStatus();
    this.#checkAll();
  }

  #letters({ partition: ownPartition, baseOffset, records }: VisibleRecords): void {
    const { deadLetter, input } = this.#options;
    const values = spanTexts(records.values);
    for (let row = 0; row < records.count; row++) {
      const where = `topic '${deadLetter}' partition ${ownPartition} offset ${baseOffset + row}`;
      const bytes = records.headers === null ? null : spanBytes(records.headers, row);
      const headers = new Map(decodeHeaders(bytes ?? new Uint8Array(0)));
      const text = (name: string): string => new TextDecoder().decode(headers.get(name) ?? new Uint8Array(0));
      const partition = Number(text(DEAD_LETTER_HEADERS.partition));
      const offset = Number(text(DEAD_LETTER_HEADERS.offset));
      if (this.#topics.isExcused(input, partition)) continue;
      this.#letter({ partition, offset, value: values[row] }, where);
    }
  }

  #letter(letter: { partition: number; offset: number; value: string | null | undefined }, where: string): void {
    const { partition, offset, value } = letter;
    const { onRecordError, guarantee } = this.#view.options;
    const of = `input partition ${partition} offset ${offset}`;
    const refused = this.#refused.get(partition)?.get(offset);
    if (onRecordError === "skip") {
      return this.#view.violate("I-29", `${where} holds ${of}, and refused records are to be skipped`);
    }
    if (refused === undefined) return this.#view.violate("I-29", `${where} holds ${of}, which must not be refused`);
    if (refused.value !== value) {
      return this.#view.violate("I-29", `${where} holds '${value}' for ${of}, which was '${refused.value}'`);
    }
    refused.seen += 1;
    if (refused.seen > 1 && guarantee === "exactly-once") {
      this.#view.violate("I-29", `${where} holds ${of} a second time`);
    }
  }

  #checkAll(): void {
    const { input, deadLetter, groupId, bound } = this.#options;
    if (this.#topics.isExcused(deadLetter)) return;
    for (const { topic, partition, offset: committed } of this.#view.broker.committedOffsets(groupId)) {
      if (topic !== input || this.#topics.isExcused(input, partition)) continue;
      const refused = [...this.#refused.get(partition) ?? []].filter(([offset]) => offset < committed);
      if (this.#view.options.onRecordError === "skip") {
        const told = this.#told.get(partition) ?? 0;
        if (told < refused.length) {
          const what = `${refused.length} records of partition ${partition} must be refused`;
          this.#view.violate("I-29", `${what} below the committed offset ${committed}, and ${told} were counted`);
        }
        continue;
      }
      const lost = refused.find(([, { seen }]) => seen === 0);
      if (lost !== undefined) {
        const what = `the refused record of partition ${partition} offset ${lost[0]}: ${lost[1].value}`;
        this.#view.violate("I-29", `${committed} is committed and topic '${deadLetter}' lacks ${what}`);
      }
      const repeated = refused.reduce((sum, [, { seen }]) => sum + Math.max(0, seen - 1), 0);
      const most = bound?.duplicatesMax(partition) ?? Infinity;
      if (repeated > most) {
        const what = `${repeated} letters of partition ${partition} are in topic '${deadLetter}' more than once`;
        this.#view.violate("I-06", `${what}, and failures explain ${most} at most`);
      }
    }
  }
}
