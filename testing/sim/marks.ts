import type { Checker, RunView } from "./contracts.ts";

/** Rare events that runs should meet now and then, each with how it is recognised. */
export const MARKS = {
  "unknown commit resolved as committed": "step commit:resolved-committed",
  "unknown commit resolved as aborted": "step commit:resolved-aborted",
} as const satisfies Readonly<Record<string, string>>;

/** Name of a mark. */
export type Mark = keyof typeof MARKS;

/**
 * Recognises marks from what a run shows, and tells them to `view.mark`.
 *
 * @param view The run.
 */
export function marksChecker(view: RunView): Checker {
  const mark = (name: Mark): void => view.mark(name);
  return {
    invariants: [],
    step: (_process, label) => {
      if (label === "commit:resolved-committed") mark("unknown commit resolved as committed");
      if (label === "commit:resolved-aborted") mark("unknown commit resolved as aborted");
    },
  };
}
