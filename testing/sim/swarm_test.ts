import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { Profile, SimOptions } from "./contracts.ts";
import { FAULT_KINDS, type FaultKind } from "./fault_kinds.ts";
import { CALM_SHARE, FAULT_SHARE, JOB_NAMES, streamOf, swarmOptions } from "./swarm.ts";

const PROFILES: readonly Profile[] = ["small", "standard", "soak"];
const KINDS = Object.keys(FAULT_KINDS) as FaultKind[];
/** Constant in a profile, or not drawn. */
const FIXED = new Set(["seed", "profile", "warmUpMs", "safetyMs", "rates"]);

function optionsOf(profile: Profile, seeds: number): SimOptions[] {
  return Array.from({ length: seeds }, (_, at) => swarmOptions(at + 1, profile));
}

/** Everything that is drawn, as numbers: options by rank or logarithm, and one flag for each kind of fault. */
function columnsOf(runs: readonly SimOptions[]): Map<string, Float64Array> {
  const columns = new Map<string, Float64Array>();
  const add = (name: string, value: (run: SimOptions) => number): void => {
    const column = Float64Array.from(runs, value);
    if (column.some((each) => each !== column[0])) columns.set(name, column);
  };
  for (const name of Object.keys(runs[0]!) as (keyof SimOptions)[]) {
    if (!FIXED.has(name)) add(name, (run) => numberOf(run[name]));
  }
  for (const kind of KINDS) add(kind, ({ rates }) => rates[kind] === undefined ? 0 : 1);
  return columns;
}

function numberOf(value: unknown): number {
  if (typeof value === "string") return (JOB_NAMES as readonly string[]).indexOf(value) + value.length / 100;
  if (typeof value === "number") return Math.log1p(value);
  return value === null ? -1 : Number(value);
}

/** The pairs whose correlation is above a bound, in words. */
function correlated(columns: ReadonlyMap<string, Float64Array>, bound: number): string[] {
  const scaled = [...columns].map(([name, column]) => [name, standardized(column)] as const);
  const found: string[] = [];
  for (const [at, [name, a]] of scaled.entries()) {
    for (const [other, b] of scaled.slice(at + 1)) {
      let r = 0;
      for (let i = 0; i < a.length; i++) r += a[i]! * b[i]!;
      if (Math.abs(r) > bound) found.push(`${name} and ${other}: ${r.toFixed(3)}`);
    }
  }
  return found;
}

function standardized(column: Float64Array): Float64Array {
  const mean = column.reduce((sum, value) => sum + value, 0) / column.length;
  const spread = Math.sqrt(column.reduce((sum, value) => sum + (value - mean) ** 2, 0));
  return column.map((value) => (value - mean) / spread);
}

for (const profile of PROFILES) {
  Deno.test(`swarmOptions() of profile ${profile} takes each value of each option over 1,000 seeds`, () => {
    const runs = optionsOf(profile, 1_000);
    const valuesOf = (name: keyof SimOptions) => new Set(runs.map((run) => run[name]));
    for (const name of Object.keys(runs[0]!) as (keyof SimOptions)[]) {
      if (FIXED.has(name)) continue;
      const values = valuesOf(name);
      if (profile === "soak" && name === "processes") assertEquals(values, new Set([5]));
      else assert(values.size > 1, `'${name}' is always ${runs[0]![name]}`);
    }
    assertEquals(valuesOf("job"), new Set(JOB_NAMES));
    assertEquals(valuesOf("guarantee").size, 2);
    assertEquals(valuesOf("retainedCheckpoints"), new Set([2, 3, 4]));
    assertEquals(valuesOf("transactionVersion"), new Set([1, 2]));
    const shares = [
      ["commitIntervalMs", 0],
      ["idleTimeoutMs", null],
      ["poisonShare", 0],
      ["diskLatencyMs", 0],
      ["replayRowsMax", null],
      ["burstBatches", 0],
      ["hasStragglers", false],
    ] as const;
    for (const [name, value] of shares) {
      const count = runs.filter((run) => run[name] === value).length;
      assert(count > 100 && count < 700, `${count} of 1000 runs have '${name}' ${value}`);
    }
    const range = (name: keyof SimOptions) => runs.map((run) => run[name] as number).sort((a, b) => a - b);
    const rows = range("batchRows");
    assert(rows[0] === 1 && rows.at(-1)! > 3_500 && rows.at(-1)! <= 4_096);
    const deciles = Array.from({ length: 10 }, (_, at) => 4_096 ** (at / 10));
    for (const [at, low] of deciles.entries()) {
      const count = rows.filter((each) => each >= low && each < (deciles[at + 1] ?? 4_097)).length;
      // Below 8 rows a decile holds but one or two whole numbers.
      assert(count > (at < 3 ? 0 : 50) && count < 250, `${count} of 1000 runs have ${low.toFixed(1)} rows and more`);
    }
    for (const run of runs) {
      assert(run.requestTimeoutMs < run.failoverGraceMs && run.commitIntervalMs <= 5_000, JSON.stringify(run));
      assert(run.checkpointIntervalMs >= 1_000 && run.checkpointIntervalMs <= 60_000);
      assert(run.partitions >= 1 && run.partitions <= 24 && run.processes >= 1 && run.processes <= 5);
    }
  });

  Deno.test(`swarmOptions() of profile ${profile} draws no option from another: |r| < 0.1 over 1,000 seeds`, () => {
    const columns = columnsOf(optionsOf(profile, 1_000));
    assert(columns.size >= KINDS.length + (profile === "soak" ? 24 : 25), `${columns.size} columns`);
    assertEquals(correlated(columns, 0.1), []);
  });
}

Deno.test("swarmOptions() draws no option from another: |r| < 0.05 over 10,000 seeds", () => {
  assertEquals(correlated(columnsOf(optionsOf("small", 10_000)), 0.05), []);
});

Deno.test("swarmOptions() lets each fault strike in about a quarter of the runs, and none in calm ones", () => {
  const runs = optionsOf("small", 1_000);
  for (const kind of KINDS) {
    const share = runs.filter(({ rates }) => rates[kind] !== undefined).length / runs.length;
    assert(Math.abs(share - FAULT_SHARE) < 0.06, `${kind} strikes in ${share} of the runs`);
  }
  const calm = runs.filter(({ rates }) => Object.keys(rates).length === 0).length / runs.length;
  assert(Math.abs(calm - CALM_SHARE) < 0.03, `${calm} of the runs are calm`);
  for (const { rates, safetyMs } of runs) {
    const faults = Object.values(rates).reduce((sum, rate) => sum + rate, 0) * safetyMs / 60_000;
    assert(faults <= 40.01, `${faults} faults are expected in a small run`);
  }
});

Deno.test("swarmOptions() gives the same options for the same seed, and others for the next one", () => {
  assertEquals(swarmOptions(7, "small"), swarmOptions(7, "small"));
  assertNotEquals({ ...swarmOptions(7, "small"), seed: 8 }, swarmOptions(8, "small"));
  assertNotEquals(swarmOptions(2 ** 40 + 7, "small").rates, swarmOptions(7, "small").rates);
  // Failure reports name seeds: the stream of a seed stays.
  assertEquals(streamOf(42, "batchRows").uint32(), 658_365_780);
});
