/**
 * I-26 (in part): a worker that was drained holds no partition back: it has left its groups, with its static seats too, so
 * that others need not wait until its session is over.
 */
import type { LogLevel } from "../../../lib/seams/observer.ts";
import type { CallEvent, Checker, InvariantId, RunView, SimProcess } from "../contracts.ts";
import { FOREIGN } from "../faults/strike.ts";
import { describeProcess } from "./seam_handles.ts";

/** Watches what drained workers leave behind. */
export class Drains implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-26"];
  readonly #view: RunView;
  /** Lives whose word that they leave was lost at some time: their seats end with their sessions. */
  readonly #unheard = new Set<number>();

  /** @param view The run. */
  constructor(view: RunView) {
    this.#view = view;
  }

  call({ call, phase, process }: CallEvent): void {
    if (call === "leave" && phase === "failed") this.#unheard.add(process.number);
  }

  process({ number }: SimProcess, what: string): void {
    if (what === "starting") this.#unheard.delete(number);
  }

  log(process: SimProcess, level: LogLevel, message: string): void {
    if (level !== "info" || !message.endsWith("is drained")) return;
    this.#view.mark("a worker was drained");
    if (this.#unheard.has(process.number)) return;
    const instance = `instance-${process.number}-`;
    const { cluster } = this.#view.broker;
    for (const groupId of cluster.state.groups.keys()) {
      // Nobody could be told, for as long as a goodbye is tried again.
      if (cluster.isMoving(groupId)) continue;
      for (const { instanceId, memberId, assignment } of this.#view.broker.members(groupId)) {
        if (instanceId?.startsWith(instance) !== true || memberId.startsWith(FOREIGN)) continue;
        this.#view.violate(
          "I-26",
          `${
            describeProcess(process)
          } is drained, and group '${groupId}' still has its member '${memberId}' of instance ` +
            `'${instanceId}': expected others to have its partitions at once, found it holding ${
              assignment.map(({ topic, partition }) => `${topic}:${partition}`).join(", ") || "nothing"
            }`,
        );
      }
    }
  }
}
