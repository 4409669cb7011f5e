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
import { encodeCommitMetadata } from "../core/commit_metadata.ts";
import type { CommitWitness } from "../core/commit_witness.ts";
import type { CommitPoint, OpenCommit } from "../core/open_commits.ts";
import { OpenCommits } from "../core/open_commits.ts";
import { TaskTime } from "../core/task_time.ts";
import type { RecordSlab } from "../columns/records.ts";
import type { CommittedPosition, TopicPartition } from "../seams/broker.ts";
import { BatchProcessor } from "./batch_processor.ts";
import { CommitOutputs } from "./commit_outputs.ts";
import { type RecoveredTask, recoverTask } from "./recover_task.ts";
import type { RunnerParts, TaskStatus } from "./runner_parts.ts";
import type { SubscriptionSpec } from "./subscription_spec.ts";
import { type InputBatch, TaskInput } from "./task_input.ts";
import type { TaskKeeper } from "./task_keeper.ts";

/** Least time between two jumps of an idle task whose operators do not say when they are due, in milliseconds. */
const IDLE_JUMP_MS_MIN = 10;

/** A commit of one task on its way. */
export interface SealedCommit {
  /** Whose commit it is. */
  readonly task: Task;
  /** What is in it. */
  readonly commit: OpenCommit;
  /** Lineage of the task. */
  readonly lineage: string;
  /** What the group holds before this commit. */
  readonly before: CommitWitness;
  /** Offset and metadata for the group. */
  readonly position: CommittedPosition;
  /** What is produced. */
  readonly outputs: CommitOutputs;
}

/** What a task is opened with. */
export interface TaskOptions {
  /** The input partition. */
  readonly source: TopicPartition;
  /** Broker, stores, clock. */
  readonly parts: RunnerParts;
  /** What the group committed for the partition, read stable. */
  readonly committed: CommittedPosition | undefined;
  /** Writer named in commit metadata, or `null` without transactions. */
  readonly transactionalId: string | null;
  /** Aborts when the task has to end. */
  readonly signal: AbortSignal;
}

/** Processes one partition. Calls that change it are serialised by the runner. */
export class Task {
  /** The input partition. */
  readonly source: TopicPartition;
  readonly #spec: SubscriptionSpec;
  readonly #parts: RunnerParts;
  readonly #recovered: RecoveredTask;
  readonly #keeper: TaskKeeper;
  #commits: OpenCommits;
  readonly #outputs = new Map<number, CommitOutputs>();
  readonly #processor: BatchProcessor;
  readonly #time: TaskTime;
  readonly #input: TaskInput;
  readonly #transactionalId: string | null;
  #replayed: CommitPoint;
  #isReplaying: boolean;
  #highWatermark = 0n;
  #commitCount = 0;
  #jumpedAtMs = -Infinity;
  #isClosed = false;

  private constructor(spec: SubscriptionSpec, options: TaskOptions, recovered: RecoveredTask) {
    const { parts, source } = options;
    this.#spec = spec;
    this.#parts = parts;
    this.source = source;
    this.#recovered = recovered;
    this.#keeper = recovered.keeper;
    this.#transactionalId = options.transactionalId;
    this.#commits = new OpenCommits(recovered.live, { lineage: recovered.lineage, witness: recovered.witness });
    const { observer } = parts.environment;
    this.#processor = new BatchProcessor(spec, {
      state: recovered.state,
      partition: source.partition,
      observer,
      signal: options.signal,
    });
    this.#time = new TaskTime({
      outOfOrdernessMs: spec.input.outOfOrdernessMs,
      idleTimeoutMs: spec.settings.idleTimeoutMs,
    });
    this.#time.restore(recovered.restored.taskTimeMs);
    this.#replayed = recovered.restored;
    this.#isReplaying = true;
    this.#input = new TaskInput(recovered.restored.offset);
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
    if (recovered.restored.offset < recovered.live.offset) {
      const rows = recovered.live.offset - recovered.restored.offset;
      observer.step("restore:silent-replay-begin", {
        partition: task.partition,
        from: recovered.restored.offset,
        rows,
      });
    }
    await task.#replayDecisions();
    await task.#goLiveWhenThere();
    return task;
  }

  /** Partition number. */
  get partition(): number {
    return this.source.partition;
  }

  /** Next offset to fetch when nothing waits: where processing stands. */
  get position(): bigint {
    return this.#isReplaying ? this.#replayed.offset : this.#commits.head.offset;
  }

  /** Rows that are fetched and not processed. */
  get waitingRows(): number {
    return this.#input.rows;
  }

  /** Rows that are processed and not committed. */
  get openRows(): number {
    return this.#commits.commits.reduce((sum, each) => sum + each.rows, 0);
  }

  /** Bytes of output that are not committed, about. */
  get openBytes(): number {
    let bytes = 0;
    for (const outputs of this.#outputs.values()) bytes += outputs.bytes;
    return bytes;
  }

  /** Whether something is processed and not committed. */
  get hasOpenWork(): boolean {
    return this.#commits.oldest !== undefined;
  }

  /** Takes in fetched records. */
  offer(slab: RecordSlab, nowMs: number): void {
    this.#highWatermark = slab.highWatermark;
    this.#input.push(slab, nowMs);
  }

  /** Whether a batch is full, has waited long enough, or stands alone in a replay. */
  isReady(nowMs: number, isForced: boolean): boolean {
    return !this.#isClosed && !this.#input.isEmpty && (isForced || this.readyInMs(nowMs) <= 0);
  }

  /** Milliseconds until {@linkcode Task.isReady}; infinite when nothing waits and no time passes. */
  readyInMs(nowMs: number): number {
    const { batchRows, batchBytes, batchTimeoutMs } = this.#spec.settings;
    if (!this.#input.isEmpty) {
      if (this.#isReplaying || this.#input.rows >= batchRows || this.#input.bytes >= batchBytes) return 0;
      return this.#input.oldestMs! + batchTimeoutMs - nowMs;
    }
    return this.#isReplaying ? Infinity : this.#idleInMs(nowMs);
  }

  /** Milliseconds until task time may have to jump; infinite when there is nothing that it could close. */
  #idleInMs(nowMs: number): number {
    const idleAtMs = this.#time.idleAtMs;
    const dueMs = this.#processor.dueMs();
    if (idleAtMs === undefined || dueMs === undefined) return Infinity;
    if (idleAtMs > nowMs) return idleAtMs - nowMs;
    // An operator that does not say when it is due is told of the time as often as there are commits.
    const pauseMs = this.#jumpedAtMs + Math.max(IDLE_JUMP_MS_MIN, this.#spec.settings.commitIntervalMs) - nowMs;
    if (dueMs === -Infinity) return Math.max(1, pauseMs);
    const timeMs = this.#time.idleTarget(nowMs) ?? this.#time.taskTimeMs ?? dueMs;
    return Math.max(1, dueMs + this.#spec.input.outOfOrdernessMs - timeMs);
  }

  /** Processes one batch: silently below the committed offset, else into the open commit. */
  async processNext(): Promise<void> {
    if (this.#isReplaying) return await this.#replayNext();
    const { batchRows, batchBytes } = this.#spec.settings;
    const input = this.#input.next({ rowsMax: batchRows, bytesMax: batchBytes });
    if (input === undefined) return;
    const { environment } = this.#parts;
    environment.observer.step("batch:fetched", { partition: this.partition, from: input.from, to: input.to });
    const head = this.#commits.head;
    invariant(input.from === head.offset, `I-10: records from ${input.from} came where ${head.offset} was expected`);
    const outputs = this.#openCommit();
    const time = { taskTimeMs: head.taskTimeMs ?? undefined, isReplaying: false };
    const taskTimeMs = await this.#processor.process(input, time, outputs);
    if (this.#processor.hasWrittenState) await this.#recovered.ownership.claim();
    if (taskTimeMs !== undefined) this.#time.jump(taskTimeMs);
    if (input.toRow > input.fromRow) this.#time.wake(environment.clock.monotonicMs());
    const rows = input.toRow - input.fromRow;
    const leaderEpoch = input.leaderEpoch;
    this.#commits.extend({ to: input.to, rows, taskTimeMs: taskTimeMs ?? null, leaderEpoch });
    environment.observer.step("batch:processed", { partition: this.partition, to: input.to, rows });
  }

  /** Lets time pass on an idle input: a journaled jump of task time, when there is something that it could close. */
  async passTime(nowMs: number): Promise<void> {
    if (this.#isReplaying || this.#isClosed || !this.#input.isEmpty) return;
    const target = this.#time.idleTarget(nowMs);
    const dueMs = this.#processor.dueMs();
    if (target === undefined || dueMs === undefined || target - this.#spec.input.outOfOrdernessMs < dueMs) return;
    if (dueMs === -Infinity && this.#idleInMs(nowMs) > 1) return;
    this.#jumpedAtMs = nowMs;
    const head = this.#commits.head;
    const entry = { offset: head.offset, kind: "jump" as const, value: target };
    if (!head.journal.canHold(entry)) {
      this.#keeper.forceCheckpoint("the decision journal is full: time stands still until a checkpoint makes room");
      return;
    }
    this.#parts.environment.observer.step("time:jumped", {
      partition: this.partition,
      offset: head.offset,
      taskTimeMs: target,
    });
    const outputs = this.#openCommit();
    this.#time.jump(target);
    await this.#processor.jump(head.offset, { taskTimeMs: target, isReplaying: false }, outputs);
    this.#commits.extend({ to: head.offset, rows: 0, taskTimeMs: target, decisions: [entry] });
  }

  /** Closes the open commit to more batches and hands it out; `undefined` when there is none or one is on its way. */
  seal(): SealedCommit | undefined {
    if (this.#isClosed || this.#commits.oldest === undefined || this.#commits.oldest.state === "sealed") {
      return undefined;
    }
    const commit = this.#commits.seal()!;
    const { after } = commit;
    this.#parts.environment.observer.step("commit:sealed", {
      partition: this.partition,
      to: after.offset,
      sequence: after.sequence,
    });
    const metadata = encodeCommitMetadata({
      lineage: this.#recovered.lineage,
      origin: this.#recovered.origin,
      ownerToken: this.#recovered.ownership.token,
      commitSequence: after.sequence,
      taskTimeMs: after.taskTimeMs,
      journal: after.journal,
      transactionalId: this.#transactionalId,
    });
    const position = { ...this.source, offset: after.offset, leaderEpoch: after.leaderEpoch, metadata };
    const { lineage } = this.#recovered;
    return {
      task: this,
      commit,
      lineage,
      before: this.#commits.witness,
      position,
      outputs: this.#outputs.get(commit.sequence)!,
    };
  }

  /** The oldest commit has happened. */
  apply(commit: OpenCommit): void {
    const resolved = this.#commits.resolveOldest("applied");
    invariant(resolved.sequence === commit.sequence, `I-03: commit ${commit.sequence} was applied out of order`);
    this.#recovered.state.applyOldest();
    this.#outputs.delete(commit.sequence);
    this.#keeper.committed(this.#commits.committed, commit.rows);
    this.#commitCount += 1;
  }

  /** Drops all open commits. @returns Where to fetch from again. */
  rewind(): bigint {
    if (!this.#isReplaying && this.#commits.oldest !== undefined) {
      const { rewindTo } = this.#commits.abortAll();
      this.#recovered.state.abortAll();
      this.#outputs.clear();
      this.#processor.reset();
      this.#time.restore(rewindTo.taskTimeMs);
      this.#time.wake(this.#parts.environment.clock.monotonicMs());
    }
    this.#input.clear(this.position);
    return this.position;
  }

  /** Flushes and checkpoints what is due. Failures are logged and tried again; they do not stop the stream. */
  async keepState(): Promise<void> {
    if (this.#isReplaying || this.#isClosed) return;
    const trimTo = await this.#keeper.keep();
    if (trimTo !== undefined) this.#commits.trimJournal(trimTo);
  }

  /** Closes with nothing open: flushes, checkpoints, closes the store. */
  async closeClean(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { observer } = this.#parts.environment;
    observer.step("task:closing", { partition: this.partition });
    invariant(this.#commits.oldest === undefined, "a task with an open commit is not closed clean");
    if (!this.#isReplaying) await this.#keeper.finish();
    await this.#recovered.state.close();
    observer.step("task:closed-clean", { partition: this.partition });
  }

  /** Closes at once: what is open is dropped and processed again by the next owner. */
  async closeDirty(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#keeper.abandon();
    await this.#recovered.state.close();
    this.#parts.environment.observer.step("task:closed-dirty", { partition: this.partition });
  }

  /** What the task is doing. */
  status(): TaskStatus {
    const { topic, partition } = this.source;
    return {
      topic,
      partition,
      lifecycle: this.#isClosed ? "closed" : this.#isReplaying ? "replaying" : "running",
      position: this.position,
      committed: this.#commits.committed.offset,
      highWatermark: this.#highWatermark,
      taskTimeMs: this.#time.taskTimeMs ?? undefined,
      rejectedRows: this.#processor.rejectedRows,
      commits: this.#commitCount,
      checkpointed: this.#keeper.checkpointed,
    };
  }

  /** Outputs of the commit that takes the next batch; opens one in state when there is none. */
  #openCommit(): CommitOutputs {
    const sequence = this.#commits.accumulating?.sequence ?? this.#commits.head.sequence + 1;
    let outputs = this.#outputs.get(sequence);
    if (outputs === undefined) {
      this.#outputs.set(sequence, outputs = new CommitOutputs());
      this.#recovered.state.begin();
    }
    return outputs;
  }

  /** Reprocesses records below the committed offset without producing, with the journal's decisions at their offsets. */
  async #replayNext(): Promise<void> {
    const { live } = this.#recovered;
    const { batchRows, batchBytes } = this.#spec.settings;
    const next = live.journal.nextOffset(this.#replayed.offset);
    const stopAt = next !== undefined && next < live.offset ? next : live.offset;
    const input = this.#input.next({ rowsMax: batchRows, bytesMax: batchBytes, stopAt });
    if (input !== undefined) await this.#replayBatch(input);
    await this.#replayDecisions();
    await this.#goLiveWhenThere();
  }

  async #replayBatch(input: InputBatch): Promise<void> {
    const { state } = this.#recovered;
    const time = { taskTimeMs: this.#replayed.taskTimeMs ?? undefined, isReplaying: true };
    state.begin();
    const taskTimeMs = await this.#processor.process(input, time, new CommitOutputs());
    state.applyOldest();
    if (taskTimeMs !== undefined) this.#time.jump(taskTimeMs);
    const { leaderEpoch } = input;
    this.#replayed = { ...this.#replayed, offset: input.to, leaderEpoch, taskTimeMs: taskTimeMs ?? null };
  }

  async #replayDecisions(): Promise<void> {
    const { state, live } = this.#recovered;
    for (const entry of live.journal.entriesAt(this.#replayed.offset)) {
      if (entry.kind !== "jump" || this.#replayed.offset > live.offset || !this.#time.jump(entry.value)) continue;
      state.begin();
      await this.#processor.jump(entry.offset, { taskTimeMs: entry.value, isReplaying: true }, new CommitOutputs());
      state.applyOldest();
      this.#replayed = { ...this.#replayed, taskTimeMs: entry.value };
    }
  }

  async #goLiveWhenThere(): Promise<void> {
    const { live, restored } = this.#recovered;
    if (this.#replayed.offset < live.offset) return;
    const { observer, clock } = this.#parts.environment;
    if (restored.offset < live.offset) {
      observer.step("restore:silent-replay-done", { partition: this.partition, rows: live.offset - restored.offset });
      observer.log("info", "Silent replay is done", {
        subscription: this.#spec.name,
        partition: this.partition,
        from: restored.offset,
        to: live.offset,
      });
    }
    this.#isReplaying = false;
    if (live.taskTimeMs !== null) this.#time.jump(live.taskTimeMs);
    const { lineage, witness } = this.#recovered;
    this.#commits = new OpenCommits({ ...live, taskTimeMs: this.#time.taskTimeMs }, { lineage, witness });
    this.#time.wake(clock.monotonicMs());
    this.#processor.reset();
    this.#keeper.live(this.#commits.committed);
    observer.step("restore:live", { partition: this.partition, offset: live.offset });
    if (!this.#recovered.isCommitNeeded) return;
    // The group does not know this lineage or position yet: a commit without rows says so before any record.
    this.#openCommit();
    this.#commits.extend({ to: live.offset, rows: 0, taskTimeMs: this.#time.taskTimeMs });
  }
}
