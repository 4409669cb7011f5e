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

/** Where task time stood after the last record, or after the last jump that no record has followed. */
interface Stood {
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
  readonly #stood = new Map<string, Stood>();
  #steppedAtMs = -Infinity;

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
    if (fault.kind === "C1") this.#steppedAtMs = this.#view.nowMs;
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    if (label === "time:jumped") return this.#jumped(process, detail);
    if (label === "batch:processed") return this.#processed(process, detail);
    if (label === "restore:live") this.#stood.delete(taskKey(process, detail));
    else if (label === "commit:aborted" || label === "commit:resolved-aborted") this.#stood.clear();
  }

  /** Idle time is counted from records; control records alone are none. */
  #processed(process: SimProcess, detail: StepDetail): void {
    if (detail.rows === 0) return;
    const key = taskKey(process, detail);
    if (typeof detail.taskTimeMs === "number") this.#stand(key, detail.taskTimeMs);
    else this.#stood.delete(key);
  }

  #stand(key: string, taskTimeMs: number): void {
    this.#stood.set(key, { taskTimeMs, atMs: this.#view.nowMs, suspendedMs: this.#suspendedMs });
  }

  /** A jump goes as far from the last record, or the last jump, as time has passed. */
  #jumped(process: SimProcess, detail: StepDetail): void {
    const key = taskKey(process, detail);
    const before = this.#stood.get(key);
    const taskTimeMs = detail.taskTimeMs as number;
    this.#stand(key, taskTimeMs);
    if (before === undefined) return;
    if (before.atMs < this.#steppedAtMs) this.#view.mark("a wall clock stepped while an input was idle");
    const passedMs = this.#view.nowMs - before.atMs;
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
    // An older commit that lands late takes the group back with its time; nobody has processed at that time again.
    if (commit.metadata.commitSequence < before.metadata.commitSequence) return;
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
