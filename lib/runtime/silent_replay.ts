import { invariant } from "../base/assert.ts";
import type { CommitPoint } from "../core/open_commits.ts";
import type { TaskTime } from "../core/task_time.ts";
import type { Observer } from "../seams/observer.ts";
import type { BatchProcessor } from "./batch_processor.ts";
import { CommitOutputs } from "./commit_outputs.ts";
import type { RecoveredTask } from "./recover_task.ts";
import type { InputBatch, InputBounds, TaskInput } from "./task_input.ts";

/** What a replay works on: the parts of its task. */
export interface SilentReplayParts {
  /** Where state stands, and where output begins again. */
  readonly recovered: RecoveredTask;
  /** Decodes and runs the operator. */
  readonly processor: BatchProcessor;
  /** Task time. */
  readonly time: TaskTime;
  /** Fetched records. */
  readonly input: TaskInput;
  /** Names the task, for steps. */
  readonly place: { readonly subscription: string; readonly partition: number };
  /** Told of begin and end. */
  readonly observer: Observer;
}

/**
 * Brings restored state up to the committed offset: reprocesses the records between without producing, with the decisions
 * of the journal at their offsets. State is applied at once, since all of it is committed.
 */
export class SilentReplay {
  readonly #parts: SilentReplayParts;
  #reached: CommitPoint;
  #isRefetchDue = false;

  /** @param parts Of the task. */
  constructor(parts: SilentReplayParts) {
    this.#parts = parts;
    this.#reached = parts.recovered.restored;
  }

  /** Next offset to process. */
  get position(): bigint {
    return this.#reached.offset;
  }

  /** Leader epoch of the record before it; -1 when it is not known. */
  get positionEpoch(): number {
    return this.#reached.leaderEpoch;
  }

  /** Whether output begins here. */
  get isDone(): boolean {
    return this.#reached.offset >= this.#parts.recovered.live.offset;
  }

  /** Takes the decisions at the restored position. */
  async begin(): Promise<void> {
    const { recovered: { restored, live }, observer, place } = this.#parts;
    const { offset: from } = restored;
    if (from < live.offset) observer.step("restore:silent-replay-begin", { ...place, from, rows: live.offset - from });
    await this.#decide();
  }

  /**
   * Processes one batch, cut where the next decision stands.
   *
   * @param bounds Most rows and bytes.
   */
  async next(bounds: Omit<InputBounds, "stopAt">): Promise<void> {
    const { live } = this.#parts.recovered;
    const next = live.journal.nextOffset(this.#reached.offset);
    const stopAt = next !== undefined && next < live.offset ? next : live.offset;
    const input = this.#parts.input.next({ ...bounds, stopAt });
    if (input !== undefined) await this.#process(input);
    await this.#decide();
  }

  /**
   * Output begins here. What was fetched past this point is dropped: the log may have been truncated in the range that was
   * replayed, and a broker is asked about that where a fetch begins, with the leader epoch that was committed.
   */
  end(): void {
    const { recovered: { restored, live }, observer, place, input } = this.#parts;
    if (restored.offset >= live.offset) return;
    const range = { partition: place.partition, from: restored.offset, to: live.offset };
    observer.step("restore:silent-replay-done", { ...place, rows: live.offset - restored.offset });
    observer.log("info", "Silent replay is done", { subscription: place.subscription, ...range });
    if (live.leaderEpoch < 0) return;
    input.clear(live.offset);
    this.#isRefetchDue = true;
  }

  /** Whether the next fetch is to begin where output does; asked once. */
  takeRefetch(): boolean {
    const isDue = this.#isRefetchDue;
    this.#isRefetchDue = false;
    return isDue;
  }

  async #process(input: InputBatch): Promise<void> {
    const { recovered: { state, live }, processor, time } = this.#parts;
    invariant(input.from === this.#reached.offset, `I-10: records from ${input.from} came at ${this.#reached.offset}`);
    invariant(input.to <= live.offset, `I-03: a replay to ${input.to} would pass the committed offset ${live.offset}`);
    const before = { taskTimeMs: this.#reached.taskTimeMs ?? undefined, isReplaying: true };
    state.begin();
    const taskTimeMs = await processor.process(input, before, new CommitOutputs());
    state.applyOldest();
    if (taskTimeMs !== undefined) time.jump(taskTimeMs);
    const { leaderEpoch } = input;
    this.#reached = { ...this.#reached, offset: input.to, leaderEpoch, taskTimeMs: taskTimeMs ?? null };
  }

  async #decide(): Promise<void> {
    const { recovered: { state, live }, processor, time } = this.#parts;
    for (const entry of live.journal.entriesAt(this.#reached.offset)) {
      if (entry.kind !== "jump" || this.#reached.offset > live.offset || !time.jump(entry.value)) continue;
      state.begin();
      await processor.jump(entry.offset, { taskTimeMs: entry.value, isReplaying: true }, new CommitOutputs());
      state.applyOldest();
      this.#reached = { ...this.#reached, taskTimeMs: entry.value };
    }
  }
}
