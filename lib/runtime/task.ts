/**
 * One input partition of one subscription: its records, its state, its open commits.
 *
 * Keeps: I-01 (state is the fold of the input up to its position), I-03 (the store sees committed effects only), I-08 (see
 * OpenCommits), I-25 (what waits and what is open is bounded by the runner).
 *
 * ```
 *   created -> restoring -> replaying -> running <-> suspended -> closing -> closed
 * ```
 */
import { invariant } from "../base/assert.ts";
import { errorAction } from "../core/error_policy.ts";
import { decodeCommitMetadata } from "../core/commit_metadata.ts";
import type { CommitWitness } from "../core/commit_witness.ts";
import { TaskLifecycle } from "../core/task_lifecycle.ts";
import { TaskTime } from "../core/task_time.ts";
import type { RecordSlab } from "../columns/records.ts";
import type { CommittedPosition, TopicPartition } from "../seams/broker.ts";
import type { StepDetail, StepLabel } from "../seams/observer.ts";
import { BatchProcessor } from "./batch_processor.ts";
import { IdleTime } from "./idle_time.ts";
import { OpenWork } from "./open_work.ts";
import { type RecoveredTask, recoverTask, type TaskOptions } from "./recover_task.ts";
import type { RunnerParts, TaskStatus } from "./runner_parts.ts";
import type { SubscriptionSpec } from "./subscription_spec.ts";
import { sealCommit, type SealedCommit } from "./sealed_commit.ts";
import { SilentReplay } from "./silent_replay.ts";
import { TaskInput } from "./task_input.ts";
import type { TaskKeeper } from "./task_keeper.ts";

/** Processes one partition. Calls that change it are serialised by the runner. */
export class Task {
  /** The input partition. */
  readonly source: TopicPartition;
  readonly #spec: SubscriptionSpec;
  readonly #parts: RunnerParts;
  readonly #recovered: RecoveredTask;
  readonly #keeper: TaskKeeper;
  #commits: OpenWork;
  /** What the group holds, as far as is known. */
  #held: CommitWitness;
  readonly #processor: BatchProcessor;
  readonly #time: TaskTime;
  readonly #idle: IdleTime;
  readonly #input: TaskInput;
  readonly #transactionalId: string | null;
  readonly #replay: SilentReplay;
  readonly #end = new AbortController();
  #highWatermark = 0n;
  #commitCount = 0;
  readonly #life = new TaskLifecycle();

  private constructor(spec: SubscriptionSpec, options: TaskOptions, recovered: RecoveredTask) {
    const { parts, source } = options;
    this.#spec = spec;
    this.#parts = parts;
    this.source = source;
    this.#recovered = recovered;
    this.#keeper = recovered.keeper;
    this.#transactionalId = options.transactionalId;
    this.#commits = new OpenWork(recovered.state, recovered.live);
    this.#held = recovered.witness;
    const { observer } = parts.environment;
    this.#processor = new BatchProcessor(spec, {
      state: recovered.state,
      partition: source.partition,
      observer,
      signal: this.#end.signal,
      ensureTopic: parts.ensureTopic,
    });
    const { outOfOrdernessMs } = spec.input;
    this.#time = new TaskTime({ outOfOrdernessMs, idleTimeoutMs: spec.settings.idleTimeoutMs });
    this.#idle = new IdleTime(this.#time, { outOfOrdernessMs, commitIntervalMs: spec.settings.commitIntervalMs });
    this.#time.restore(recovered.restored.taskTimeMs);
    this.#input = new TaskInput(recovered.restored.offset);
    this.#life.to("restoring");
    this.#replay = new SilentReplay({
      recovered,
      processor: this.#processor,
      time: this.#time,
      input: this.#input,
      place: { subscription: spec.name, partition: source.partition },
      observer,
    });
  }

  /**
   * Finds out where to restart from, restores state, and is ready to be polled from {@linkcode Task.position}.
   *
   * @throws {StreamError} when no state reaches the committed offset, or a store cannot be used.
   */
  static async open(spec: SubscriptionSpec, options: TaskOptions): Promise<Task> {
    const { observer } = options.parts.environment;
    observer.step("task:assigned", { subscription: spec.name, partition: options.source.partition });
    const recovered = await recoverTask(spec, options);
    const task = new Task(spec, options, recovered);
    if (recovered.restored.offset < recovered.live.offset) task.#life.to("replaying");
    try {
      await task.#replay.begin();
      task.#goLiveWhenThere();
      return task;
    } catch (error) {
      await task.closeDirty({ isStateDamaged: errorAction(error) === "restore" });
      throw error;
    }
  }

  /** Partition number. */
  get partition(): number {
    return this.source.partition;
  }

  /** Next offset to fetch when nothing waits: where processing stands. */
  get position(): bigint {
    return this.#isReplaying ? this.#replay.position : this.#commits.head.offset;
  }

  /** Leader epoch under which the record before {@linkcode Task.position} was read; -1 when it is not known. */
  get positionEpoch(): number {
    return this.#isReplaying ? this.#replay.positionEpoch : this.#commits.head.leaderEpoch;
  }

  /** Whether the next fetch is to begin at {@linkcode Task.position}, as output does after a replay; asked once. */
  takeRefetch(): boolean {
    return this.#replay.takeRefetch();
  }

  /** Rows that are fetched and not processed. */
  get waitingRows(): number {
    return this.#input.rows;
  }

  /** Rows that are processed and not committed. */
  get openRows(): number {
    return this.#commits.rows;
  }

  /** Bytes of output that are not committed, about. */
  get openBytes(): number {
    return this.#commits.bytes;
  }

  /** Whether something is processed and not committed. */
  get hasOpenWork(): boolean {
    return this.#commits.oldest !== undefined;
  }

  /** Whether a commit of this task has happened since it was opened. */
  get hasCommitted(): boolean {
    return this.#commitCount > 0;
  }

  /** Whether a commit could be started now: something is processed, none is on its way, and commits are not held. */
  get canSeal(): boolean {
    const { oldest } = this.#commits;
    return !this.#isClosed && oldest !== undefined && oldest.state === "open" && !this.#keeper.isCommitHeld;
  }

  /** Takes in fetched records. @returns Where to fetch from instead, when they do not follow what came before. */
  offer(slab: RecordSlab, nowMs: number): bigint | undefined {
    this.#highWatermark = slab.highWatermark;
    this.#keeper.sawLogStart(slab.logStart);
    return this.#input.push(slab, nowMs) ? undefined : this.#input.end;
  }

  /** Whether a batch is full, has waited long enough, or stands alone in a replay. */
  isReady(nowMs: number): boolean {
    return !this.#isClosed && !this.#input.isEmpty && !this.isAnchoring && this.readyInMs(nowMs) <= 0;
  }

  /** Whether the commit that makes the group know the task is still to be started: it goes before any record. */
  get isAnchoring(): boolean {
    const { oldest } = this.#commits;
    return this.#recovered.isCommitNeeded && this.#commitCount === 0 && oldest?.state === "open";
  }

  /** Milliseconds until {@linkcode Task.isReady}; infinite when nothing waits and no time passes. */
  readyInMs(nowMs: number): number {
    const { batchRows, batchBytes, batchTimeoutMs } = this.#spec.settings;
    if (!this.#input.isEmpty) {
      if (this.#isReplaying || this.#input.rows >= batchRows || this.#input.bytes >= batchBytes) return 0;
      return this.#input.oldestMs! + batchTimeoutMs - nowMs;
    }
    return this.#isReplaying ? Infinity : this.#idle.inMs(nowMs, this.#processor.dueMs());
  }

  /** Processes one batch: silently below the committed offset, else into the open commit. */
  async processNext(): Promise<void> {
    if (this.#isClosed) return;
    const { batchRows, batchBytes } = this.#spec.settings;
    if (this.#isReplaying) {
      await this.#replay.next({ rowsMax: batchRows, bytesMax: batchBytes });
      return this.#goLiveWhenThere();
    }
    const input = this.#input.next({ rowsMax: batchRows, bytesMax: batchBytes });
    if (input === undefined) return;
    const { environment } = this.#parts;
    this.#step("batch:fetched", { from: input.from, to: input.to });
    const head = this.#commits.head;
    invariant(input.from === head.offset, `I-10: records from ${input.from} came where ${head.offset} was expected`);
    const outputs = this.#commits.begin();
    const time = { taskTimeMs: head.taskTimeMs ?? undefined, isReplaying: false };
    const taskTimeMs = await this.#processor.process(input, time, outputs);
    if (this.#processor.hasWrittenState) await this.#recovered.ownership.claim();
    if (taskTimeMs !== undefined) this.#time.jump(taskTimeMs);
    if (input.toRow > input.fromRow) this.#time.wake(environment.clock.monotonicMs());
    const rows = input.toRow - input.fromRow;
    const leaderEpoch = input.leaderEpoch;
    this.#commits.extend({ to: input.to, rows, taskTimeMs: taskTimeMs ?? null, leaderEpoch });
    this.#step("batch:processed", { to: input.to, rows, taskTimeMs: taskTimeMs ?? null });
  }

  /** Lets time pass on an idle input: a journaled jump of task time, when there is something that it could close. */
  async passTime(nowMs: number): Promise<void> {
    if (this.#isReplaying || this.#isClosed || !this.#input.isEmpty) return;
    const target = this.#idle.target(nowMs, this.#processor.dueMs());
    if (target === undefined) return;
    this.#idle.jumped(nowMs);
    const head = this.#commits.head;
    const entry = { offset: head.offset, kind: "jump" as const, value: target };
    if (!head.journal.canHold(entry, this.#parts.options.journalBytesMax)) {
      this.#keeper.forceCheckpoint("the decision journal is full: time stands still until a checkpoint makes room");
      return;
    }
    this.#step("time:jumped", { offset: head.offset, taskTimeMs: target });
    const outputs = this.#commits.begin();
    this.#time.jump(target);
    await this.#processor.jump(head.offset, { taskTimeMs: target, isReplaying: false }, outputs);
    this.#commits.extend({ to: head.offset, rows: 0, taskTimeMs: target, decisions: [entry] });
  }

  /**
   * A commit without rows, when the group holds an older commit of ours than the last one that has happened.
   *
   * @param found What the group holds. @returns Whether it does.
   */
  commitAgain(found: CommittedPosition | undefined): boolean {
    if (this.#isReplaying || this.#isClosed || this.hasOpenWork) return false;
    const held = decodeCommitMetadata(found?.metadata ?? "");
    const isOurs = held.kind === "ours" && held.lineage === this.#recovered.lineage;
    if (isOurs && held.commitSequence < this.#commits.committed.sequence) this.#commitNothing();
    return this.hasOpenWork;
  }

  /** Closes the open commit to more batches and hands it out; `undefined` when there is none or one is on its way. */
  seal(): SealedCommit | undefined {
    if (!this.canSeal) return undefined;
    const sealed = this.#commits.seal()!;
    const { from, after } = sealed.commit;
    this.#step("commit:sealed", { from, to: after.offset, sequence: after.sequence });
    return sealCommit(this, {
      ...sealed,
      recovered: this.#recovered,
      before: this.#held,
      transactionalId: this.#transactionalId,
    });
  }

  /** The oldest commit has happened. */
  apply({ commit, after }: SealedCommit): void {
    this.#commits.apply(commit.sequence);
    this.#held = after;
    this.#keeper.committed(this.#commits.committed, commit.rows);
    this.#commitCount += 1;
  }

  /** Drops all open commits. @returns Where to fetch from again. */
  rewind(): bigint {
    const rewindTo = this.#isReplaying ? undefined : this.#commits.abortAll();
    if (rewindTo !== undefined) {
      this.#processor.reset();
      this.#time.restore(rewindTo.taskTimeMs);
      this.#time.wake(this.#parts.environment.clock.monotonicMs());
      this.#anchor();
    }
    this.#input.clear(this.position);
    return this.position;
  }

  /** Flushes and checkpoints what is due. Failures are logged and tried again; they do not stop the stream. */
  keepState(): void {
    if (this.#isReplaying || this.#isClosed) return;
    const trimTo = this.#keeper.keep();
    if (trimTo !== undefined) this.#commits.trimJournal(trimTo);
  }

  /** Milliseconds until {@linkcode Task.keepState} may have something to do; infinite when it waits for more than time. */
  keepInMs(): number {
    return this.#isReplaying || this.#isClosed ? Infinity : this.#keeper.dueInMs();
  }

  /** Closes with nothing open: flushes, checkpoints, closes the store. */
  async closeClean(): Promise<void> {
    if (this.#isClosed) return;
    const wasReplaying = this.#isReplaying;
    this.#life.to("closing");
    this.#step("task:closing");
    invariant(this.#commits.oldest === undefined, "a task with an open commit is not closed clean");
    if (!wasReplaying) await this.#keeper.finish();
    // A dirty close may have overtaken this one.
    if (this.#life.isClosed) return;
    await this.#recovered.state.close();
    if (this.#life.isClosed) return;
    this.#life.to("closed");
    this.#step("task:closed-clean");
  }

  /**
   * Closes at once: what is open is dropped and processed again by the next owner.
   *
   * @param options `isStateDamaged`: the local store is deleted, so that it is restored from a checkpoint.
   */
  async closeDirty(options: { readonly isStateDamaged?: boolean } = {}): Promise<void> {
    if (this.#life.isClosed) return;
    this.#life.to("closed");
    this.#end.abort();
    this.#keeper.abandon();
    await this.#recovered.state.close();
    if (options.isStateDamaged === true) {
      const { application, name: subscription } = this.#spec;
      await this.#parts.state.destroy({ application, subscription, partition: this.partition });
    }
    this.#step("task:closed-dirty");
  }

  /** What the task is doing. */
  status(): TaskStatus {
    const { topic, partition } = this.source;
    return {
      topic,
      partition,
      lifecycle: this.#life.state,
      position: this.position,
      committed: this.#commits.committed.offset,
      highWatermark: this.#highWatermark,
      taskTimeMs: this.#time.taskTimeMs ?? undefined,
      rejectedRows: this.#processor.rejectedRows,
      commits: this.#commitCount,
      checkpointed: this.#keeper.checkpointed,
    };
  }

  get #isClosed(): boolean {
    return this.#life.state === "closing" || this.#life.state === "closed";
  }

  get #isReplaying(): boolean {
    return this.#life.state === "restoring" || this.#life.state === "replaying";
  }

  #step(label: StepLabel, detail: StepDetail = {}): void {
    const { observer } = this.#parts.environment;
    observer.step(label, { subscription: this.#spec.name, partition: this.partition, ...detail });
  }

  #goLiveWhenThere(): void {
    if (!this.#replay.isDone) return;
    const { live } = this.#recovered;
    this.#replay.end();
    this.#life.to("running");
    if (live.taskTimeMs !== null) this.#time.jump(live.taskTimeMs);
    this.#commits = new OpenWork(this.#recovered.state, { ...live, taskTimeMs: this.#time.taskTimeMs });
    this.#time.wake(this.#parts.environment.clock.monotonicMs());
    this.#processor.reset();
    this.#keeper.live(this.#commits.committed);
    this.#step("restore:live", { offset: live.offset, sequence: live.sequence });
    this.#anchor();
  }

  /** The group does not know this lineage or position yet: a commit without rows says so before any record. */
  #anchor(): void {
    if (this.#recovered.isCommitNeeded && this.#commitCount === 0) this.#commitNothing();
  }

  #commitNothing(): void {
    this.#commits.begin();
    this.#commits.extend({ to: this.#commits.head.offset, rows: 0, taskTimeMs: this.#time.taskTimeMs });
  }
}
