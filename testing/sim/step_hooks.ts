import type { StepLabel } from "../../lib/seams/observer.ts";
import type { SimProcess } from "./contracts.ts";

/** What is to happen at a step. */
export interface StepHook {
  /** At any of these. */
  readonly labels: readonly StepLabel[];
  /** Number of the process; `undefined`: any. */
  readonly process: number | undefined;
  /** Lets so many of its steps pass first. */
  skip: number;
  /** What happens. */
  readonly action: (process: SimProcess, label: StepLabel) => void;
}

/** What is to happen at steps: looked at with each of them, and there may be many that wait for a step that is rare. */
export class StepHooks {
  /** By label, in the order in which they were added. */
  readonly #hooks = new Map<StepLabel, StepHook[]>();

  /** Waits for a step. */
  add(hook: StepHook): void {
    for (const label of new Set(hook.labels)) {
      const hooks = this.#hooks.get(label);
      if (hooks === undefined) this.#hooks.set(label, [hook]);
      else hooks.push(hook);
    }
  }

  /** A process has made a step: what was added first for it happens, and waits no longer. */
  stepped(process: SimProcess, label: StepLabel): void {
    const hook = this.#hooks.get(label)?.find((each) => (each.process ?? process.number) === process.number);
    if (hook === undefined || hook.skip-- > 0) return;
    for (const each of new Set(hook.labels)) {
      const hooks = this.#hooks.get(each)!;
      hooks.splice(hooks.indexOf(hook), 1);
    }
    hook.action(process, label);
  }

  /** Waits for nothing any more. */
  clear(): void {
    this.#hooks.clear();
  }
}
