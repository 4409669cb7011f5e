/**
 * What a group member does with its tasks between two polls: take in records, process batches, commit. Commits run beside
 * the processing of later batches.
 *
 * Keeps: I-10 (records reach a task in order and without holes) and I-25 (bounded rows in flight: past the bound nothing
 * is processed before a commit has made room).
 */
import type { RecordSlab } from "../columns/records.ts";
import { errorAction } from "../core/error_policy.ts";
import type { Consumer } from "../seams/broker.ts";
import type { AssignedTasks } from "./assigned_tasks.ts";
import type { CommitGroup, CommitHooks } from "./commit_group.ts";
import { Mutex } from "./mutex.ts";
import type { RunnerParts } from "./runner_parts.ts";
import type { SubscriptionSpec } from "./subscription_spec.ts";
import type { Task } from "./task.ts";

/** Batches of uncommitted rows in flight before processing waits for a commit. */
const IN_FLIGHT_BATCHES = 16;
/** Batches of fetched rows that wait in a task before its partition is paused. */
const WAITING_BATCHES = 4;
/** Longest wait of one poll, in milliseconds. What has a deadline ends it, and so does what ends by itself. */
const POLL_MS_MAX = 1_000;
/** Longest wait while something is amiss that is looked at from time to time, in milliseconds. */
const LOOK_MS = 100;
/** Commits that a clean close starts at most: what is open, and what an abort brought back. */
const DRAIN_ROUNDS = 3;

/** What a member works with. */
export interface MemberWorkParts {
  /** Clock and settings. */
  readonly parts: RunnerParts;
  /** Its tasks. */
  readonly tasks: AssignedTasks;
  /** The group member. */
  readonly consumer: Consumer;
  /** Its commits. */
  readonly commits: CommitGroup;
  /** Whether to stop. */
  readonly isEnding: () => boolean;
  /** Resolves with the promise, or at once when the close has become dirty. */
  readonly unlessAborted: (work: Promise<void>) => Promise<void>;
}

/** Work of one group member. */
export class MemberWork {
  /** What commits need of the tasks. */
  readonly hooks: CommitHooks;
  readonly #spec: SubscriptionSpec;
  readonly #parts: RunnerParts;
  readonly #tasks: AssignedTasks;
  readonly #consumer: Consumer;
  readonly #commits: CommitGroup;
  readonly #more: MemberWorkParts;
  readonly #processing = new Mutex();

  /**
   * @param spec The subscription.
   * @param more Member, tasks and commits.
   */
  constructor(spec: SubscriptionSpec, more: MemberWorkParts) {
    this.#spec = spec;
    this.#more = more;
    this.#parts = more.parts;
    this.#tasks = more.tasks;
    this.#consumer = more.consumer;
    this.#commits = more.commits;
    this.hooks = { exclusive: this.#processing, rewind: () => this.#rewindAll() };
  }

  /** Takes in what a poll gave. */
  offer(slabs: readonly RecordSlab[]): void {
    const nowMs = this.#parts.environment.clock.monotonicMs();
    for (const slab of slabs) {
      const task = this.#tasks.get(slab.partition);
      if (task === undefined) continue;
      const refetchFrom = task.offer(slab, nowMs);
      if (refetchFrom !== undefined) this.#consumer.seek(task.source, refetchFrom);
      if (task.waitingRows >= this.#spec.settings.batchRows * WAITING_BATCHES) this.#consumer.pause([task.source]);
    }
  }

  /** Processes every batch that is full or has waited long enough, one of each task in turn. */
  async processReady(): Promise<void> {
    const { clock } = this.#parts.environment;
    for (let isBusy = true; isBusy;) {
      isBusy = false;
      for (const task of this.#tasks) {
        if (this.#more.isEnding()) return;
        if (!task.isReady(clock.monotonicMs())) continue;
        if (this.#isPastBounds && !await this.#makeRoom()) return;
        isBusy = true;
        await this.guardTask(task, () => this.#processing.run(() => task.processNext()));
        const isOurs = this.#tasks.get(task.partition) === task;
        if (isOurs && task.waitingRows < this.#spec.settings.batchRows) this.#consumer.resume([task.source]);
        if (this.#isCommitDue) await this.#startCommit();
      }
    }
    for (const task of this.#tasks) {
      // No time passes for most: they have nothing that waits for it.
      if (task.readyInMs(clock.monotonicMs()) === Infinity) continue;
      await this.guardTask(task, () => this.#processing.run(() => task.passTime(clock.monotonicMs())));
    }
  }

  /** Starts a commit when its time has come. */
  async commitIfDue(): Promise<void> {
    if (this.#isCommitDue) await this.#startCommit();
  }

  /** Flushes and checkpoints what is due. */
  async keepState(): Promise<void> {
    for (const task of this.#tasks) {
      try {
        task.keepState();
      } catch (error) {
        await this.guardTask(task, () => Promise.reject(error));
      }
    }
  }

  get #isPastBounds(): boolean {
    let rows = 0, bytes = 0;
    for (const task of this.#tasks) {
      rows += task.openRows;
      bytes += task.openBytes;
    }
    return rows >= this.#spec.settings.batchRows * IN_FLIGHT_BATCHES ||
      bytes >= this.#spec.settings.batchBytes * IN_FLIGHT_BATCHES;
  }

  /** Backpressure: past the bound a commit is started at once and waited for. @returns Whether there is room now. */
  async #makeRoom(): Promise<boolean> {
    await this.#commits.settled();
    if (this.#isPastBounds) await this.#startCommit();
    await this.#commits.settled();
    return !this.#isPastBounds && this.#commits.failure === undefined;
  }

  get #commitDueInMs(): number {
    return this.#commits.dueInMs(this.#tasks.canSeal, this.#tasks.isAnchoring);
  }

  get #isCommitDue(): boolean {
    return this.#commits.failure === undefined && this.#commitDueInMs <= 0;
  }

  async #startCommit(): Promise<void> {
    if (this.#commits.isBusy || this.#commits.failure !== undefined) return;
    const sealed = await this.#processing.run(() => [...this.#tasks].flatMap((task) => task.seal() ?? []));
    if (sealed.length > 0) this.#commits.start(sealed, this.hooks);
  }

  /** Drops all open commits of all tasks: processing goes on at what is committed. Runs alone. */
  #rewindAll(): void {
    for (const task of this.#tasks) {
      this.#consumer.seek(task.source, task.rewind(), task.positionEpoch);
      this.#consumer.resume([task.source]);
    }
  }

  /** Milliseconds until the loop has something to do. */
  waitMs(): number {
    const nowMs = this.#parts.environment.clock.monotonicMs();
    let wait = this.#commitDueInMs;
    // Past the bound nothing is processed before the commit ends, which wakes the poll.
    const isFull = this.#isPastBounds;
    for (const task of this.#tasks) {
      if (!isFull && !task.isAnchoring) wait = Math.min(wait, task.readyInMs(nowMs));
      wait = Math.min(wait, task.keepInMs());
    }
    return Math.max(0, Math.min(wait, this.#isSettled ? POLL_MS_MAX : LOOK_MS));
  }

  /** Whether the member has its partitions, and a task for each of them that can be committed. */
  get #isSettled(): boolean {
    const { failure, isFenceRefused } = this.#commits;
    return failure === undefined && !isFenceRefused && this.#tasks.isComplete(this.#consumer.assignment());
  }

  /** A failing task is closed and left out, or opened again; the others go on; with none left the subscription stops. */
  async guardTask(task: Task, work: () => unknown): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      // Its share of the commit that is under way was good.
      await this.#commits.settled();
      await this.#processing.run(() => {
        this.#tasks.take(task.partition);
        return task.closeDirty({ isStateDamaged: errorAction(error) === "restore" });
      });
      this.#tasks.failed(task.source, { error, consumer: this.#consumer });
    }
  }

  /** Commits what has been processed. @returns Whether nothing is left open. */
  async drain(): Promise<boolean> {
    for (let round = 0; round <= DRAIN_ROUNDS; round++) {
      let isSettled = false;
      await this.#more.unlessAborted(this.#commits.settled().then(() => void (isSettled = true)));
      if (!isSettled || this.#commits.failure !== undefined) return false;
      if (!this.#tasks.hasOpenWork) return true;
      if (round < DRAIN_ROUNDS) await this.#startCommit();
    }
    return false;
  }
}
