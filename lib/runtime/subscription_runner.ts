/**
 * One subscription in one worker: its group member, its tasks, its commit group. A single loop polls, hands records to
 * tasks, processes batches, and starts commits; a commit runs beside the loop, so that batches of commit k + 1 are
 * processed while commit k is under way.
 *
 * Keeps: I-10 (records reach a task in order and without holes: a seek always drops what was fetched), I-12 (after
 * Fenced or AssignmentLost only closing), I-13 (revoked returns when nothing of the task is in flight), I-25 (bounded
 * rows in flight: past the bound the loop waits for the commit).
 */
import { AssignmentLostError, BrokerUnavailableError, OffsetOutOfRangeError } from "../base/errors.ts";
import { InvariantError } from "../base/assert.ts";
import { backoffMs } from "../base/backoff.ts";
import type { Consumer, TopicPartition } from "../seams/broker.ts";
import { CommitGroup, type CommitHooks, isWorthRejoin } from "./commit_group.ts";
import { Mutex } from "./mutex.ts";
import type { RunnerParts, TaskStatus } from "./runner_parts.ts";
import { groupIdOf, type SubscriptionSpec } from "./subscription_spec.ts";
import { Task } from "./task.ts";

/** Batches of uncommitted rows in flight before the loop waits for a commit. */
const IN_FLIGHT_BATCHES = 16;
/** Batches of fetched rows that wait in a task before its partition is paused. */
const WAITING_BATCHES = 4;
/** Longest wait of one poll, in milliseconds: bounds how late time-outs are seen. */
const POLL_MS_MAX = 100;

/** Why the loop is to end. */
type Ending = { readonly isDirty: boolean };

/** Runs a subscription until it is closed or fails. */
export class SubscriptionRunner {
  readonly #spec: SubscriptionSpec;
  readonly #parts: RunnerParts;
  readonly #tasks = new Map<number, Task>();
  readonly #failed = new Map<number, Error>();
  readonly #processing = new Mutex();
  readonly #closing = new AbortController();
  #consumer!: Consumer;
  #commits!: CommitGroup;
  #ending: Ending | undefined;
  #loop: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  #rejoins = 0;
  #unavailableSinceMs: number | undefined;

  /**
   * @param spec The subscription.
   * @param parts Broker, stores, clock and settings.
   */
  constructor(spec: SubscriptionSpec, parts: RunnerParts) {
    this.#spec = spec;
    this.#parts = parts;
  }

  /** Name of the subscription. */
  get name(): string {
    return this.#spec.name;
  }

  /** Name of the topic that it reads. */
  get inputTopic(): string {
    return this.#spec.input.name;
  }

  /** Why the subscription stopped by itself, if it did. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Resolves when the loop has ended, whatever the reason. */
  get ended(): Promise<void> {
    return this.#loop;
  }

  /** What each task is doing. */
  status(): readonly TaskStatus[] {
    return [...this.#tasks.values()].map((task) => task.status());
  }

  /** Tasks that failed and are no longer processed. */
  failures(): ReadonlyMap<number, Error> {
    return this.#failed;
  }

  /** Joins the group and starts the loop. @throws {StreamError} when the broker refuses. */
  async start(): Promise<void> {
    await this.#join();
    this.#loop = this.#run();
  }

  /**
   * Ends the loop.
   *
   * @param options `isDirty`: commit and flush nothing.
   */
  async close(options: { readonly isDirty?: boolean } = {}): Promise<void> {
    this.#ending ??= { isDirty: options.isDirty === true };
    if (options.isDirty === true) this.#closing.abort();
    this.#consumer?.wake();
    await this.#loop;
  }

  async #join(): Promise<void> {
    const { broker, options } = this.#parts;
    this.#consumer = await broker.consumer({
      groupId: groupIdOf(this.#spec),
      ...(options.instanceId === undefined ? {} : { instanceId: `${options.instanceId}-${this.#spec.name}` }),
      sessionTimeoutMs: options.failoverGraceMs,
    });
    this.#commits = new CommitGroup(this.#spec, { parts: this.#parts, consumer: this.#consumer });
    await this.#commits.open();
    await this.#consumer.subscribe([this.#spec.input.name], {
      assigned: (partitions) => this.#assigned(partitions),
      revoked: (partitions) => this.#revoked(partitions),
      lost: (partitions) => this.#lost(partitions),
    });
  }

  async #run(): Promise<void> {
    try {
      while (this.#ending === undefined) {
        try {
          await this.#step();
        } catch (error) {
          await this.#recover(error);
        }
      }
      await this.#shutDown(this.#ending);
    } catch (error) {
      this.#failure ??= error as Error;
      this.#parts.environment.observer.log(
        "error",
        `Subscription '${this.#spec.name}' stopped: ${(error as Error).message}`,
        {
          subscription: this.#spec.name,
          error: (error as Error).name,
        },
      );
      await this.#shutDown({ isDirty: true }).catch(() => undefined);
    }
  }

  /** One turn: fetch, process, commit. */
  async #step(): Promise<void> {
    const { clock } = this.#parts.environment;
    await this.#keepWithinBounds();
    const { batchRows, batchBytes } = this.#spec.settings;
    const slabs = await this.#consumer.poll({
      maxRecords: batchRows * 2,
      maxBytes: batchBytes * 2,
      timeoutMs: this.#waitMs(),
    });
    this.#unavailableSinceMs = undefined;
    const nowMs = clock.monotonicMs();
    for (const slab of slabs) {
      const task = this.#tasks.get(slab.partition);
      if (task === undefined) continue;
      task.offer(slab, nowMs);
      if (task.waitingRows >= batchRows * WAITING_BATCHES) this.#consumer.pause([task.source]);
    }
    await this.#processReady(false);
    this.#commits.throwIfFailed();
    if (this.#commits.dueInMs(this.#hasOpenWork()) <= 0) await this.#startCommit();
    for (const task of this.#tasks.values()) await task.keepState();
  }

  /** Processes every batch that is full or has waited long enough, one of each task in turn. */
  async #processReady(isForced: boolean): Promise<void> {
    const { clock } = this.#parts.environment;
    for (let isBusy = true; isBusy && (this.#ending === undefined || isForced);) {
      isBusy = false;
      for (const task of [...this.#tasks.values()]) {
        if (!task.isReady(clock.monotonicMs(), isForced)) continue;
        isBusy = true;
        await this.#guardTask(task, () => this.#processing.run(() => task.processNext()));
        if (task.waitingRows < this.#spec.settings.batchRows) this.#consumer.resume([task.source]);
        if (this.#isPastBounds()) await this.#keepWithinBounds();
      }
    }
    for (const task of [...this.#tasks.values()]) {
      await this.#guardTask(task, () => this.#processing.run(() => task.passTime(clock.monotonicMs())));
    }
  }

  #isPastBounds(): boolean {
    let rows = 0, bytes = 0;
    for (const task of this.#tasks.values()) {
      rows += task.openRows;
      bytes += task.openBytes;
    }
    return rows >= this.#spec.settings.batchRows * IN_FLIGHT_BATCHES ||
      bytes >= this.#spec.settings.batchBytes * IN_FLIGHT_BATCHES;
  }

  /** Backpressure: past the bound a commit is started at once, and the loop waits for the one under way. */
  async #keepWithinBounds(): Promise<void> {
    while (this.#isPastBounds() && this.#ending === undefined) {
      await this.#startCommit();
      await this.#commits.settled();
      this.#commits.throwIfFailed();
    }
  }

  async #startCommit(): Promise<void> {
    this.#commits.throwIfFailed();
    if (this.#commits.isBusy) return;
    const sealed = await this.#processing.run(() => [...this.#tasks.values()].flatMap((task) => task.seal() ?? []));
    if (sealed.length > 0) {
      this.#commits.start(sealed, {
        exclusive: this.#processing,
        rewind: () => this.#rewindAll(),
      });
    }
  }

  #hooks(): CommitHooks {
    return { exclusive: this.#processing, rewind: () => this.#rewindAll() };
  }

  #hasOpenWork(): boolean {
    for (const task of this.#tasks.values()) if (task.hasOpenWork) return true;
    return false;
  }

  /** Drops all open commits of all tasks: processing goes on at what is committed. Runs alone. */
  #rewindAll(): void {
    for (const task of this.#tasks.values()) this.#consumer.seek(task.source, task.rewind());
  }

  /** Milliseconds until the loop has something to do. */
  #waitMs(): number {
    const nowMs = this.#parts.environment.clock.monotonicMs();
    let wait = this.#commits.dueInMs(this.#hasOpenWork());
    for (const task of this.#tasks.values()) wait = Math.min(wait, task.readyInMs(nowMs));
    return Math.max(0, Math.min(wait, POLL_MS_MAX));
  }

  /** A failing task is excluded, its commit group rewinds, the others go on; with none left the subscription stops. */
  async #guardTask(task: Task, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      const failure = error as Error;
      this.#parts.environment.observer.log("error", failure.message, {
        subscription: this.#spec.name,
        partition: task.partition,
        error: failure.name,
      });
      this.#failed.set(task.partition, failure);
      this.#consumer.pause([task.source]);
      await this.#commits.settled();
      await this.#processing.run(async () => {
        this.#tasks.delete(task.partition);
        await task.closeDirty();
        if (this.#commits.hasFailed) this.#rewindAll();
      });
      if (this.#tasks.size === 0) throw failure;
    }
  }

  async #assigned(partitions: readonly TopicPartition[]): Promise<void> {
    const { observer } = this.#parts.environment;
    observer.step("group:assigned", {
      subscription: this.#spec.name,
      partitions: partitions.map((each) => each.partition),
    });
    for (const source of partitions) {
      this.#failed.delete(source.partition);
      const [committed] = await this.#consumer.committed([source], { isStable: true });
      const { transactionalId } = this.#commits;
      const task = await Task.open(this.#spec, {
        source,
        parts: this.#parts,
        committed,
        transactionalId,
        signal: this.#closing.signal,
      });
      this.#tasks.set(source.partition, task);
      this.#consumer.seek(source, task.position);
    }
  }

  async #revoked(partitions: readonly TopicPartition[]): Promise<void> {
    const { observer } = this.#parts.environment;
    observer.step("group:revoked", {
      subscription: this.#spec.name,
      partitions: partitions.map((each) => each.partition),
    });
    const isClean = await this.#drain();
    for (const { partition } of partitions) {
      const task = this.#tasks.get(partition);
      this.#tasks.delete(partition);
      if (task !== undefined) await (isClean ? task.closeClean() : task.closeDirty());
    }
  }

  async #lost(partitions: readonly TopicPartition[]): Promise<void> {
    const { observer } = this.#parts.environment;
    observer.step("group:lost", {
      subscription: this.#spec.name,
      partitions: partitions.map((each) => each.partition),
    });
    const error = new AssignmentLostError(
      `Partitions of topic '${this.#spec.input.name}' were given to another member`,
    );
    await this.#commits.poison(error, this.#hooks());
    for (const { partition } of partitions) {
      const task = this.#tasks.get(partition);
      this.#tasks.delete(partition);
      await task?.closeDirty();
    }
    await this.#commits.heal();
  }

  /** Commits what has been processed. @returns Whether nothing is left open. */
  async #drain(): Promise<boolean> {
    for (let round = 0; round < 3; round++) {
      await this.#commits.settled();
      if (this.#commits.hasFailed) return false;
      if (!this.#hasOpenWork()) return true;
      await this.#startCommit();
    }
    await this.#commits.settled();
    return !this.#commits.hasFailed && !this.#hasOpenWork();
  }

  /** Decides what an error of the loop means: wait and go on, join again, or stop. */
  async #recover(error: unknown): Promise<void> {
    const { clock, observer, random } = this.#parts.environment;
    if (error instanceof BrokerUnavailableError) {
      this.#unavailableSinceMs ??= clock.monotonicMs();
      const waitedMs = clock.monotonicMs() - this.#unavailableSinceMs;
      if (waitedMs >= this.#parts.options.taskTimeoutMs) throw error;
      observer.log("warn", error.message, { subscription: this.#spec.name, waitedMs });
      await clock.sleep(backoffMs(Math.floor(waitedMs / 1_000), random.uint32()), this.#closing.signal);
      return;
    }
    if (isWorthRejoin(error)) return await this.#rejoin(error as Error);
    if (error instanceof OffsetOutOfRangeError) throw this.#explainRange(error);
    throw error;
  }

  async #rejoin(error: Error): Promise<void> {
    const { clock, observer, random } = this.#parts.environment;
    if (this.#rejoins >= 5) throw error;
    observer.log("warn", `${error.message}; joining the group again`, {
      subscription: this.#spec.name,
      attempt: this.#rejoins,
    });
    await this.#closeAll({ isDirty: true });
    await clock.sleep(backoffMs(this.#rejoins, random.uint32()), this.#closing.signal);
    this.#rejoins += 1;
    await this.#join();
  }

  #explainRange(error: OffsetOutOfRangeError): OffsetOutOfRangeError {
    return new OffsetOutOfRangeError(
      `${error.message}; the records between are gone: restore them, or set the group '${
        groupIdOf(this.#spec)
      }' to an offset that the log holds`,
      { cause: error, context: error.context },
    );
  }

  async #shutDown(ending: Ending): Promise<void> {
    const { observer } = this.#parts.environment;
    observer.step("close:begin", { subscription: this.#spec.name, isDirty: ending.isDirty });
    await this.#closeAll(ending);
    observer.step("close:end", { subscription: this.#spec.name });
  }

  async #closeAll(ending: Ending): Promise<void> {
    const isClean = !ending.isDirty && await this.#drain();
    for (const task of this.#tasks.values()) await (isClean ? task.closeClean() : task.closeDirty());
    this.#tasks.clear();
    await this.#commits.close();
    await this.#consumer.close({ isDirty: !isClean });
  }
}
