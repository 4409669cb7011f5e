import fc, { type Arbitrary } from "fast-check";
import { durationRange, FAULT_KIND_LIST } from "./sim/fault_durations.ts";
import { FAULT_KINDS, type FaultKind, type PlannedFault } from "./sim/fault_kinds.ts";
import { sortedPlan } from "./sim/fault_plan.ts";

/** What durations of faults depend on beside the options: what most runs have. */
const USUAL = { requestTimeoutMs: 1_000, checkpointIntervalMs: 5_000 };

/** Options of {@linkcode faultPlan}. */
export interface FaultPlanOptions {
  /** Faults begin within so many simulated milliseconds of the run. @default {30_000} */
  durationMs?: number;
  /** Which faults. @default all of `FAULT_KINDS` */
  kinds?: readonly FaultKind[];
  /** Number of processes that may be struck. @default {3} */
  processes?: number;
  /** Most faults of a plan. @default {8} */
  faultsMax?: number;
  /** Session timeout of the group: short pauses of a process are shorter, long ones longer. @default {10_000} */
  failoverGraceMs?: number;
}

/**
 * Faults of a simulated run, in the order in which they come; the plan without faults is among them. Shrinking leaves
 * faults out and changes nothing about the others, so that what remains is a subset of what was found.
 *
 * @param options How long the run is, which faults, how many processes.
 * @returns An arbitrary of plans.
 * @throws {TypeError} when a kind does not exist, or none is given.
 * @throws {RangeError} when a number is out of range.
 *
 * @example Crashes and lost replies within ten seconds
 * ```ts
 * import { faultPlan } from "@turbine/turbine/testing";
 * import fc from "fast-check";
 *
 * const plans = faultPlan({ durationMs: 10_000, kinds: ["P1", "N2"], processes: 2 });
 * fc.assert(fc.property(plans, (plan) => plan.every(({ kind, atMs }) => kind !== "P2" && atMs < 10_000)));
 * ```
 */
export function faultPlan(options: FaultPlanOptions = {}): Arbitrary<readonly PlannedFault[]> {
  const { durationMs = 30_000, kinds = FAULT_KIND_LIST, processes = 3, faultsMax = 8, failoverGraceMs = 10_000 } =
    options;
  const numbers = { durationMs, processes, failoverGraceMs, faultsMax };
  for (const [name, value] of Object.entries(numbers)) {
    const least = name === "faultsMax" ? 0 : 1;
    if (Number.isInteger(value) && value >= least) continue;
    throw new RangeError(`Cannot plan faults as '${name}' must be an integer >= ${least}: current value is ${value}`);
  }
  const unknown = kinds.find((kind) => FAULT_KINDS[kind] === undefined);
  if (unknown !== undefined || kinds.length === 0) {
    throw new TypeError(
      `Cannot plan faults as 'kinds' must name some of FAULT_KINDS: current value is ${JSON.stringify(kinds)}`,
    );
  }
  const faultOf = (kind: FaultKind): Arbitrary<PlannedFault> => {
    const [low, high] = durationRange(kind, { safetyMs: durationMs, failoverGraceMs, ...USUAL });
    return fc.record({
      kind: fc.constant(kind),
      atMs: fc.nat({ max: durationMs - 1 }),
      process: fc.nat({ max: processes - 1 }),
      durationMs: fc.integer({ min: Math.ceil(low), max: Math.max(Math.ceil(low), Math.floor(high)) }),
      draw: fc.integer({ min: 0, max: 0xffff_ffff }),
    });
  };
  const fault = fc.constantFrom(...kinds).chain(faultOf);
  return fc.array(fc.noShrink(fault), { maxLength: faultsMax, size: "max" })
    .map((faults): readonly PlannedFault[] => sortedPlan(faults));
}
