import { allCheckers } from "./checkers/mod.ts";
import type { Profile, RunView, SimOptions } from "./contracts.ts";
import { CoverageGrid, type CoverageSummary } from "./coverage_grid.ts";
import type { PlannedFault } from "./fault_kinds.ts";
import { drawFaultPlan } from "./fault_plan.ts";
import { inject } from "./faults/inject.ts";
import { jobFor } from "./jobs/jobs.ts";
import { marksChecker } from "./marks.ts";
import { type RunResult, runSimulation } from "./run.ts";
import { shrinkPlan, type Shrunk } from "./shrink.ts";
import { swarmOptions } from "./swarm.ts";

/** How a seed is run. */
export interface SeedRunOptions {
  /** Faults instead of those that the seed draws. */
  readonly plan?: readonly PlannedFault[];
  /** Ends the run at this event. */
  readonly untilStep?: number;
  /** Gets every line of the trace. */
  readonly print?: (line: string) => void;
}

/** What became of a seed. */
export interface SeedRun extends RunResult {
  /** Faults of the run. */
  readonly plan: readonly PlannedFault[];
  /** Cells that were hit. */
  readonly grid: CoverageSummary;
}

/**
 * Runs one of our own jobs as a seed draws it.
 *
 * @param seed Seed of the run.
 * @param profile How much is simulated.
 * @param more Another plan, an earlier end, the trace.
 */
export function runSeed(seed: number, profile: Profile, more: SeedRunOptions = {}): Promise<SeedRun> {
  return runDrawn(swarmOptions(seed, profile), more);
}

/**
 * Runs one of our own jobs with options that were drawn before.
 *
 * @param options What was drawn, or written down when a seed had failed.
 * @param more Another plan, an earlier end, the trace.
 */
export async function runDrawn(options: SimOptions, more: SeedRunOptions = {}): Promise<SeedRun> {
  const job = jobFor(options);
  const plan = more.plan ?? drawFaultPlan(options);
  const grid = new CoverageGrid();
  const checkers = (view: RunView) => [
    grid,
    ...allCheckers(view),
    ...job.checkers?.(view) ?? [],
    marksChecker(view),
  ];
  const { untilStep, print } = more;
  const result = await runSimulation({
    options,
    job,
    plan,
    inject,
    checkers,
    ...(untilStep === undefined ? {} : { untilStep }),
    ...(print === undefined ? {} : { print }),
  });
  return { ...result, plan, grid: grid.summary() };
}

/**
 * Finds a small part of a failing seed's faults that still breaks the same invariant.
 *
 * @param failed The run that failed.
 * @param runsMax At most so many runs.
 */
export function shrinkSeed(failed: SeedRun, runsMax = 60): Promise<Shrunk<PlannedFault>> {
  const fails = async (plan: readonly PlannedFault[]): Promise<boolean> => {
    const { violation } = await runDrawn(failed.options, { plan });
    return violation?.invariant === failed.violation?.invariant;
  };
  return shrinkPlan(failed.plan, fails, { runsMax });
}
