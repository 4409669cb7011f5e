/**
 * I-30: wall clock steps of a day change only stamps: while no record comes, task time goes on by no more than the time that
 * has passed.
 *
 * That a whole run gives the same state with and without such steps is compared by who runs it twice.
 */
import type { StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, FiredFault, InvariantId, RunView, SimProcess } from "../contracts.ts";
import { type CommitHistory, type Committed, describeCommit, describePlace, isOurs } from "./commit_history.ts";
import { describeProcess, lifeKey } from "./seam_handles.ts";

/** What waits that began before the last commit became visible may add. */
const SLACK_MS = 180_000;
/** Clocks may run faster than the world's by this. */
const FASTEST_CLOCK = 1.5;
/** What has come due is done one event later. */
const EVENT_MS = 50;

/** A jump of time that no record has followed yet. */
interface Jump {
  readonly taskTimeMs: number;
  readonly atMs: number;
  readonly suspendedMs: number;
}

/** Watches how far task time goes on by itself. */
export class WallClock implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-30"];
  readonly #view: RunView;
  /** How far monotonic clocks have jumped ahead, all together. */
  #suspendedMs = 0;
  readonly #jumps = new Map<string, Jump>();

  /**
   * @param view The run.
   * @param history What the groups have committed.
   */
  constructor(view: RunView, history: CommitHistory) {
    this.#view = view;
    history.onCommit((commit, before) => this.#committed(commit, before));
  }

  fault({ fault }: FiredFault): void {
    if (fault.kind === "C4") this.#suspendedMs += fault.durationMs;
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    if (label === "time:jumped") return this.#jumped(process, detail);
    if (label === "batch:fetched" || label === "restore:live") this.#jumps.delete(taskKey(process, detail));
    else if (label === "commit:aborted" || label === "commit:resolved-aborted") this.#jumps.clear();
  }

  /** Two jumps without a record between them are as far from each other as time has passed. */
  #jumped(process: SimProcess, detail: StepDetail): void {
    const key = taskKey(process, detail);
    const before = this.#jumps.get(key);
    const { nowMs } = this.#view;
    const taskTimeMs = detail.taskTimeMs as number;
    this.#jumps.set(key, { taskTimeMs, atMs: nowMs, suspendedMs: this.#suspendedMs });
    if (before === undefined) return;
    const passedMs = nowMs - before.atMs;
    const mostMs = passedMs * FASTEST_CLOCK + this.#suspendedMs - before.suspendedMs + EVENT_MS;
    const wentMs = taskTimeMs - before.taskTimeMs;
    if (wentMs >= 0 && wentMs <= mostMs) return;
    this.#view.violate(
      "I-30",
      `the task time of partition ${detail.partition} of '${detail.subscription}' in ${
        describeProcess(process)
      } jumped from ` +
        `${before.taskTimeMs} to ${taskTimeMs}: expected it to go on by about the ${
          passedMs.toFixed(0)
        } ms that have passed`,
    );
  }

  #committed(commit: Committed, before: Committed | undefined): void {
    if (!isOurs(commit) || !isOurs(before) || commit.offset !== before.offset) return;
    if (this.#view.excused.has(`${commit.topic}:${commit.partition}`)) return;
    const { lineage, taskTimeMs } = commit.metadata;
    const wasMs = before.metadata.taskTimeMs;
    if (lineage !== before.metadata.lineage || taskTimeMs === null || wasMs === null) return;
    const passedMs = commit.atMs - before.atMs;
    const mostMs = passedMs * FASTEST_CLOCK + this.#suspendedMs + SLACK_MS;
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

function taskKey(process: SimProcess, { subscription, partition }: StepDetail): string {
  return `${lifeKey(process)} ${subscription} ${partition}`;
}
