/** Bounds of what may be lost with the memory, and of a replay. */
export interface ReplayBounds {
  /** The committed overlay is flushed at least so often. */
  readonly stateFlushIntervalMs: number;
  /** The committed overlay is flushed when it holds so many bytes. */
  readonly stateFlushBytes: number;
  /** A checkpoint is taken so often. */
  readonly checkpointIntervalMs: number;
  /** A checkpoint is forced when a replay from the newest one would process so many rows. */
  readonly replayRowsMax: number;
  /** A checkpoint is forced when a replay from the newest one would take so long. */
  readonly replayMsMax: number;
}

/** Where the task stands, between two commits. */
export interface ReplayExposure {
  /** Monotonic time since the last flush (or the start of the task). */
  readonly sinceFlushMs: number;
  /** Bytes that a flush would write; 0: nothing to flush. */
  readonly dirtyBytes: number;
  /** Monotonic time since the last checkpoint was begun (or the start of the task). */
  readonly sinceCheckpointMs: number;
  /** Rows committed since the newest intact checkpoint. */
  readonly rowsSinceCheckpoint: number;
  /** Processing time of those rows. */
  readonly processingMsSinceCheckpoint: number;
  /** Whether anything was committed since the newest intact checkpoint, be it only time. */
  readonly hasNewCommits: boolean;
  /** Committed offset. */
  readonly committed: bigint;
  /** Position of the newest intact checkpoint, or the origin of the lineage when there is none. */
  readonly checkpointed: bigint;
  /** First offset that the log still holds. */
  readonly logStart: bigint;
  /** Whether the decision journal had no room for a decision. */
  readonly isJournalFull: boolean;
  /** Forced checkpoints that failed since the last that did not. */
  readonly forcedFailures: number;
}

/** What is due. */
export interface ReplayVerdict {
  /** Flush the committed overlay. */
  readonly isFlushDue: boolean;
  /** Take a checkpoint: not now, as its time has come, or at once. */
  readonly checkpoint: "none" | "due" | "forced";
  /** Why one is forced. */
  readonly reason: "rows" | "time" | "log-start" | "journal" | undefined;
  /** Commits must wait, loudly: without a checkpoint, recovery would soon be impossible. */
  readonly isCommitHeld: boolean;
}

/**
 * Keeps recovery possible and short. A forced checkpoint is one that cannot wait; when it fails again and again, commits
 * stop at twice the bound, before retention removes what a replay needs.
 *
 * Near the log's start means: the start is at most as far behind the newest checkpoint as the committed offset is ahead of
 * it. After each forced checkpoint that distance has to double, so that a slowly moving start forces few.
 *
 * @param exposure Where the task stands.
 * @param bounds The options.
 */
export function replayVerdict(exposure: ReplayExposure, bounds: ReplayBounds): ReplayVerdict {
  const isFlushDue = exposure.dirtyBytes > 0 &&
    (exposure.sinceFlushMs >= bounds.stateFlushIntervalMs || exposure.dirtyBytes >= bounds.stateFlushBytes);
  if (!exposure.hasNewCommits) return { isFlushDue, checkpoint: "none", reason: undefined, isCommitHeld: false };
  const rows = exposure.rowsSinceCheckpoint / bounds.replayRowsMax;
  const time = exposure.processingMsSinceCheckpoint / bounds.replayMsMax;
  const behind = Number(exposure.committed - exposure.checkpointed);
  const room = Number(exposure.checkpointed - exposure.logStart);
  const retention = exposure.logStart > 0n && behind > 0 ? behind / Math.max(room, 1) : 0;
  const reason = rows >= 1
    ? "rows"
    : time >= 1
    ? "time"
    : retention >= 1
    ? "log-start"
    : exposure.isJournalFull
    ? "journal"
    : undefined;
  const isDue = exposure.sinceCheckpointMs >= bounds.checkpointIntervalMs;
  return {
    isFlushDue,
    checkpoint: reason !== undefined ? "forced" : isDue ? "due" : "none",
    reason,
    isCommitHeld: exposure.forcedFailures > 0 && Math.max(rows, time, retention) >= 2,
  };
}

/**
 * How long until something is due by time alone.
 *
 * @param exposure Where the task stands.
 * @param bounds The options.
 * @returns Milliseconds, 0 when something is due now; infinite when time alone makes nothing due.
 */
export function replayDueInMs(exposure: ReplayExposure, bounds: ReplayBounds): number {
  const { isFlushDue, checkpoint } = replayVerdict(exposure, bounds);
  if (isFlushDue || checkpoint !== "none") return 0;
  const flushInMs = exposure.dirtyBytes > 0 ? bounds.stateFlushIntervalMs - exposure.sinceFlushMs : Infinity;
  if (!exposure.hasNewCommits) return flushInMs;
  const checkpointInMs = bounds.checkpointIntervalMs - exposure.sinceCheckpointMs;
  return Math.min(flushInMs, checkpointInMs, bounds.replayMsMax - exposure.processingMsSinceCheckpoint);
}
