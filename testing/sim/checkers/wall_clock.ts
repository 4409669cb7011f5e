/**
 * I-30: wall clock steps of a day change only stamps: while no record comes, task time goes on by no more than the time that
 * has passed.
 *
 * That a whole run gives the same state with and without such steps is compared by who runs it twice.
 */
import type { Checker, FiredFault, InvariantId, RunView } from "../contracts.ts";
import { type CommitHistory, type Committed, describeCommit, describePlace, isOurs } from "./commit_history.ts";

/** What clocks that run too fast, and waits that began before the last commit, may add. */
const SLACK_MS = 600_000;
const FASTEST_CLOCK = 1.5;

/** Watches how far task time goes on by itself. */
export class WallClock implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-30"];
  readonly #view: RunView;
  #jumpsMs = 0;

  /**
   * @param view The run.
   * @param history What the groups have committed.
   */
  constructor(view: RunView, history: CommitHistory) {
    this.#view = view;
    history.onCommit((commit, before) => this.#committed(commit, before));
  }

  fault({ fault }: FiredFault): void {
    if (fault.kind === "C4") this.#jumpsMs += fault.durationMs;
  }

  #committed(commit: Committed, before: Committed | undefined): void {
    if (!isOurs(commit) || !isOurs(before) || commit.offset !== before.offset) return;
    if (this.#view.excused.has(`${commit.topic}:${commit.partition}`)) return;
    const { lineage, taskTimeMs } = commit.metadata;
    const wasMs = before.metadata.taskTimeMs;
    if (lineage !== before.metadata.lineage || taskTimeMs === null || wasMs === null) return;
    const passedMs = commit.atMs - before.atMs;
    const mostMs = passedMs * FASTEST_CLOCK + this.#jumpsMs + SLACK_MS;
    if (taskTimeMs - wasMs <= mostMs && taskTimeMs >= wasMs) return;
    this.#view.violate(
      "I-30",
      `the task time of ${
        describePlace(commit)
      } moved from ${wasMs} to ${taskTimeMs} without a record: expected it not to ` +
        `go back, and to go on by about the ${passedMs.toFixed(0)} ms that have passed (${describeCommit(commit)})`,
    );
  }
}
