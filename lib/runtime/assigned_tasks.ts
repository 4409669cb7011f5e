/**
 * The tasks of the partitions that a group member holds: those that run, those that are to be opened (again), and those
 * that failed and are left alone while the others go on.
 */
import { invariant } from "../base/assert.ts";
import { assignmentDiff } from "../core/assignment_diff.ts";
import { errorAction } from "../core/error_policy.ts";
import type { Consumer, TopicPartition } from "../seams/broker.ts";
import type { CommitGroup } from "./commit_group.ts";
import type { RunnerParts, TaskStatus } from "./runner_parts.ts";
import type { SubscriptionSpec } from "./subscription_spec.ts";
import { Task } from "./task.ts";
import { closedDirty, isPassing, Stop, Trouble } from "./trouble.ts";

/** The group member and its commits. */
export interface Membership {
  /** The group member. */
  readonly consumer: Consumer;
  /** Its commits. */
  readonly commits: CommitGroup;
}

/** Tasks of one subscription in one worker, by partition. */
export class AssignedTasks implements Iterable<Task> {
  readonly #spec: SubscriptionSpec;
  readonly #parts: RunnerParts;
  readonly #tasks = new Map<number, Task>();
  readonly #closing = new Set<Task>();
  readonly #failed = new Map<number, Error>();
  readonly #troubles = new Map<number, Trouble>();
  #isAbandoned = false;

  /**
   * @param spec The subscription.
   * @param parts What the app lends.
   */
  constructor(spec: SubscriptionSpec, parts: RunnerParts) {
    this.#spec = spec;
    this.#parts = parts;
  }

  /** Number of running tasks. */
  get size(): number {
    return this.#tasks.size;
  }

  /** Tasks that failed, by partition. */
  get failures(): ReadonlyMap<number, Error> {
    return this.#failed;
  }

  /** Whether any task has something processed and not committed. */
  get hasOpenWork(): boolean {
    for (const task of this) if (task.hasOpenWork) return true;
    return false;
  }

  /** Whether a commit of any task could be started. */
  get canSeal(): boolean {
    for (const task of this) if (task.canSeal) return true;
    return false;
  }

  /** Whether a commit that goes before any record is still to be started. */
  get isAnchoring(): boolean {
    for (const task of this) if (task.isAnchoring && task.canSeal) return true;
    return false;
  }

  /** Whether nothing is to be opened (again): each of these partitions, if there are any, runs or is left alone. */
  isComplete(assignment: readonly TopicPartition[]): boolean {
    return assignment.length > 0 &&
      assignment.every(({ partition }) => this.#tasks.has(partition) || this.#failed.has(partition));
  }

  /** The running tasks; the list does not change while it is gone through. */
  [Symbol.iterator](): Iterator<Task> {
    return [...this.#tasks.values()][Symbol.iterator]();
  }

  /** The task of a partition. */
  get(partition: number): Task | undefined {
    return this.#tasks.get(partition);
  }

  /** What each task is doing. */
  status(): readonly TaskStatus[] {
    return [...this].map((task) => task.status());
  }

  /** Partitions were given (again) or taken: what was known of them no longer counts. */
  forget(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) {
      this.#failed.delete(partition);
      this.#troubles.delete(partition);
    }
  }

  /** Takes a task out; the caller closes it. */
  take(partition: number): Task | undefined {
    const task = this.#tasks.get(partition);
    this.#tasks.delete(partition);
    return task;
  }

  /**
   * Opens the tasks of held partitions that have none. What fails for a passing reason is tried again later.
   *
   * @param membership Consumer and commit group.
   * @param isEnding Whether to stop.
   * @throws {Stop} when no task is left that runs or may run.
   */
  async openMissing(membership: Membership, isEnding: () => boolean): Promise<void> {
    const { consumer, commits } = membership;
    // The group has given its partitions away; the next polls find that out.
    if (commits.isFenceRefused) return;
    if (consumer.assignment().every(({ partition }) => this.#tasks.has(partition))) return;
    const { added } = assignmentDiff([...this].map((task) => task.source), consumer.assignment());
    for (const source of added) {
      const { partition } = source;
      if (isEnding()) return;
      if (this.#failed.has(partition)) continue;
      if (this.#troubles.get(partition)?.isWaiting === true) continue;
      // Commits have closed dirty: the tasks that there are must be opened again first, and that needs the failure.
      await commits.settled();
      if (commits.failure !== undefined && this.#tasks.size > 0) return;
      try {
        const task = await this.#open(source, membership);
        if (this.#isAbandoned) return await this.close(task, false);
        invariant(!this.#tasks.has(partition), `I-11: partition ${partition} has a task already`);
        this.#tasks.set(partition, task);
        consumer.seek(source, task.position, task.positionEpoch);
        consumer.resume([source]);
      } catch (error) {
        if (this.#isAbandoned) return;
        this.failed(source, { error: error as Error, consumer });
      }
    }
  }

  async #open(source: TopicPartition, { consumer, commits }: Membership): Promise<Task> {
    await commits.open();
    this.#assertWanted();
    // Described anew: it may have been deleted and created again, or have grown, since the app started.
    const [[committed], [topic]] = await Promise.all([
      consumer.committed([source], { isStable: true }),
      this.#parts.admin.describeTopics([source.topic]),
    ]);
    this.#assertWanted();
    const { transactionalId } = commits;
    return await Task.open(this.#spec, { source, topic, parts: this.#parts, committed, transactionalId });
  }

  /** Whoever has the partition next in this process needs its store and its transactional id. */
  #assertWanted(): void {
    if (this.#isAbandoned) throw closedDirty();
  }

  /**
   * A task could not be opened, or failed and was closed: it is opened again after a while when the reason passes, else
   * it is left alone.
   *
   * @param source Its partition.
   * @param what Why, and the group member.
   * @throws {Stop} when no task is left that runs or may run.
   */
  failed(source: TopicPartition, what: { readonly error: Error; readonly consumer: Consumer }): void {
    const { error, consumer } = what;
    const { environment, options } = this.#parts;
    if (errorAction(error) === "stop-process") throw new Stop(error);
    const detail = { subscription: this.#spec.name, partition: source.partition, error: error.name };
    consumer.pause([source]);
    if (isPassing(error) || errorAction(error) === "restore") {
      let trouble = this.#troubles.get(source.partition);
      if (trouble === undefined) {
        trouble = new Trouble(environment, options.taskTimeoutMs);
        this.#troubles.set(source.partition, trouble);
      }
      const waitMs = trouble.note();
      if (waitMs !== undefined) {
        environment.observer.log("warn", `${error.message}; the task is opened again`, { ...detail, waitMs });
        return;
      }
    }
    environment.observer.log("error", error.message, detail);
    this.#failed.set(source.partition, error);
    const isAnyLeft = consumer.assignment().some(({ partition }) => !this.#failed.has(partition));
    if (!isAnyLeft) throw new Stop(error);
  }

  /** A commit has happened: what failed before it is over. */
  clearTroubles(): void {
    for (const task of this) if (task.hasCommitted) this.#troubles.delete(task.partition);
  }

  /** Closes all tasks for good, without commit; one that is being opened meanwhile is closed as soon as it is open. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    await this.closeAllDirty();
  }

  /** Closes all tasks at once, without commit; one that cannot be closed does not keep the others. */
  async closeAllDirty(): Promise<void> {
    // Also those whose orderly close is under way: it may wait for a checkpoint that does not end.
    const tasks = [...this, ...this.#closing];
    this.#tasks.clear();
    await Promise.all(tasks.map((task) => this.close(task, false)));
  }

  /** Closes a task that was taken out; a failure is logged, since the next owner makes up for it. */
  async close(task: Task, isClean: boolean): Promise<void> {
    try {
      if (isClean) this.#closing.add(task);
      await (isClean ? task.closeClean() : task.closeDirty());
    } catch (error) {
      this.#parts.environment.observer.log("error", `A task could not be closed: ${(error as Error).message}`, {
        subscription: this.#spec.name,
        partition: task.partition,
      });
    } finally {
      if (isClean) this.#closing.delete(task);
    }
  }
}
