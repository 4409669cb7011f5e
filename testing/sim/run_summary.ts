import type { CoverageSummary } from "./coverage_grid.ts";
import { CoverageGrid } from "./coverage_grid.ts";
import type { InvariantId, Profile } from "./contracts.ts";
import type { SeedRun } from "./seed_run.ts";

/** A seed that failed, as one line of JSON. */
export interface FailedSeed {
  /** Seed of the run. */
  readonly seed: number;
  /** Profile of the run. */
  readonly profile: Profile;
  /** Event at which it failed. */
  readonly step: number;
  /** Which invariant does not hold. */
  readonly invariant: InvariantId;
  /** What was found. */
  readonly message: string;
}

/** What several runs came to: plain JSON, so that runs in different processes can be added up. */
export interface RunSummary {
  /** Runs in which every invariant held. */
  readonly passed: number;
  /** Seeds that failed. */
  readonly failed: readonly FailedSeed[];
  /** Events. */
  readonly steps: number;
  /** Simulated milliseconds. */
  readonly simulatedMs: number;
  /** Milliseconds of processor time, of all threads. */
  readonly cpuMs: number;
  /** Faults that were planned, by kind. */
  readonly planned: Readonly<Record<string, number>>;
  /** Faults that struck, by kind. */
  readonly fired: Readonly<Record<string, number>>;
  /** Marks that were seen, and how often. */
  readonly marks: Readonly<Record<string, number>>;
  /** Cells that were hit. */
  readonly grid: CoverageSummary;
}

/** Adds up what runs came to. */
export class RunTotals {
  #passed = 0;
  #steps = 0;
  #simulatedMs = 0;
  #cpuMs = 0;
  readonly #failed: FailedSeed[] = [];
  readonly #planned: Record<string, number> = {};
  readonly #fired: Record<string, number> = {};
  readonly #marks: Record<string, number> = {};
  readonly #grid = new CoverageGrid();

  /** Adds a run. */
  add(run: SeedRun, cpuMs: number): void {
    const { violation, options, steps, simulatedMs } = run;
    if (violation === undefined) this.#passed++;
    else {
      const { invariant, message, step } = violation;
      this.#failed.push({ seed: options.seed, profile: options.profile, step, invariant, message });
    }
    this.#steps += steps;
    this.#simulatedMs += simulatedMs;
    this.#cpuMs += cpuMs;
    for (const { kind } of run.plan) this.#planned[kind] = (this.#planned[kind] ?? 0) + 1;
    addAll(this.#fired, run.fired);
    addAll(this.#marks, run.marks);
    this.#grid.merge(run.grid);
  }

  /** Adds what another process has added up. */
  merge(summary: RunSummary): void {
    this.#passed += summary.passed;
    this.#failed.push(...summary.failed);
    this.#steps += summary.steps;
    this.#simulatedMs += summary.simulatedMs;
    this.#cpuMs += summary.cpuMs;
    addAll(this.#planned, summary.planned);
    addAll(this.#fired, summary.fired);
    addAll(this.#marks, summary.marks);
    this.#grid.merge(summary.grid);
  }

  /** The sum. */
  summary(): RunSummary {
    return {
      passed: this.#passed,
      failed: this.#failed.toSorted((a, b) => a.seed - b.seed),
      steps: this.#steps,
      simulatedMs: this.#simulatedMs,
      cpuMs: this.#cpuMs,
      planned: this.#planned,
      fired: this.#fired,
      marks: this.#marks,
      grid: this.#grid.summary(),
    };
  }
}

function addAll(into: Record<string, number>, from: Readonly<Partial<Record<string, number>>>): void {
  for (const [name, count] of Object.entries(from)) into[name] = (into[name] ?? 0) + (count ?? 0);
}

/** One line about the effort of runs. */
export function effortText({ passed, failed, steps, simulatedMs, cpuMs }: RunSummary): string {
  const runs = passed + failed.length;
  const hours = simulatedMs / 3_600_000;
  const ratio = cpuMs === 0 ? 0 : simulatedMs / cpuMs;
  const rate = cpuMs === 0 ? 0 : steps / cpuMs;
  return `${runs} runs, ${hours.toFixed(2)} simulated hours, ${(steps / 1e6).toFixed(2)} M events, ` +
    `${(cpuMs / 1_000).toFixed(1)} CPU seconds: ${ratio.toFixed(0)} times real time, ${rate.toFixed(0)} k events/s`;
}
