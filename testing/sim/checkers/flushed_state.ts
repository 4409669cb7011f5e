/**
 * I-03: the store never contains an uncommitted effect: each position that is written to a store is one that the group has
 * committed, and exactly-once it never lies above what is committed now.
 */
import { decodePosition, type TaskPosition } from "../../../lib/core/position.ts";
import type { Checker, InvariantId, RunView, StateCall } from "../contracts.ts";
import { type CommitHistory, describeCommit, describePlace, isOurs } from "./commit_history.ts";
import { describeProcess } from "./seam_handles.ts";

/** Watches what is written to local stores. */
export class FlushedState implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-03"];
  readonly #view: RunView;
  readonly #history: CommitHistory;

  /**
   * @param view The run.
   * @param history What the groups have committed.
   */
  constructor(view: RunView, history: CommitHistory) {
    this.#view = view;
    this.#history = history;
  }

  state(call: StateCall): void {
    if (call.method !== "apply" || call.phase !== "called" || call.position === undefined) return;
    this.#check(call, decodePosition(call.position));
  }

  #check({ process, incarnation, key }: StateCall, position: TaskPosition): void {
    const [at] = position.offsets;
    const { lineage, commitSequence } = position;
    // Before the first commit of a lineage there is only what the lineage began with.
    if (at === undefined || commitSequence === 0) return;
    const place = { groupId: `${key.application}.${key.subscription}`, topic: at.topic, partition: at.partition };
    // What is committed for a topic that was deleted goes with it.
    if (this.#view.excused.has(`${at.topic}:${at.partition}`)) return;
    const offset = Number(at.offset);
    const found = `position ${offset}, sequence ${commitSequence}, lineage ${lineage}`;
    const now = this.#history.decidedOf(place.groupId, place.topic, place.partition);
    const where = `the store of ${describePlace(place)} in ${describeProcess(process, incarnation)}`;
    if (!this.#history.hasBeen(place, { lineage, commitSequence, offset })) {
      this.#view.violate(
        "I-03",
        `${where} was given effects that are not committed: expected a position that the group has committed, found ` +
          `${found}; committed is ${describeCommit(now)}`,
      );
    } else if (
      now?.via === "transaction" && isOurs(now) && now.metadata.lineage === lineage &&
      now.offset < offset
    ) {
      this.#view.violate(
        "I-03",
        `${where} is ahead of the group: expected at most ${describeCommit(now)}, found ${found}`,
      );
    }
  }
}
