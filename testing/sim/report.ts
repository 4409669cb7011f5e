import type { InvariantId, SimOptions } from "./contracts.ts";
import { describeFault, formatFaultPlan } from "./fault_plan.ts";
import type { PlannedFault } from "./fault_kinds.ts";
import { INVARIANT_SENTENCES } from "./invariant_sentences.ts";
import type { Shrunk } from "./shrink.ts";

/** Lines of the trace that a failure keeps. */
const TRACE_LINES_KEPT = 200;
/** Lines of the trace that are printed. */
const TRACE_LINES_PRINTED = 40;

/** A run that failed. */
export interface Failure {
  /** Seed of the run. */
  readonly seed: number;
  /** Version of the code. */
  readonly commit: string;
  /** Event at which it failed. */
  readonly step: number;
  /** Invariant that does not hold; `undefined` when the run itself broke. */
  readonly invariant: InvariantId | undefined;
  /** What was found. */
  readonly message: string;
  /** What was drawn for the run. */
  readonly options: SimOptions;
  /** Last lines of the trace, oldest first. */
  readonly traceTail: readonly string[];
  /** Faults of the run. */
  readonly plan: readonly PlannedFault[];
  /** Part of the plan that still fails, if it was looked for. */
  readonly shrunk?: Shrunk<PlannedFault> | undefined;
  /** Command that runs it again. */
  readonly command: string;
}

/**
 * A failure for people: what does not hold, how to see it again, which faults are needed for it, and what happened last.
 *
 * @param failure The run that failed.
 * @param options `traceLines`: how much of the trace. @default {40}
 */
export function failureText(failure: Failure, options: { readonly traceLines?: number } = {}): string {
  const { seed, commit, step, message, plan, shrunk, command } = failure;
  const traceLines = Math.min(TRACE_LINES_KEPT, options.traceLines ?? TRACE_LINES_PRINTED);
  const tail = failure.traceTail.slice(Math.max(0, failure.traceTail.length - traceLines));
  const kept = shrunk?.plan ?? plan;
  const sections = [
    [`Seed ${seed} failed at step ${step} (commit ${commit})`, ...violated(failure.invariant), `  ${message}`],
    ["Run it again:", `  ${command}`],
    [planTitle(plan, shrunk), ...kept.map((fault) => `  ${describeFault(fault)}`)],
    ["As JSON, for --faults FILE:", formatFaultPlan(kept)],
    [`Options: ${JSON.stringify(failure.options)}`],
    [`Last ${tail.length} lines of the trace:`, ...tail.map((line) => `  ${line}`)],
  ];
  return sections.map((lines) => lines.join("\n")).join("\n\n") + "\n";
}

/** The same with as much of the trace as is kept, for a file. */
export function failureFile(failure: Failure): string {
  return failureText(failure, { traceLines: TRACE_LINES_KEPT });
}

function violated(invariant: InvariantId | undefined): string[] {
  if (invariant === undefined) return ["The run itself broke:"];
  const sentence = INVARIANT_SENTENCES[invariant];
  return [sentence === undefined ? `${invariant} does not hold:` : `${invariant} does not hold: ${sentence}`];
}

function planTitle(plan: readonly PlannedFault[], shrunk: Shrunk<PlannedFault> | undefined): string {
  if (shrunk === undefined) return `Faults of the run (${plan.length}):`;
  if (shrunk.plan.length === 0) return `No fault is needed, it fails without any (found in ${shrunk.runs} runs).`;
  const how = shrunk.isMinimal ? "none of them can be left out" : "perhaps fewer would do";
  return `Faults needed for it: ${shrunk.plan.length} of ${plan.length} (${shrunk.runs} runs, ${how}):`;
}

/** What `simulate()` found. */
export interface Counterexample {
  /** Seed that failed. */
  readonly seed: number;
  /** Runs before and with it. */
  readonly runs: number;
  /** Which rule does not hold: an invariant, or the oracle of the caller. */
  readonly rule: string;
  /** What was found, and where to look. */
  readonly explanation: string;
  /** Faults of the run. */
  readonly plan: readonly PlannedFault[];
  /** Part of the plan that still fails. */
  readonly shrunk: Shrunk<PlannedFault>;
}

/**
 * The message with which `simulate()` fails, in the manner of fast-check: seed, counterexample, how to run it again.
 *
 * @param found What was found.
 */
export function counterexampleText(found: Counterexample): string {
  const { seed, runs, rule, explanation, plan, shrunk } = found;
  const faults = shrunk.plan.map(({ kind, atMs, process, durationMs, draw }) =>
    `{ kind: "${kind}", atMs: ${atMs}, process: ${process}, durationMs: ${durationMs}, draw: ${draw} }`
  );
  const listed = faults.length === 0 ? "[]" : `[\n    ${faults.join(",\n    ")},\n  ]`;
  const counter = shrunk.plan.length === 0
    ? ["Counterexample: no fault is needed"]
    : ["Counterexample: it needs these faults", ...shrunk.plan.map((fault) => `  - ${describeFault(fault)}`)];
  return [
    `Simulation failed after ${runs} ${runs === 1 ? "run" : "runs"}: ${rule}`,
    `{ seed: ${seed} }`,
    ...counter,
    `Shrunk ${plan.length - shrunk.plan.length} time(s), from ${plan.length} faults, in ${shrunk.runs} runs` +
    (shrunk.isMinimal ? "" : " (the bound of runs was reached)"),
    `Run it again: simulate(factory, { seed: ${seed}, faults: ${listed} })`,
    "",
    `Got: ${explanation}`,
  ].join("\n");
}
