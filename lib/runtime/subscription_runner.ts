/**
 * One subscription in one worker: its group member, its tasks, its commit group. A single loop polls, hands records to
 * tasks, processes batches, and starts commits; a commit runs beside the loop, so that batches of commit k + 1 are
 * processed while commit k is under way.
 *
 * Keeps: I-12 (after Fenced or AssignmentLost only closing), I-13 (revoked returns when nothing of the task is in flight),
 * I-27 (a dirty close waits for nobody). What goes wrong either passes (wait and try again, up to `taskTimeoutMs`),
 * concerns one task (it is left out), or ends the subscription.
 */
import { AssignmentLostError, FencedError, OffsetOutOfRangeError } from "../base/errors.ts";
import type { Consumer, TopicPartition } from "../seams/broker.ts";
import { AssignedTasks } from "./assigned_tasks.ts";
import { CommitGroup } from "./commit_group.ts";
import { MemberWork } from "./member_work.ts";
import { OffsetWatch } from "./offset_watch.ts";
import type { RunnerParts, TaskStatus } from "./runner_parts.ts";
import { groupIdOf, type SubscriptionSpec } from "./subscription_spec.ts";
import { closedDirty, isPassing, Stop, Trouble } from "./trouble.ts";

/** Why the loop is to end. */
type Ending = { readonly isDirty: boolean; readonly isLeaving: boolean };

/** Runs a subscription until it is closed or fails. */
export class SubscriptionRunner {
  readonly #spec: SubscriptionSpec;
  readonly #parts: RunnerParts;
  readonly #tasks: AssignedTasks;
  readonly #closing = new AbortController();
  readonly #aborted: Promise<void>;
  /** End the waits for work that is under way. */
  readonly #waits = new Set<() => void>();
  readonly #pollTrouble: Trouble;
  readonly #commitTrouble: Trouble;
  #consumer: Consumer | undefined;
  #commits!: CommitGroup;
  #work!: MemberWork;
  #watch!: OffsetWatch;
  #isJoined = false;
  #commitsSeen = 0;
  #ending: Ending | undefined;
  #isClosedClean = false;
  #loop: Promise<void> = Promise.resolve();
  #failure: Error | undefined;

  /**
   * @param spec The subscription.
   * @param parts Broker, stores, clock and settings.
   */
  constructor(spec: SubscriptionSpec, parts: RunnerParts) {
    const { environment, options } = parts;
    this.#spec = spec;
    this.#parts = parts;
    this.#tasks = new AssignedTasks(spec, parts);
    this.#pollTrouble = new Trouble(environment, options.taskTimeoutMs);
    this.#commitTrouble = new Trouble(environment, options.taskTimeoutMs);
    const { signal } = this.#closing;
    this.#aborted = new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    void this.#aborted.then(() => {
      for (const leave of this.#waits) leave();
    });
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

  /** Whether it was closed in good order: everything that it had processed is committed. */
  get isClosedClean(): boolean {
    return this.#isClosedClean;
  }

  /** What each task is doing. */
  status(): readonly TaskStatus[] {
    return this.#tasks.status();
  }

  /** Tasks that failed and are no longer processed. */
  failures(): ReadonlyMap<number, Error> {
    return this.#tasks.failures;
  }

  /**
   * Joins the group, opens the tasks that it is given at once, and starts the loop.
   *
   * @throws {StreamError} when the broker refuses, or no task can be opened.
   */
  async start(): Promise<void> {
    try {
      await this.#join();
      await this.#openMissing();
    } catch (error) {
      const isTwin = error instanceof FencedError && this.#parts.options.instanceId !== undefined;
      if (!isPassing(error) || error instanceof Stop || isTwin) {
        await this.#closeDirty();
        throw error instanceof Stop ? error.reason : isTwin ? this.#explainFence(error) : error;
      }
      if (error instanceof FencedError) await this.#leave();
      this.#log("warn", `${(error as Error).message}; trying again`);
    }
    this.#loop = this.#run();
  }

  /**
   * Ends the loop.
   *
   * @param options `isDirty`: commit and flush nothing, and wait for nobody; also when an orderly close is under way.
   * `isLeaving`: a static member leaves its group too, so that others have its partitions at once.
   */
  async close(options: { readonly isDirty?: boolean; readonly isLeaving?: boolean } = {}): Promise<void> {
    const isLeaving = options.isLeaving === true;
    if (options.isDirty === true) {
      this.#ending = { isDirty: true, isLeaving };
      this.#closing.abort();
    }
    this.#ending ??= { isDirty: false, isLeaving };
    this.#consumer?.wake();
    await this.#loop;
  }

  /**
   * Joins the group. After an attempt without an answer the same member tries again: a request of an older one that lands
   * late would otherwise take its place.
   */
  async #join(): Promise<void> {
    if (this.#consumer === undefined) await this.#newMember();
    await this.#member.subscribe([this.#spec.input.name], {
      assigned: (partitions) => this.#assigned(partitions),
      revoked: (partitions) => this.#revoked(partitions),
      lost: (partitions) => this.#lost(partitions),
    });
    this.#isJoined = true;
  }

  async #newMember(): Promise<void> {
    const { broker, options } = this.#parts;
    const consumer = await broker.consumer({
      groupId: groupIdOf(this.#spec),
      ...(options.instanceId === undefined ? {} : { instanceId: `${options.instanceId}-${this.#spec.name}` }),
      sessionTimeoutMs: options.failoverGraceMs,
    });
    this.#commits = new CommitGroup(this.#spec, { parts: this.#parts, consumer });
    this.#work = new MemberWork(this.#spec, {
      parts: this.#parts,
      tasks: this.#tasks,
      consumer,
      commits: this.#commits,
      isEnding: () => this.#ending !== undefined,
      unlessAborted: (work) => this.#unlessAborted(work),
    });
    this.#watch = new OffsetWatch({
      consumer,
      commits: this.#commits,
      tasks: this.#tasks,
      environment: this.#parts.environment,
      intervalMs: options.failoverGraceMs,
    });
    this.#consumer = consumer;
  }

  /** Drops a member that is of no use any more. */
  async #leave(): Promise<void> {
    this.#isJoined = false;
    const consumer = this.#consumer;
    this.#consumer = undefined;
    if (consumer === undefined) return;
    await this.#tasks.closeAllDirty();
    await this.#commits.close();
    await consumer.close({ isDirty: true }).catch(() => undefined);
  }

  async #run(): Promise<void> {
    try {
      while (this.#ending === undefined) {
        try {
          await this.#unlessAborted(this.#step());
        } catch (error) {
          await this.#unlessAborted(this.#recover(error));
        }
      }
    } catch (error) {
      const failure = error as Error;
      this.#failure = failure;
      this.#ending = { isDirty: true, isLeaving: false };
      this.#log("error", `Subscription '${this.#spec.name}' stopped: ${failure.message}`, { error: failure.name });
    }
    await this.#shutDown();
  }

  /** Resolves with the work, or at once when the close has become dirty: the work is then left to itself. */
  async #unlessAborted(work: Promise<void>): Promise<void> {
    if (this.#closing.signal.aborted) return await Promise.race([work, this.#aborted]);
    // A race would leave something behind with the promise that lives as long as the subscription, turn by turn.
    await new Promise<void>((resolve, reject) => {
      this.#waits.add(resolve);
      work.then(() => {
        this.#waits.delete(resolve);
        resolve();
      }, (error) => {
        this.#waits.delete(resolve);
        reject(error);
      });
    });
  }

  /** One turn: fetch, process, commit. */
  async #step(): Promise<void> {
    // Refused, and not told why: a coordinator that restarted may have put its seat back as it was.
    const isRefused = this.#consumer !== undefined &&
      this.#commits.fenceRefusedMs >= this.#parts.options.failoverGraceMs;
    if (isRefused) await this.#leave();
    if (!this.#isJoined) await this.#join();
    const { failure } = this.#commits;
    if (failure !== undefined && this.#tasks.size > 0) await this.#startOver(failure);
    const { batchRows, batchBytes } = this.#spec.settings;
    for (const task of this.#tasks) {
      if (task.takeRefetch()) this.#member.seek(task.source, task.position, task.positionEpoch);
    }
    const slabs = await this.#member.poll({
      maxRecords: batchRows * 2,
      maxBytes: batchBytes * 2,
      timeoutMs: Math.max(0, Math.min(this.#work.waitMs(), this.#watch.dueInMs())),
    });
    this.#pollTrouble.clear();
    this.#work.offer(slabs);
    await this.#openMissing();
    await this.#work.commitIfDue();
    await this.#work.processReady();
    await this.#work.commitIfDue();
    await this.#work.keepState();
    await this.#watch.look();
    const { committed } = this.#commits.counts;
    if (committed === this.#commitsSeen) return;
    this.#commitsSeen = committed;
    this.#commitTrouble.clear();
    this.#tasks.clearTroubles();
  }

  get #member(): Consumer {
    return this.#consumer!;
  }

  async #openMissing(): Promise<void> {
    const membership = { consumer: this.#member, commits: this.#commits };
    await this.#tasks.openMissing(membership, () => this.#ending !== undefined);
  }

  #assigned(partitions: readonly TopicPartition[]): Promise<void> {
    this.#note("group:assigned", partitions);
    this.#tasks.forget(partitions);
    // They are fetched when their tasks are open and say from where.
    this.#member.pause(partitions);
    // What poll waits for has changed, here as below.
    this.#member.wake();
    return Promise.resolve();
  }

  async #revoked(partitions: readonly TopicPartition[]): Promise<void> {
    this.#note("group:revoked", partitions);
    const isClean = await this.#work.drain();
    await this.#giveUp(partitions, isClean);
  }

  async #lost(partitions: readonly TopicPartition[]): Promise<void> {
    this.#note("group:lost", partitions);
    const { name } = this.#spec.input;
    const error = new AssignmentLostError(`Partitions of topic '${name}' were given to another member`);
    await this.#commits.poison(error, this.#work.hooks);
    await this.#giveUp(partitions, false);
  }

  async #giveUp(partitions: readonly TopicPartition[], isClean: boolean): Promise<void> {
    this.#member.wake();
    this.#tasks.forget(partitions);
    for (const { partition } of partitions) {
      const task = this.#tasks.take(partition);
      if (task !== undefined) await this.#tasks.close(task, isClean && !task.hasOpenWork);
    }
  }

  /** Decides what an error of the loop means: wait and go on, leave one task out, or stop. */
  async #recover(error: unknown): Promise<void> {
    if (error instanceof Stop) throw error.reason;
    if (this.#ending !== undefined) return;
    if (error instanceof OffsetOutOfRangeError) return await this.#leaveOut(error);
    if (!isPassing(error)) throw error;
    if (error instanceof FencedError && this.#parts.options.instanceId !== undefined) throw this.#explainFence(error);
    if (error instanceof FencedError) await this.#leave();
    const waitMs = this.#pollTrouble.note();
    if (waitMs === undefined) throw error;
    this.#log("warn", (error as Error).message, { waitMs, attempts: this.#pollTrouble.attempts });
    await this.#parts.environment.clock.sleep(waitMs, this.#closing.signal);
  }

  /** Commits have closed dirty: the tasks are opened again from what is committed, once the member stands. */
  async #startOver(failure: Error): Promise<void> {
    if (!isPassing(failure)) throw new Stop(failure);
    const waitMs = this.#commitTrouble.note();
    if (waitMs === undefined) throw new Stop(failure);
    this.#log("warn", `${failure.message}; going on from what is committed`, {
      waitMs,
      attempts: this.#commitTrouble.attempts,
    });
    await this.#tasks.closeAllDirty();
    await this.#parts.environment.clock.sleep(waitMs, this.#closing.signal);
  }

  /** The log no longer (or not yet) holds the position of one task. */
  async #leaveOut(error: OffsetOutOfRangeError): Promise<void> {
    const explained = new OffsetOutOfRangeError(
      `${error.message}; the records between are gone: restore them, or set the group '${
        groupIdOf(this.#spec)
      }' to an offset that the log holds`,
      { cause: error, context: error.context },
    );
    const task = this.#tasks.get(Number(error.context.partition));
    if (task === undefined) throw explained;
    await this.#work.guardTask(task, () => Promise.reject(explained)).catch((stop) => {
      throw stop instanceof Stop ? stop.reason : stop;
    });
  }

  #explainFence(error: FencedError): FencedError {
    const { instanceId } = this.#parts.options;
    return new FencedError(
      `${error.message}; another process runs with 'instanceId' '${instanceId}': stop one of them, or give each its own`,
      { cause: error, context: error.context },
    );
  }

  async #shutDown(): Promise<void> {
    const { observer } = this.#parts.environment;
    const { isDirty, isLeaving } = this.#ending!;
    observer.step("close:begin", { subscription: this.#spec.name, isDirty });
    if (!isDirty) {
      try {
        await this.#unlessAborted(this.#closeClean());
      } catch (error) {
        this.#log("error", `Closing without a commit: ${(error as Error).message}`);
        this.#ending = { isDirty: true, isLeaving };
      }
    }
    if (this.#ending!.isDirty) await this.#closeDirty();
    observer.step("close:end", { subscription: this.#spec.name });
  }

  async #closeClean(): Promise<void> {
    if (!this.#isJoined) return await this.#closeDirty();
    const isClean = await this.#work.drain();
    for (const task of this.#tasks) {
      this.#tasks.take(task.partition);
      await this.#tasks.close(task, isClean && !task.hasOpenWork);
    }
    await this.#commits.close();
    await this.#member.close({ isDirty: !isClean, isLeaving: this.#ending!.isLeaving });
    this.#isClosedClean = isClean;
  }

  /** Waits for nothing that is under way: what it has on the wire is fenced, or repeated by the next owner. */
  async #closeDirty(): Promise<void> {
    const consumer = this.#consumer;
    if (consumer === undefined) return;
    this.#commits.abandon(closedDirty());
    await this.#tasks.abandon();
    await consumer.close({ isDirty: true, isLeaving: this.#ending?.isLeaving === true }).catch(() => undefined);
  }

  #note(label: "group:assigned" | "group:revoked" | "group:lost", partitions: readonly TopicPartition[]): void {
    this.#parts.environment.observer.step(label, {
      subscription: this.#spec.name,
      partitions: partitions.map((each) => each.partition),
    });
  }

  #log(level: "warn" | "error", message: string, detail: Record<string, unknown> = {}): void {
    this.#parts.environment.observer.log(level, message, { subscription: this.#spec.name, ...detail });
  }
}
