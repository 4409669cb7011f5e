import type { SimJob, SimOptions } from "../contracts.ts";
import { chained } from "./chained.ts";
import { poison } from "./poison.ts";
import { stateless } from "./stateless.ts";
import { tables } from "./tables.ts";
import { tally } from "./tally.ts";
import { windows } from "./windows.ts";

/** The jobs that the simulator runs by itself, by name: each factory makes a job for one run. */
export const jobs: Readonly<Record<string, (options: SimOptions) => SimJob>> = {
  tally,
  tables,
  windows,
  stateless,
  poison,
  chain: chained,
};

/**
 * The job that was drawn.
 *
 * @param options What was drawn.
 * @throws {RangeError} when there is no job of that name.
 */
export function jobFor(options: SimOptions): SimJob {
  const make = Object.hasOwn(jobs, options.job) ? jobs[options.job] : undefined;
  if (make === undefined) {
    const names = Object.keys(jobs).join(", ");
    throw new RangeError(`Cannot simulate a job that is none of ${names}: current value is '${options.job}'`);
  }
  return make(options);
}
