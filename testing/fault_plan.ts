import fc, { type Arbitrary } from "fast-check";
import { FAULT_KINDS, type FaultKind, type PlannedFault } from "./sim/fault_kinds.ts";

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
}

const KINDS = Object.keys(FAULT_KINDS) as FaultKind[];

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
  const { durationMs = 30_000, kinds = KINDS, processes = 3, faultsMax = 8 } = options;
  for (
    const [name, value, least] of [["durationMs", durationMs, 1], ["processes", processes, 1], [
      "faultsMax",
      faultsMax,
      0,
    ]] as const
  ) {
    if (Number.isInteger(value) && value >= least) continue;
    throw new RangeError(`Cannot plan faults as '${name}' must be an integer >= ${least}: current value is ${value}`);
  }
  const unknown = kinds.find((kind) => FAULT_KINDS[kind] === undefined);
  if (unknown !== undefined || kinds.length === 0) {
    throw new TypeError(
      `Cannot plan faults as 'kinds' must name some of FAULT_KINDS: current value is ${JSON.stringify(kinds)}`,
    );
  }
  const fault = fc.record({
    kind: fc.constantFrom(...kinds),
    atMs: fc.nat({ max: durationMs - 1 }),
    process: fc.nat({ max: processes - 1 }),
    durationMs: fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: Math.max(1, durationMs) })),
    draw: fc.integer({ min: 0, max: 0xffff_ffff }),
  });
  return fc.array(fc.noShrink(fault), { maxLength: faultsMax, size: "max" })
    .map((faults): readonly PlannedFault[] => faults.toSorted((a, b) => a.atMs - b.atMs));
}
