import type { SimOptions } from "./contracts.ts";
import { FAULT_KINDS, type FaultKind } from "./fault_kinds.ts";

/** Shortest and longest duration of a fault, in milliseconds. */
export type DurationRange = readonly [lowMs: number, highMs: number];

/** What durations depend on. */
export type DurationOptions = Pick<
  SimOptions,
  "safetyMs" | "failoverGraceMs" | "requestTimeoutMs" | "checkpointIntervalMs"
>;

/** What a kind means by its duration; kinds without an entry draw one of {@linkcode GENERAL}. */
type RangeOf = (options: DurationOptions) => DurationRange;

const GENERAL: DurationRange = [10, 5_000];

/** A process that is down: mostly shorter than its session, sometimes longer. */
const downtime: RangeOf = ({ failoverGraceMs }) => [5, failoverGraceMs * 1.6];
const belowSession: RangeOf = ({ failoverGraceMs }) => [5, failoverGraceMs * 0.8];
const aboveSession: RangeOf = ({ failoverGraceMs }) => [failoverGraceMs * 1.2, failoverGraceMs * 3];
/** A ten-minute outage in an hour; shorter runs scale it down, but not below what a client would take for a hiccup. */
const outage: RangeOf = ({ safetyMs }) => {
  const ms = Math.max(5_000, Math.min(600_000, safetyMs / 4));
  return [ms, ms];
};

/** How long a job is left alone before the operator comes. */
const untilOperator: RangeOf = () => [300, 4_000];

const RANGES: Readonly<Partial<Record<FaultKind, RangeOf>>> = {
  P1: downtime,
  P2: belowSession,
  P3: aboveSession,
  P4: () => [20, 3_000],
  P5: downtime,
  P7: () => [1_000, 20_000],
  P8: () => [50, 4_000],
  P9: downtime,
  P10: downtime,
  N3: () => [1, 120_000],
  N4: () => [1, 30_000],
  N5: () => [1, 1_000],
  N6: ({ failoverGraceMs }) => [50, failoverGraceMs * 2],
  N7: ({ failoverGraceMs }) => [50, failoverGraceMs * 1.5],
  B2: () => [50, 10_000],
  B3: untilOperator,
  B4: untilOperator,
  B7: untilOperator,
  B8: untilOperator,
  B9: () => [50, 20_000],
  B11: () => [5, 1_000],
  B13: () => [100, 10_000],
  G1: () => [100, 10_000],
  G3: aboveSession,
  G8: untilOperator,
  G10: () => [10, 5_000],
  G11: () => [100, 20_000],
  T3: () => [1, 120_000],
  T4: () => [61_000, 90_000],
  T6: () => [10, 10_000],
  T9: () => [100, 20_000],
  T10: () => [10, 20_000],
  T11: () => [10, 5_000],
  // Eight attempts at a producer, each as long as a request may take, with waits in between that grow to ten seconds.
  T13: ({ requestTimeoutMs }) => [14_000 + 6 * requestTimeoutMs, 24_000 + 8 * requestTimeoutMs],
  S12: () => [500, 30_000],
  S14: () => [100, 30_000],
  S16: outage,
  // Some rounds of retention.
  S17: ({ checkpointIntervalMs }) => [2_000 + 2 * checkpointIntervalMs, 5_000 + 6 * checkpointIntervalMs],
  D1: () => [100, 20_000],
  D2: () => [100, 10_000],
  D9: () => [100, 10_000],
  C2: () => [1_000, 60_000],
  C3: () => [1_000, 60_000],
  C4: () => [1_000, 120_000],
  U11: () => [100, 30_000],
  O6: untilOperator,
  O7: untilOperator,
  O8: () => [50, 15_000],
};

/** Kinds after which an operator stops the job and starts it again: that takes a while more. */
const REPAIRED: ReadonlySet<FaultKind> = new Set(["B3", "B4", "B7", "B8", "G8", "O6", "O7"]);
const REPAIR_MS = 5_000;

/** How long it takes beyond its duration until what a fault needs has been done. */
export function aftermathMs(kind: FaultKind): number {
  return REPAIRED.has(kind) ? REPAIR_MS : 0;
}

/**
 * How long a fault may last.
 *
 * @param kind Which fault.
 * @param options What was drawn for the run.
 * @returns Shortest and longest duration; neither is longer than half of the time with faults.
 */
export function durationRange(kind: FaultKind, options: DurationOptions): DurationRange {
  const [low, high] = RANGES[kind]?.(options) ?? GENERAL;
  const most = Math.max(1, options.safetyMs / 2);
  return [Math.max(1, Math.min(low, most)), Math.max(1, Math.min(high, most))];
}

/** All kinds, in the order of the table. */
export const FAULT_KIND_LIST: readonly FaultKind[] = Object.freeze(Object.keys(FAULT_KINDS) as FaultKind[]);
