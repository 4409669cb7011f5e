/** How far a plan is shrunk. */
export interface ShrinkOptions {
  /** At most so many runs. @default {200} */
  readonly runsMax?: number;
}

/** A plan that still fails. */
export interface Shrunk<T> {
  /** What is left, in the order in which it was. */
  readonly plan: readonly T[];
  /** Runs that it took. */
  readonly runs: number;
  /** Whether nothing more can be left out: without any one of these faults the run no longer fails. */
  readonly isMinimal: boolean;
}

const RUNS_MAX = 200;

/**
 * Finds a small part of a plan that still fails (delta debugging): leaves out halves, then quarters, and so on down to
 * single faults. Deterministic as long as `fails` is.
 *
 * @param plan A plan that fails; it is not run again.
 * @param fails Runs a part of the plan and tells whether it still fails.
 * @param options Bound of the runs.
 * @returns The smallest part that was found.
 * @throws {RangeError} when `runsMax` is not an integer >= 0.
 */
export async function shrinkPlan<T>(
  plan: readonly T[],
  fails: (plan: readonly T[]) => Promise<boolean>,
  options: ShrinkOptions = {},
): Promise<Shrunk<T>> {
  const { runsMax = RUNS_MAX } = options;
  if (!Number.isSafeInteger(runsMax) || runsMax < 0) {
    throw new RangeError(`Cannot shrink plan as 'runsMax' must be an integer >= 0: current value is ${runsMax}`);
  }
  const trials = new Trials(plan, fails, runsMax);
  let kept = plan.map((_, at) => at);
  if (kept.length > 0 && await trials.fails([])) return { plan: [], runs: trials.runs, isMinimal: true };
  let parts = 2;
  while (kept.length > 1 && !trials.isSpent) {
    const smaller = await reduced(kept, parts, trials);
    if (smaller !== undefined) {
      parts = smaller.length < kept.length / 2 ? 2 : Math.max(2, parts - 1);
      kept = smaller;
    } else if (parts >= kept.length) {
      break;
    } else {
      parts = Math.min(kept.length, parts * 2);
    }
  }
  return { plan: kept.map((at) => plan[at]!), runs: trials.runs, isMinimal: !trials.isSpent };
}

/** A part of what is kept, or all but a part, that still fails. */
async function reduced<T>(kept: readonly number[], parts: number, trials: Trials<T>): Promise<number[] | undefined> {
  const chunks = split(kept, parts);
  for (const chunk of chunks) if (await trials.fails(chunk)) return chunk;
  if (parts === 2) return undefined;
  for (const chunk of chunks) {
    const rest = kept.filter((at) => !chunk.includes(at));
    if (await trials.fails(rest)) return rest;
  }
  return undefined;
}

function split(kept: readonly number[], parts: number): number[][] {
  const chunks: number[][] = [];
  for (let part = 0; part < parts; part++) {
    const from = Math.floor(kept.length * part / parts), to = Math.floor(kept.length * (part + 1) / parts);
    if (from < to) chunks.push(kept.slice(from, to));
  }
  return chunks;
}

/** Runs parts of a plan, each at most once. */
class Trials<T> {
  runs = 0;
  isSpent = false;
  readonly #known = new Map<string, boolean>();
  readonly #plan: readonly T[];
  readonly #fails: (plan: readonly T[]) => Promise<boolean>;
  readonly #runsMax: number;

  constructor(plan: readonly T[], fails: (plan: readonly T[]) => Promise<boolean>, runsMax: number) {
    this.#plan = plan;
    this.#fails = fails;
    this.#runsMax = runsMax;
  }

  async fails(part: readonly number[]): Promise<boolean> {
    if (part.length === this.#plan.length) return false;
    const key = part.join();
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.runs >= this.#runsMax) {
      this.isSpent = true;
      return false;
    }
    this.runs++;
    const hasFailed = await this.#fails(part.map((at) => this.#plan[at]!));
    this.#known.set(key, hasFailed);
    return hasFailed;
  }
}
