import { invariant } from "../base/assert.ts";
import type { DecisionEntry } from "./decision_entry.ts";
import type { DecisionJournal } from "./decision_journal.ts";

/** Where a task stands between two commits. */
export interface CommitPoint {
  /** Next offset. */
  readonly offset: bigint;
  /** Leader epoch of the last record read, or -1. */
  readonly leaderEpoch: number;
  /** Number of commits of the lineage up to here. */
  readonly sequence: number;
  /** Task time here, or `null` before the first record. */
  readonly taskTimeMs: number | null;
  /** Decisions up to here. */
  readonly journal: DecisionJournal;
}

/** One commit of one task that is not known to have happened. */
export interface OpenCommit {
  /** Number of the commit in its lineage. */
  readonly sequence: number;
  /** Position before its first row. */
  readonly from: bigint;
  /** Position after its last row; equal to `from` when only time moved. */
  readonly to: bigint;
  /** Rows in it. */
  readonly rows: number;
  /** Task time before it. */
  readonly taskTimeBeforeMs: number | null;
  /** Task time after it. */
  readonly taskTimeAfterMs: number | null;
  /** Decisions taken in it. */
  readonly decisions: readonly DecisionEntry[];
  /** `open`: takes more batches; `sealed`: waits for its outcome. */
  readonly state: "open" | "sealed";
  /** Where the task stands once it has happened. */
  readonly after: CommitPoint;
}

/** What a batch or a decision adds to the open commit. */
export interface CommitExtension {
  /** Position after the last row. */
  readonly to: bigint;
  /** Rows. */
  readonly rows: number;
  /** Task time after them. */
  readonly taskTimeMs: number | null;
  /** Leader epoch of the last record, or -1. @default {that of the commit before} */
  readonly leaderEpoch?: number;
  /** Decisions taken, in input order. @default {[]} */
  readonly decisions?: readonly DecisionEntry[];
}

/**
 * Commits of one task between processing and their outcome, oldest first.
 *
 * ```
 *            extend()            seal()               resolveOldest("applied")
 *  (none) ------------> open ------------> sealed ------------------------------> committed point
 *                         |                   |
 *                         +----- abortAll() --+----> gone: back to the committed point
 * ```
 * Invariants: sequences increase by one; ranges are contiguous and never go back (I-08); only the oldest commit joins the
 * committed point, so that nothing uncommitted can get below a newer one (I-03); undo drops a commit and all after it.
 */
export class OpenCommits {
  #committed: CommitPoint;
  #commits: OpenCommit[] = [];

  /** @param committed Where the task stands when it goes live. */
  constructor(committed: CommitPoint) {
    this.#committed = committed;
  }

  /** Where the last commit that is known to have happened ended: what flushes and snapshots may show. */
  get committed(): CommitPoint {
    return this.#committed;
  }

  /** Where processing stands: after the newest open commit. */
  get head(): CommitPoint {
    return this.#commits.at(-1)?.after ?? this.#committed;
  }

  /** The commit that takes batches, if any. */
  get accumulating(): OpenCommit | undefined {
    const last = this.#commits.at(-1);
    return last?.state === "open" ? last : undefined;
  }

  /** The commit whose outcome is waited for next, if any. */
  get oldest(): OpenCommit | undefined {
    return this.#commits[0];
  }

  /** All of them, oldest first. */
  get commits(): readonly OpenCommit[] {
    return this.#commits;
  }

  /**
   * Adds processed rows, decisions or both to the accumulating commit, which begins if there is none.
   *
   * @param more What to add.
   * @returns The accumulating commit.
   */
  extend(more: CommitExtension): OpenCommit {
    const before = this.accumulating === undefined ? this.head : this.#commits.at(-2)?.after ?? this.#committed;
    const present = this.accumulating;
    const head = this.head;
    invariant(more.to >= head.offset, `I-08: a commit never goes back: ${more.to} after ${head.offset}`);
    const offsets = more.to - head.offset;
    invariant(more.rows >= 0 && offsets >= more.rows, `${more.rows} rows do not stand in ${offsets} offsets`);
    invariant(
      head.taskTimeMs === null || (more.taskTimeMs !== null && more.taskTimeMs >= head.taskTimeMs),
      `task time never goes back: ${more.taskTimeMs} after ${head.taskTimeMs}`,
    );
    let journal = head.journal;
    for (const entry of more.decisions ?? []) {
      invariant(
        entry.offset >= head.offset && (entry.kind === "jump" ? entry.offset <= more.to : entry.offset < more.to),
        `a decision at ${entry.offset} is outside of its commit [${head.offset}, ${more.to})`,
      );
      journal = journal.with(entry);
    }
    const sequence = before.sequence + 1;
    const commit: OpenCommit = {
      sequence,
      from: before.offset,
      to: more.to,
      rows: (present?.rows ?? 0) + more.rows,
      taskTimeBeforeMs: before.taskTimeMs,
      taskTimeAfterMs: more.taskTimeMs,
      decisions: [...present?.decisions ?? [], ...more.decisions ?? []],
      state: "open",
      after: {
        offset: more.to,
        leaderEpoch: more.leaderEpoch ?? head.leaderEpoch,
        sequence,
        taskTimeMs: more.taskTimeMs,
        journal,
      },
    };
    this.#commits.splice(present === undefined ? this.#commits.length : this.#commits.length - 1, 1, commit);
    return commit;
  }

  /**
   * Closes the accumulating commit to more batches.
   *
   * @returns The sealed commit, or `undefined` when none accumulates.
   */
  seal(): OpenCommit | undefined {
    const present = this.accumulating;
    if (present === undefined) return undefined;
    const sealed: OpenCommit = { ...present, state: "sealed" };
    this.#commits[this.#commits.length - 1] = sealed;
    return sealed;
  }

  /**
   * The oldest commit has happened: it becomes the committed point.
   *
   * @param outcome Always `"applied"`: what has not happened is undone with all after it.
   * @returns The commit that was resolved.
   */
  resolveOldest(outcome: "applied"): OpenCommit {
    const commit = this.#commits[0];
    invariant(outcome === "applied", `I-03: a commit joins what is committed when it was applied: it was ${outcome}`);
    invariant(commit !== undefined, "a commit that is not open cannot be resolved");
    invariant(commit.state === "sealed", `commit ${commit.sequence} was resolved before it was sealed`);
    const { sequence, offset } = this.#committed;
    invariant(commit.sequence === sequence + 1, `I-08: commit ${commit.sequence} does not follow commit ${sequence}`);
    invariant(
      commit.from === offset,
      `I-08: commit ${commit.sequence} from ${commit.from} does not begin at ${offset}`,
    );
    this.#commits.shift();
    this.#committed = commit.after;
    return commit;
  }

  /**
   * Drops every open commit, also the accumulating one: undo.
   *
   * @returns Where to process again from, and what was dropped, newest first (the order in which before-images are put
   * back).
   */
  abortAll(): { readonly rewindTo: CommitPoint; readonly dropped: readonly OpenCommit[] } {
    const dropped = this.#commits.reverse();
    this.#commits = [];
    return { rewindTo: this.#committed, dropped };
  }

  /**
   * Forgets decisions that no retained checkpoint needs.
   *
   * @param position Position of the oldest retained checkpoint.
   */
  trimJournal(position: bigint): void {
    invariant(
      position <= this.#committed.offset,
      `a journal cannot be trimmed past the committed offset, to ${position}`,
    );
    const trim = (point: CommitPoint): CommitPoint => ({ ...point, journal: point.journal.trimmed(position) });
    this.#committed = trim(this.#committed);
    this.#commits = this.#commits.map((commit) => ({ ...commit, after: trim(commit.after) }));
  }
}
