import fc, { type Arbitrary } from "fast-check";
import type { CallFault, ClientCall } from "../lib/adapters/embedded/client_calls.ts";
import { batchOf } from "../lib/columns/batch_of.ts";
import type { Batch, Columns, ColumnType, RowOf } from "../lib/columns/schema.ts";
import type { StepLabel } from "../lib/seams/observer.ts";

export type { PlannedFault } from "./sim/fault_kinds.ts";

const SAFE = Number.MAX_SAFE_INTEGER;

/**
 * Rows of a schema: nulls where they may be, extremes of each type, and text of every kind.
 *
 * @param schema The columns.
 * @returns An arbitrary of row objects.
 */
export function recordRow<S extends Columns>(schema: S): Arbitrary<RowOf<S>> {
  const cells = Object.entries(schema).map(([name, type]) => cellOf(type).map((value) => [name, value] as const));
  return fc.tuple(...cells).map((pairs) => Object.fromEntries(pairs) as RowOf<S>);
}

/**
 * Batches of a schema, often a slice of a longer one, so that values and bits begin elsewhere.
 *
 * @example A handler sees nulls, extremes and slices
 * ```ts
 * import { recordBatch } from "@turbine/turbine/testing";
 * import { float64, utf8 } from "@turbine/turbine";
 * import fc from "fast-check";
 *
 * const schema = { device: utf8(), celsius: float64({ nullable: true }) };
 * fc.assert(fc.property(recordBatch(schema), (batch) => batch.numRows <= 20), { numRuns: 10 });
 * ```
 *
 * @param schema The columns.
 * @param options Most rows of a batch.
 * @returns An arbitrary of batches.
 */
export function recordBatch<S extends Columns>(
  schema: S,
  options: { readonly rowsMax?: number } = {},
): Arbitrary<Batch<S>> {
  const { rowsMax = 20 } = options;
  const rows = (most: number) => fc.array(recordRow(schema), { maxLength: most });
  return fc.tuple(rows(rowsMax), rows(9), rows(3)).map(([inner, before, after]) => {
    const all = batchOf(schema, [...before, ...inner, ...after]);
    return before.length + after.length === 0 ? all : all.slice(before.length, before.length + inner.length);
  });
}

function cellOf(type: ColumnType): Arbitrary<unknown> {
  const value = presentCellOf(type);
  return type.nullable ? fc.oneof({ weight: 3, arbitrary: value }, { weight: 1, arbitrary: fc.constant(null) }) : value;
}

function presentCellOf(type: ColumnType): Arbitrary<unknown> {
  switch (type.kind) {
    case "float64":
      return fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.integer({ min: -3, max: 3 }),
        fc.constantFrom(-0, 2 ** 53, -(2 ** 63), 1e300, 5e-324),
      );
    case "int32":
      return fc.oneof(fc.integer(), fc.constantFrom(0, 2_147_483_647, -2_147_483_648));
    case "int64":
      return fc.oneof(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, -1n, 0n),
      );
    case "timestampMs":
      return fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, SAFE, -SAFE, -1, 1_700_000_000_000));
    case "utf8":
      return fc.oneof(
        fc.string({ unit: "binary", maxLength: 6 }).map((text) => text.toWellFormed()),
        fc.constantFrom("", "a", "é", "\u{10000}", "\ufeffbom", '"\\\n', "x".repeat(70)),
      );
    case "binary":
      return fc.uint8Array({ maxLength: 5 });
    case "bool":
      return fc.boolean();
    case "list":
      return fc.array(cellOf(type.element!), { maxLength: 4 });
    default:
      return recordRow(type.columns!);
  }
}

/** A row of a {@linkcode workload}. */
export interface WorkloadRow {
  /** Unique in the workload, from 0. */
  readonly id: number;
  /** Key: one of a few, the first one hot. */
  readonly key: string;
  /** Event time in epoch milliseconds: mostly rising, sometimes late. */
  readonly atMs: number;
}

/** What happens next in a {@linkcode workload}: rows come at once, or nothing does. */
export type WorkloadStep =
  | { readonly kind: "rows"; readonly rows: readonly WorkloadRow[] }
  | { readonly kind: "silence"; readonly ms: number };

/**
 * Input over time: rows with unique ids, a hot key and cold ones, bursts, single rows, silence, and event times that
 * mostly rise.
 *
 * @param options Most steps and rows of a step.
 * @returns An arbitrary of workloads.
 */
export function workload(
  options: { readonly stepsMax?: number; readonly burstMax?: number; readonly keys?: number } = {},
): Arbitrary<readonly WorkloadStep[]> {
  const { stepsMax = 8, burstMax = 40, keys = 5 } = options;
  const row = fc.record({
    key: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: keys - 1 }) }),
    stepMs: fc.oneof({ weight: 5, arbitrary: fc.nat({ max: 500 }) }, {
      weight: 1,
      arbitrary: fc.integer({ min: -3_000, max: 0 }),
    }),
  });
  const rows = fc.oneof(
    fc.array(row, { minLength: 1, maxLength: 3 }),
    fc.array(row, { minLength: 1, maxLength: burstMax, size: "max" }),
  );
  const step = fc.oneof(
    { weight: 3, arbitrary: rows.map((drawn) => ({ kind: "rows" as const, drawn })) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 5_000 }).map((ms) => ({ kind: "silence" as const, ms })) },
  );
  return fc.array(step, { minLength: 1, maxLength: stepsMax, size: "max" }).map((steps) => {
    let id = 0;
    let atMs = 0;
    return steps.map((each): WorkloadStep => {
      if (each.kind === "silence") return each;
      const made = each.drawn.map(({ key, stepMs }) => {
        const time = Math.max(0, atMs + stepMs);
        atMs = Math.max(atMs, time);
        return { id: id++, key: `k${key}`, atMs: time };
      });
      return { kind: "rows", rows: made };
    });
  });
}

/** A crash of a {@linkcode CrashPlan}. */
export interface PlannedCrash {
  /** Step at which a worker crashes. */
  readonly label: StepLabel;
  /** So many passes of that step go well first. */
  readonly skip: number;
  /** Where it comes back: with its local state, or without. */
  readonly node: "same" | "new";
}

/** A fault of a call to the broker of a {@linkcode CrashPlan}. */
export interface PlannedCallFault {
  /** Which call. */
  readonly call: ClientCall;
  /** What goes wrong. */
  readonly kind: CallFault["kind"];
  /** So many calls go well first. */
  readonly skip: number;
  /** How many in a row go wrong. */
  readonly times: number;
}

/** What goes wrong in a run. */
export interface CrashPlan {
  /** Crashes, one after the other. */
  readonly crashes: readonly PlannedCrash[];
  /** Faults of calls. */
  readonly faults: readonly PlannedCallFault[];
}

const CRASH_LABELS: readonly StepLabel[] = [
  "restore:begin",
  "restore:candidate-chosen",
  "restore:live",
  "batch:decoded",
  "batch:processed",
  "commit:sealed",
  "produce:before",
  "produce:after",
  "commit:before",
  "commit:after",
  "apply:before",
  "apply:after",
  "flush:before",
  "flush:after",
];
const FAULTY_CALLS: readonly ClientCall[] = [
  "produce",
  "initialize",
  "sendOffsets",
  "endTransaction",
  "commit",
  "committed",
  "fetch",
  "heartbeat",
  "join",
];

/**
 * Crashes and faults of a run.
 *
 * @param options Most crashes and faults; which steps and calls.
 * @returns An arbitrary of plans; the empty plan is among them.
 */
export function crashPlan(
  options: {
    readonly crashesMax?: number;
    readonly faultsMax?: number;
    readonly labels?: readonly StepLabel[];
    readonly calls?: readonly ClientCall[];
  } = {},
): Arbitrary<CrashPlan> {
  const { crashesMax = 2, faultsMax = 3, labels = CRASH_LABELS, calls = FAULTY_CALLS } = options;
  const crash = fc.record({
    label: fc.constantFrom(...labels),
    skip: fc.nat({ max: 3 }),
    node: fc.constantFrom("same" as const, "new" as const),
  });
  const fault = fc.record({
    call: fc.constantFrom(...calls),
    kind: fc.constantFrom("request-lost" as const, "reply-lost" as const, "delayed" as const, "refused" as const),
    skip: fc.nat({ max: 6 }),
    times: fc.integer({ min: 1, max: 3 }),
  });
  return fc.record({
    crashes: fc.array(crash, { maxLength: crashesMax }),
    faults: fc.array(fault, { maxLength: faultsMax }),
  });
}
