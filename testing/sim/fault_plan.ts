import { SeededRandom } from "../seeded_random.ts";
import type { SimOptions } from "./contracts.ts";
import { aftermathMs, durationRange, FAULT_KIND_LIST } from "./fault_durations.ts";
import { FAULT_KINDS, type FaultKind, type PlannedFault } from "./fault_kinds.ts";
import { hashOf } from "./mixed_hash.ts";

/** No kind strikes more often than this in one run. */
const FAULTS_MAX = 10_000;
const MS_PER_MINUTE = 60_000;
const UINT32_MAX = 0xffff_ffff;

/**
 * Draws the faults of a run. Each kind has a stream of its own, so that a kind that is added or left out changes nothing
 * about the others.
 *
 * @param options What was drawn for the run: its length, its rates.
 * @returns Faults in the order in which they come, all within the time with faults; what lasts, ends within it too.
 */
export function drawFaultPlan(options: SimOptions): PlannedFault[] {
  const plan: PlannedFault[] = [];
  for (const kind of FAULT_KIND_LIST) {
    const rate = options.rates[kind] ?? 0;
    if (rate > 0) plan.push(...drawKind(kind, rate, options));
  }
  return sortedPlan(plan);
}

/** In the order in which faults come; those of one moment in the order of the table of kinds. */
export function sortedPlan(plan: readonly PlannedFault[]): PlannedFault[] {
  const rank = new Map(FAULT_KIND_LIST.map((kind, at) => [kind, at]));
  return plan.toSorted((a, b) => a.atMs - b.atMs || rank.get(a.kind)! - rank.get(b.kind)!);
}

/** A Poisson process: the gaps between two faults of a kind are exponentially distributed. */
function drawKind(kind: FaultKind, ratePerMinute: number, options: SimOptions): PlannedFault[] {
  const random = new SeededRandom(BigInt(options.seed) ^ (BigInt(hashOf(kind)) << 32n));
  const endMs = options.warmUpMs + options.safetyMs;
  const range = durationRange(kind, options);
  const faults: PlannedFault[] = [];
  let atMs = options.warmUpMs;
  while (faults.length < FAULTS_MAX) {
    atMs += -Math.log(1 - random.float()) * MS_PER_MINUTE / ratePerMinute;
    if (atMs >= endMs) break;
    const durationMs = Math.round(random.logUniform(range[0], range[1]));
    const process = Math.floor(random.float() * options.processes);
    const draw = random.uint32();
    const latestMs = Math.max(options.warmUpMs, endMs - 1 - durationMs - aftermathMs(kind));
    faults.push({ kind, atMs: Math.floor(Math.min(atMs, latestMs)), process, durationMs, draw });
  }
  return faults;
}

/**
 * Writes a plan down, one fault a line.
 *
 * @param plan The faults.
 * @returns JSON that {@linkcode parseFaultPlan} reads.
 */
export function formatFaultPlan(plan: readonly PlannedFault[]): string {
  const lines = plan.map(({ kind, atMs, process, durationMs, draw }) =>
    `  ${JSON.stringify({ kind, atMs, process, durationMs, draw })}`
  );
  return lines.length === 0 ? "[]" : `[\n${lines.join(",\n")}\n]`;
}

/**
 * Reads a plan that was written down.
 *
 * @param text JSON: an array of faults.
 * @returns The faults, in the order in which they come.
 * @throws {TypeError} when it is no plan, with the place and what was found there.
 */
export function parseFaultPlan(text: string): PlannedFault[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TypeError(`Cannot read fault plan as it is no JSON: ${(error as Error).message}`, { cause: error });
  }
  return checkedFaultPlan(value);
}

/**
 * Checks a plan that somebody else made.
 *
 * @param value What should be an array of faults.
 * @returns The faults, in the order in which they come.
 * @throws {TypeError} when it is no plan, with the place and what was found there.
 */
export function checkedFaultPlan(value: unknown): PlannedFault[] {
  if (!Array.isArray(value)) {
    throw new TypeError(`Cannot read fault plan as it must be an array of faults: current value is ${shown(value)}`);
  }
  return sortedPlan(value.map(checkedFault));
}

const NUMBERS = {
  atMs: Number.MAX_SAFE_INTEGER,
  process: 1_000,
  durationMs: Number.MAX_SAFE_INTEGER,
  draw: UINT32_MAX,
};

function checkedFault(value: unknown, at: number): PlannedFault {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`Cannot read fault plan as fault ${at} must be an object: current value is ${shown(value)}`);
  }
  const fields = value as Record<string, unknown>;
  const { kind } = fields;
  if (typeof kind !== "string" || !Object.hasOwn(FAULT_KINDS, kind)) {
    throw new TypeError(
      `Cannot read fault plan as 'kind' of fault ${at} must be one of ${FAULT_KIND_LIST[0]}, ${
        FAULT_KIND_LIST[1]
      } ... ${FAULT_KIND_LIST.at(-1)}: current value is ${shown(kind)}`,
    );
  }
  for (const name of Object.keys(fields)) {
    if (name === "kind" || Object.hasOwn(NUMBERS, name)) continue;
    throw new TypeError(
      `Cannot read fault plan as fault ${at} has a field that does not exist: current value is '${name}'`,
    );
  }
  const numbers = Object.entries(NUMBERS).map((
    [name, most],
  ) => [name, checkedNumber(fields[name], { at, name, most })]);
  return { kind, ...Object.fromEntries(numbers) } as PlannedFault;
}

function checkedNumber(value: unknown, field: { at: number; name: string; most: number }): number {
  const { at, name, most } = field;
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most) return value as number;
  throw new TypeError(
    `Cannot read fault plan as '${name}' of fault ${at} must be an integer in [0, ${most}]: current value is ${
      shown(value)
    }`,
  );
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

/**
 * A fault in words.
 *
 * @param fault Which one.
 * @returns One line, for example `at 12.400 s N2 (a reply is lost after the effect) on process 1, 200 ms, draw 7`.
 */
export function describeFault(fault: PlannedFault): string {
  const { kind, atMs, process, durationMs, draw } = fault;
  return `at ${(atMs / 1_000).toFixed(3)} s ${kind} (${FAULT_KINDS[kind]}) on process ${process}, ` +
    `${durationMs} ms, draw ${draw}`;
}
