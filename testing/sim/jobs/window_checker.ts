/**
 * Watches a job that counts in windows of event time.
 *
 * Keeps: I-01 and I-09 (each count is that of the reference, whatever the batches were), I-04 (each window comes out), I-05
 * (exactly once), I-06 (nothing is repeated without a failure), and that late rows are accounted for.
 */
import type { Change, OffsetEntry } from "../../../lib/embedded/change.ts";
import type { LogLevel, StepDetail } from "../../../lib/seams/observer.ts";
import type { Checker, InvariantId, RunView, SimProcess } from "../contracts.ts";
import { CommittedEntries } from "./committed_entries.ts";
import type { VisibleRecords } from "./committed_log.ts";
import { objectOf, type SeenRecord, seenRecords, spanTexts } from "./record_texts.ts";
import type { JsonRow } from "./row_reference.ts";
import { PartitionWindows } from "./partition_windows.ts";
import type { WindowLengths, WindowRecord } from "./window_fold.ts";
import { WatchedTopics } from "./watched_topics.ts";

/** What a {@linkcode WindowChecker} watches. */
export interface WindowCheckerOptions {
  /** Consumer group of the subscription. */
  readonly groupId: string;
  /** Input topic. */
  readonly input: string;
  /** Output topic; its column `partition` names the input partition. */
  readonly output: string;
  /** Name of the operator. */
  readonly operator: string;
  /** Size, lateness and disorder of the windows. */
  readonly lengths: WindowLengths;
  /** What a record is counted by, and when it happened; `undefined`: it must be refused. */
  readonly read: (record: SeenRecord) => Omit<WindowRecord, "offset"> | undefined;
  /** The key of an output row. */
  readonly keyOf: (row: JsonRow) => string;
  /** Is told of each record that must be refused. */
  readonly onRefused: (record: SeenRecord) => void;
}

/** See the top of the file. */
export class WindowChecker implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-01", "I-04", "I-05", "I-06", "I-09"];
  readonly #view: RunView;
  readonly #options: WindowCheckerOptions;
  readonly #topics: WatchedTopics;
  readonly #commits: CommittedEntries;
  readonly #partitions = new Map<number, PartitionWindows>();
  #lateRows = 0;

  /**
   * @param view The run.
   * @param options What to watch.
   */
  constructor(view: RunView, options: WindowCheckerOptions) {
    this.#view = view;
    this.#options = options;
    this.#commits = new CommittedEntries(view, options.groupId, (entry) => this.#committed(entry));
    this.#topics = new WatchedTopics(view, {
      [options.input]: (visible) => this.#read(visible),
      [options.output]: (visible) => this.#see(visible),
    });
  }

  change(change: Change): void {
    this.#commits.change(change);
    this.#topics.change(change);
  }

  log(_process: SimProcess, _level: LogLevel, message: string, detail: StepDetail): void {
    if (message !== "Late rows were not counted" || detail.operator !== this.#options.operator) return;
    this.#lateRows += detail["turbine:late-rows"] as number;
  }

  quiet(): void {
    this.#checkAll();
  }

  end(): void {
    this.#checkAll();
  }

  #read({ partition, baseOffset, records }: VisibleRecords): void {
    const windows = this.#partition(partition);
    for (const record of seenRecords(records, { partition, baseOffset })) {
      const read = this.#options.read(record);
      if (read === undefined) this.#options.onRefused(record);
      else windows.record({ offset: record.offset, ...read });
    }
  }

  #committed({ topic, partition, offset, metadata }: OffsetEntry): void {
    const { input } = this.#options;
    if (topic !== input || this.#topics.isExcused(input, partition)) return;
    this.#partition(partition).commit(offset, metadata);
  }

  #see({ partition: own, baseOffset, records }: VisibleRecords): void {
    const { output, input, keyOf } = this.#options;
    for (const [at, text] of spanTexts(records.values).entries()) {
      const where = `topic '${output}' partition ${own} offset ${baseOffset + at}`;
      const found = objectOf(text);
      if (found === undefined) return this.#view.violate("I-01", `${where} holds no JSON object: ${text}`);
      const partition = found.partition as number;
      if (this.#topics.isExcused(input, partition)) continue;
      const [startMs, endMs, count] = [found.window_start, found.window_end, found.count] as [number, number, number];
      if (endMs - startMs !== this.#options.lengths.sizeMs) {
        return this.#view.violate("I-01", `${where} is a window of ${endMs - startMs} ms: ${text}`);
      }
      this.#partition(partition).see({ key: keyOf(found), startMs, count, where });
    }
  }

  #checkAll(): void {
    const { input, output, groupId } = this.#options;
    let lateRows = 0;
    for (const { topic, partition, offset } of this.#view.broker.committedOffsets(groupId)) {
      if (topic !== input || this.#topics.isExcused(input, partition) || this.#topics.isExcused(output)) continue;
      const windows = this.#partition(partition);
      windows.checkAll(offset);
      lateRows += windows.lateRows;
    }
    if (this.#lateRows >= lateRows) return;
    this.#view.violate("I-01", `${lateRows} rows came too late, and the job tells of ${this.#lateRows} only`);
  }

  #partition(partition: number): PartitionWindows {
    let windows = this.#partitions.get(partition);
    if (windows === undefined) {
      windows = new PartitionWindows({ view: this.#view, partition, ...this.#options });
      this.#partitions.set(partition, windows);
    }
    return windows;
  }
}
