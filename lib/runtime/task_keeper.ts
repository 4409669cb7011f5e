/**
 * Keeps a task's state safe: flushes of the committed overlay, checkpoints between two commits, retention. All of it runs
 * beside the stream, one thing at a time; a failure is logged and tried again, and never loses what was safe before.
 *
 * Keeps: I-02 and I-03 (a flush carries the position of exactly the committed state), and the bound of a replay: a
 * checkpoint is forced when a recovery would have to replay too much.
 */
import { invariant } from "../base/assert.ts";
import { BlobError, CheckpointConflictError, StateError } from "../base/errors.ts";
import { errorAction } from "../core/error_policy.ts";
import type { CommitPoint } from "../core/open_commits.ts";
import { decodePosition, encodePosition, type TaskPosition } from "../core/position.ts";
import {
  type ReplayBounds,
  replayDueInMs,
  type ReplayExposure,
  type ReplayVerdict,
  replayVerdict,
} from "../core/replay_bound.ts";
import type { TopicPartition } from "../seams/broker.ts";
import type { Environment } from "../seams/adapter.ts";
import type { StateSnapshot } from "../seams/state_store.ts";
import type { Ownership } from "./ownership.ts";
import type { RunnerOptions } from "./runner_parts.ts";
import type { SubscriptionSpec } from "./subscription_spec.ts";

/** What the keeper needs of a task's state. */
export interface KeptState {
  /** Bytes that a flush would write, about. */
  readonly pendingBytes: number;
  /** Rows that a flush would write. */
  readonly pendingRows: number;
  /** Writes the committed overlay and its position in one atomic write. */
  flush(position: Uint8Array): Promise<void>;
  /** The store as of the last flush. */
  snapshot(): Promise<StateSnapshot>;
}

/** Uploads a snapshot and drops checkpoints that are not kept. */
export interface CheckpointSink {
  /**
   * @param snapshot A consistent view of the store; released in any case.
   * @param position What was written with it.
   * @returns Offset of the oldest checkpoint that is kept.
   */
  publish(snapshot: StateSnapshot, position: TaskPosition): Promise<bigint>;
}

/** What a keeper is made of. */
export interface TaskKeeperParts {
  /** The input partition. */
  readonly source: TopicPartition;
  /** Id of its topic when the task was opened: offsets of the state count in that one. */
  readonly topicId: string;
  /** Lineage of the task. */
  readonly lineage: string;
  /** Where the lineage began. */
  readonly origin: bigint;
  /** Where the newest intact checkpoint stands that a restore could choose, if there is one. */
  readonly checkpointed: TaskPosition | undefined;
  /** The state. */
  readonly state: KeptState;
  /** Whether the local store outlives the process. */
  readonly isDurable: boolean;
  /** Owner token, once there is one. */
  readonly ownership: Ownership;
  /** Where checkpoints go. */
  readonly checkpoints: CheckpointSink;
  /** Clock and observer. */
  readonly environment: Environment;
  /** Intervals. */
  readonly options: RunnerOptions;
  /** First offset that the log held when the task was opened. */
  readonly logStart: bigint;
}

/** How often to look at what ends by itself, or failed and is tried again, in milliseconds. */
const LOOK_MS = 100;

/** Flushes and checkpoints of one task. */
export class TaskKeeper {
  readonly #spec: SubscriptionSpec;
  readonly #parts: TaskKeeperParts;
  #point: CommitPoint | undefined;
  #flushed: CommitPoint | undefined;
  #flushedAtMs: number;
  #checkpointedAtMs: number;
  #checkpointed: bigint | undefined;
  #checkpointedSequence = -1;
  #rowsSince = 0;
  #forcedReason: string | undefined;
  #forcedFailures = 0;
  #notBeforeMs = 0;
  #trimTo: bigint | undefined;
  #running: Promise<void> | undefined;
  #fatal: Error | undefined;
  #logStart: bigint;
  #isHeld = false;
  #rival: { readonly ownerToken: number; readonly seenAtSequence: number } | undefined;
  #isAbandoned = false;

  /**
   * @param spec The subscription.
   * @param parts State, ownership and where checkpoints go.
   */
  constructor(spec: SubscriptionSpec, parts: TaskKeeperParts) {
    this.#spec = spec;
    this.#parts = parts;
    this.#checkpointed = parts.checkpointed?.offsets[0]?.offset;
    this.#logStart = parts.logStart;
    const nowMs = parts.environment.clock.monotonicMs();
    this.#flushedAtMs = nowMs;
    this.#checkpointedAtMs = nowMs;
  }

  /** Offset of the newest checkpoint, if there is one. */
  get checkpointed(): bigint | undefined {
    return this.#checkpointed;
  }

  /** Whether commits must wait, loudly: without a checkpoint, recovery would soon be impossible. */
  get isCommitHeld(): boolean {
    if (!this.#parts.ownership.isClaimed) return false;
    const { isCommitHeld: isHeld } = this.#verdict();
    if (isHeld && !this.#isHeld) {
      this.#log("error", "Commits are held until a checkpoint succeeds, as a recovery would soon be impossible", {
        checkpointed: this.#checkpointed,
        failures: this.#forcedFailures,
      });
    } else if (!isHeld && this.#isHeld) {
      this.#log("info", "Commits go on: a checkpoint has succeeded");
    }
    this.#isHeld = isHeld;
    return isHeld;
  }

  /** A fetch has told where the log begins now. */
  sawLogStart(logStart: bigint): void {
    this.#logStart = logStart;
  }

  /** The task goes live at a point; nothing has been flushed by this owner. */
  live(point: CommitPoint): void {
    this.#point = point;
    // A task that is opened again and again without input needs no other checkpoint each time.
    if (point.offset === this.#checkpointed) this.#checkpointedSequence = this.#parts.checkpointed!.commitSequence;
  }

  /** A commit has happened. */
  committed(point: CommitPoint, rows: number): void {
    invariant(
      this.#point === undefined || point.sequence === this.#point.sequence + 1,
      `I-08: commit ${point.sequence} came after commit ${this.#point?.sequence}`,
    );
    this.#point = point;
    this.#rowsSince += rows;
  }

  /** A decision cannot be taken before a checkpoint makes room in the journal. */
  forceCheckpoint(reason: string): void {
    if (this.#forcedReason === undefined) this.#log("warn", `A checkpoint is forced: ${reason}`);
    this.#forcedReason = reason;
  }

  /**
   * Starts what is due.
   *
   * @returns Offset below which no replay begins any more, when a checkpoint has made that known.
   * @throws {StateError} when the local store cannot be written any more (disk full, damaged).
   */
  keep(): bigint | undefined {
    if (this.#fatal !== undefined) throw this.#fatal;
    const trimTo = this.#trimTo;
    this.#trimTo = undefined;
    if (this.#running !== undefined || !this.#hasCommits) return trimTo;
    const verdict = this.#verdict();
    const nowMs = this.#parts.environment.clock.monotonicMs();
    const wantsCheckpoint = (verdict.checkpoint !== "none" || this.#forcedReason !== undefined) &&
      nowMs >= this.#notBeforeMs;
    if (wantsCheckpoint) this.#start(() => this.#checkpoint(verdict));
    else if (verdict.isFlushDue) this.#start(() => this.#flush());
    return trimTo;
  }

  /** Milliseconds until {@linkcode TaskKeeper.keep}, which has just been called, may have something to do; or infinite. */
  dueInMs(): number {
    if (this.#fatal !== undefined || this.#trimTo !== undefined) return 0;
    if (this.#running !== undefined) return LOOK_MS;
    if (!this.#hasCommits) return Infinity;
    const dueInMs = replayDueInMs(this.#exposure(), this.#bounds());
    // What is due and was not started has failed a moment ago. A wait by a rounding error would be no wait.
    return dueInMs === 0 ? LOOK_MS : Math.max(1, dueInMs);
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Last flush and checkpoint of a task that closes clean. Failures are logged: a replay makes up for them. */
  async finish(): Promise<void> {
    await this.settled();
    if (!this.#hasCommits || this.#fatal !== undefined) return;
    if (this.#point!.sequence === this.#checkpointedSequence) return;
    this.#start(() => this.#checkpoint(this.#verdict()));
    await this.settled();
  }

  /** Starts nothing more. What is under way ends by itself, as its store is closed. */
  abandon(): void {
    this.#point = undefined;
    this.#isAbandoned = true;
  }

  /** Before the first commit the group does not know of the lineage: state that is left behind could not be placed. */
  get #hasCommits(): boolean {
    return this.#parts.ownership.isClaimed && this.#point !== undefined && this.#point.sequence > 0;
  }

  #verdict(): ReplayVerdict {
    return replayVerdict(this.#exposure(), this.#bounds());
  }

  #exposure(): ReplayExposure {
    const { environment, origin } = this.#parts;
    const nowMs = environment.clock.monotonicMs();
    const committed = this.#point?.offset ?? origin;
    return {
      sinceFlushMs: nowMs - this.#flushedAtMs,
      dirtyBytes: this.#dirtyBytes(),
      sinceCheckpointMs: nowMs - this.#checkpointedAtMs,
      rowsSinceCheckpoint: this.#rowsSince,
      processingMsSinceCheckpoint: nowMs - this.#checkpointedAtMs,
      hasNewCommits: this.#point !== undefined && this.#point.sequence !== this.#checkpointedSequence,
      committed,
      checkpointed: this.#checkpointed ?? origin,
      logStart: this.#logStart,
      isJournalFull: this.#forcedReason !== undefined,
      forcedFailures: this.#forcedFailures,
    };
  }

  #bounds(): ReplayBounds {
    const { options } = this.#parts;
    const { settings } = this.#spec;
    return {
      stateFlushIntervalMs: options.stateFlushIntervalMs,
      stateFlushBytes: settings.stateFlushBytes,
      checkpointIntervalMs: options.checkpointIntervalMs,
      replayRowsMax: settings.replayRowsMax,
      replayMsMax: settings.replayMsMax,
    };
  }

  /** A store that does not outlive the process is only worth a flush when the overlay grows, or for a checkpoint. */
  #dirtyBytes(): number {
    const { state, isDurable } = this.#parts;
    const hasMoved = this.#point !== undefined && this.#point.sequence !== this.#flushed?.sequence;
    if (!isDurable) return state.pendingBytes >= this.#spec.settings.stateFlushBytes ? state.pendingBytes : 0;
    return state.pendingBytes > 0 ? state.pendingBytes : hasMoved ? 1 : 0;
  }

  #start(work: () => Promise<void>): void {
    this.#running = work().catch((error) => {
      if (this.#isAbandoned) return;
      this.#log("error", `State could not be made safe and will be tried again: ${(error as Error).message}`, {
        error: (error as Error).name,
      });
      if (isFatal(error)) this.#fatal = error as Error;
    }).finally(() => this.#running = undefined);
  }

  async #flush(): Promise<void> {
    const { environment, state, source } = this.#parts;
    const point = this.#point!;
    const detail = { subscription: this.#spec.name, partition: source.partition, offset: point.offset };
    environment.observer.step("flush:before", { ...detail, rows: state.pendingRows });
    await state.flush(encodePosition(this.#position(point)));
    this.#flushed = point;
    this.#flushedAtMs = environment.clock.monotonicMs();
    environment.observer.step("flush:after", detail);
  }

  async #checkpoint(verdict: ReplayVerdict): Promise<void> {
    const { environment, state, checkpoints } = this.#parts;
    const isForced = verdict.checkpoint === "forced" || this.#forcedReason !== undefined;
    const rowsBefore = this.#rowsSince;
    try {
      if (this.#isOwnerAfterAll) await this.#claimAgain();
      if (this.#point!.sequence !== this.#flushed?.sequence || state.pendingRows > 0) await this.#flush();
      const snapshot = await state.snapshot();
      invariant(snapshot.position !== undefined, "I-02: a store that was flushed has a position");
      const position = decodePosition(snapshot.position);
      invariant(
        position.commitSequence === this.#flushed?.sequence,
        `I-02: a snapshot is of the flush before it: commit ${position.commitSequence}, not ${this.#flushed?.sequence}`,
      );
      this.#trimTo = await checkpoints.publish(snapshot, position);
      this.#checkpointed = position.offsets[0]!.offset;
      // Where the last one stands too, another one makes room only as it takes the place of an older one: there is no hurry.
      if (isForced && position.commitSequence === this.#checkpointedSequence) this.#pause();
      this.#checkpointedSequence = position.commitSequence;
      this.#rowsSince -= rowsBefore;
      this.#forcedFailures = 0;
      this.#forcedReason = undefined;
      this.#checkpointedAtMs = environment.clock.monotonicMs();
    } catch (error) {
      if (isForced) this.#forcedFailures += 1;
      if (error instanceof CheckpointConflictError) this.#outranked(Number(error.context.greatest ?? 0));
      this.#pause();
      throw error;
    }
  }

  /** No other checkpoint for a while. */
  #pause(): void {
    const { environment, options } = this.#parts;
    this.#notBeforeMs = environment.clock.monotonicMs() + Math.min(1_000, options.checkpointIntervalMs);
  }

  /** Somebody has claimed a greater token: a later owner, or one that lost the partition before it claimed. */
  #outranked(ownerToken: number): void {
    if (ownerToken > (this.#rival?.ownerToken ?? 0)) {
      this.#rival = { ownerToken, seenAtSequence: this.#point!.sequence };
    }
  }

  /**
   * Whether the group still takes our commits: one that began after the rival was seen has happened. The commit that was on
   * its way at that moment proves nothing.
   */
  get #isOwnerAfterAll(): boolean {
    return this.#rival !== undefined && this.#point!.sequence >= this.#rival.seenAtSequence + 2;
  }

  async #claimAgain(): Promise<void> {
    const { ownership } = this.#parts;
    const { token: before } = ownership;
    await ownership.claimAgain();
    this.#log("warn", "A process that does not own the task has claimed it: claimed again, as commits still succeed", {
      rival: this.#rival!.ownerToken,
      before,
      ownerToken: ownership.token,
    });
    this.#rival = undefined;
    // The store says who wrote it.
    this.#flushed = undefined;
  }

  #position(point: CommitPoint): TaskPosition {
    const { source: { topic, partition }, topicId } = this.#parts;
    return {
      offsets: [{ topic, partition, offset: point.offset, leaderEpoch: point.leaderEpoch, topicId }],
      taskTimeMs: point.taskTimeMs,
      commitSequence: point.sequence,
      lineage: this.#parts.lineage,
      origin: this.#parts.origin,
      ownerToken: this.#parts.ownership.token,
      journal: point.journal,
    };
  }

  #log(level: "info" | "warn" | "error", message: string, detail: Record<string, unknown> = {}): void {
    const { partition } = this.#parts.source;
    this.#parts.environment.observer.log(level, message, { subscription: this.#spec.name, partition, ...detail });
  }
}

/** Whether the local store cannot go on. What only concerns the upload of a checkpoint is tried again instead. */
function isFatal(error: unknown): boolean {
  const action = errorAction(error);
  if (action === "stop-process") return true;
  if (error instanceof StateError) return action === "stop-task" || action === "restore";
  return action === "stop-task" && !(error instanceof BlobError);
}
