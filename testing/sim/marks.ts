import type { Change } from "../../lib/embedded/change.ts";
import type { LogLevel, StepDetail, StepLabel } from "../../lib/seams/observer.ts";
import type { CallEvent, Checker, RunView, SeamCall, SimProcess } from "./contracts.ts";
import { CallMarks } from "./marks/call_marks.ts";
import { CrashMarks } from "./marks/crash_marks.ts";
import { LogMarks } from "./marks/log_marks.ts";
import { type Mark, MARKS } from "./marks/mark_names.ts";
import { RestoreMarks } from "./marks/restore_marks.ts";

export { type Mark, MARKS } from "./marks/mark_names.ts";

/** All marks, in the order of their table. */
export const MARK_LIST: readonly Mark[] = Object.freeze(Object.keys(MARKS) as Mark[]);

/**
 * Recognises marks from what a run shows, and tells them to `view.mark`.
 *
 * @param view The run.
 */
export function marksChecker(view: RunView): Checker {
  const tell = (mark: Mark): void => view.mark(mark);
  const calls = new CallMarks(view, tell);
  const crashes = new CrashMarks(tell);
  const restores = new RestoreMarks(view, tell);
  const logs = new LogMarks(tell);
  return {
    invariants: [],
    step: (process: SimProcess, label: StepLabel, detail: StepDetail) => {
      calls.step(process, label, detail);
      crashes.step(process, label, detail);
      restores.step(process, label, detail);
    },
    log: (process: SimProcess, level: LogLevel, message: string, detail: StepDetail) => {
      logs.log(process, level, message, detail);
      restores.log(process, level, message);
    },
    process: (process: SimProcess, what: string, error?: Error) => {
      crashes.process(process, what);
      calls.process(process, what);
      logs.process(process, what, error);
    },
    call: (event: CallEvent) => calls.call(event),
    seam: (call: SeamCall) => calls.seam(call),
    change: (change: Change) => calls.change(change),
  };
}

/** Marks that were never seen. */
export function missingMarks(counts: Readonly<Record<string, number>>): Mark[] {
  return MARK_LIST.filter((mark) => (counts[mark] ?? 0) === 0);
}

/**
 * The table of marks of a run or a campaign.
 *
 * @param counts How often each was seen.
 * @param options `format`: plain text, or a Markdown table. @default {"text"}
 */
export function formatMarks(
  counts: Readonly<Record<string, number>>,
  options: { readonly format?: "text" | "markdown" } = {},
): string {
  const missing = missingMarks(counts);
  const width = Math.max(...MARK_LIST.map((mark) => mark.length));
  const lines = options.format === "markdown"
    ? ["| mark | seen |", "| --- | ---: |", ...MARK_LIST.map((mark) => `| ${mark} | ${counts[mark] ?? 0} |`)]
    : MARK_LIST.map((mark) => `${mark.padEnd(width)}  ${counts[mark] ?? 0}`);
  const total = `${MARK_LIST.length - missing.length} of ${MARK_LIST.length} marks seen; missing: ${
    missing.join(", ") || "none"
  }.`;
  return [...lines, "", total].join("\n");
}
