import { assert, assertEquals, assertThrows } from "@std/assert";
import { batchOf, int32, json, topic, type Turbine, utf8 } from "../../../mod.ts";
import type { SimJob, SimOptions } from "../contracts.ts";
import { inject } from "../faults/inject.ts";
import type { PlannedFault } from "../fault_kinds.ts";
import { type RunResult, runSimulation } from "../run.ts";
import { JOB_NAMES, swarmOptions } from "../swarm.ts";
import { DEAD_LETTERS, INPUT, jobApp, OUTPUT } from "./job_app.ts";
import { jobFor, jobs } from "./jobs.ts";

/** A short run with short windows, the same for all jobs but for what a test asks for. */
function optionsFor(job: string, drawn: Partial<SimOptions> = {}): SimOptions {
  return {
    ...swarmOptions(19, "small"),
    job,
    processes: 1,
    partitions: 2,
    batchRows: 16,
    commitIntervalMs: 100,
    checkpointIntervalMs: 1_500,
    stateFlushIntervalMs: 200,
    failoverGraceMs: 4_000,
    idleTimeoutMs: 800,
    diskLatencyMs: 0,
    replayRowsMax: null,
    isInputTransactional: true,
    latencyMs: 2,
    requestTimeoutMs: 500,
    rowsPerSecond: 40,
    burstBatches: 0,
    hasStragglers: false,
    keys: 8,
    hotShare: 0.3,
    poisonShare: 0.03,
    onRecordError: "dead-letter",
    warmUpMs: 500,
    safetyMs: 7_000,
    rates: {},
    ...drawn,
  };
}

interface Ran extends RunResult {
  /** Records of the output that readers see. */
  readonly outputs: number;
}

async function run(options: SimOptions, more: { job?: SimJob; plan?: readonly PlannedFault[] } = {}): Promise<Ran> {
  const { job = jobFor(options), plan = [] } = more;
  let outputs = () => 0;
  const result = await runSimulation({
    options,
    job,
    plan,
    inject,
    checkers: (view) => {
      outputs = () => view.broker.read(OUTPUT).length;
      return job.checkers!(view);
    },
  });
  return { ...result, outputs: outputs() };
}

/** Two crashes, the second one on the way back. */
const CRASHES: readonly PlannedFault[] = [2_100, 4_300].map((atMs) => ({
  kind: "P1",
  atMs,
  process: 0,
  durationMs: 400,
  draw: 123_456_789,
}));

Deno.test("jobFor() knows every job that is drawn, and no other", () => {
  assertEquals(Object.keys(jobs).sort(), [...JOB_NAMES].sort());
  for (const name of JOB_NAMES) {
    const job = jobFor(optionsFor(name));
    assertEquals(job.name, name);
    assertEquals(job.topics[INPUT], 2);
    assert(job.topics[OUTPUT]! >= 1 && job.topics[DEAD_LETTERS] === 1);
  }
  assertThrows(() => jobFor(optionsFor("toString")), RangeError, "Cannot simulate a job that is none of tally");
});

for (const name of JOB_NAMES) {
  for (const guarantee of ["at-least-once", "exactly-once"] as const) {
    Deno.test(`jobs: ${name} agrees with its reference, ${guarantee}, calm and with crashes`, async () => {
      const options = optionsFor(name, { guarantee });
      const calm = await run(options);
      assertEquals(calm.violation, undefined);
      assert(calm.outputs > 10, `${calm.outputs} outputs`);
      assert((calm.marks["a record was to be refused"] ?? 0) > 0, "poison was among the input");
      const crashed = await run(options, { plan: CRASHES });
      assertEquals(crashed.violation, undefined);
      assertEquals(crashed.fired.P1, 2);
      const isWindowed = name === "windows" || name === "chain";
      if (isWindowed) {
        assert((calm.marks["a jump of time closed a window"] ?? 0) > 0, "windows close when it is silent");
      } else if (guarantee === "exactly-once") assertEquals(crashed.outputs, calm.outputs);
    });
  }
}

const events = topic(INPUT, { value: json({ id: int32(), key: utf8() }) });
const tallies = topic(OUTPUT, {
  value: json({ id: int32(), key: utf8(), count: int32(), partition: int32(), offset: int32() }),
  key: "key",
});

/** The job of tallies with a handler that counts in its own way. */
function wrongTally(options: SimOptions, count: (key: string, place: string) => number): SimJob {
  const createApp = (): Turbine =>
    jobApp(options, (app, settings) => {
      app.subscribe(events, { publishTo: tallies, ...settings }, (batch, { input }) => {
        const ids = batch.getChild("id").toArray(), keys = batch.getChild("key").toJSON();
        const { partition, offsets, from } = input;
        const rows = keys.map((key, at) => {
          const place = `${partition}/${key}/${from}`;
          return { id: ids[at]!, key, count: count(key, place), partition, offset: offsets[at]! };
        });
        return batchOf(tallies.schema, rows);
      });
    });
  return { ...jobFor(options), createApp };
}

Deno.test("jobs: the reference finds a handler that counts in a variable, once a process crashes", async () => {
  const options = optionsFor("tally", { partitions: 1 });
  const counts = new Map<string, number>();
  const inModule = (key: string): number => {
    counts.set(key, (counts.get(key) ?? 0) + 1);
    return counts.get(key)!;
  };
  const calm = { ...options, safetyMs: 3_000 };
  // A crash between two commits repeats nothing, so that there are some.
  const plan = [2_100, 2_630, 3_080].map((atMs) => ({ ...CRASHES[0]!, atMs }));
  const { violation } = await run(calm, { job: wrongTally(calm, inModule), plan });
  assertEquals(violation?.invariant, "I-01");
});

Deno.test("jobs: the reference finds a handler whose result depends on where batches are cut", async () => {
  const options = optionsFor("tally");
  const inBatch = new Map<string, number>();
  const perBatch = (_key: string, place: string): number => {
    inBatch.set(place, (inBatch.get(place) ?? 0) + 1);
    return inBatch.get(place)!;
  };
  const { violation } = await run(options, { job: wrongTally(options, perBatch) });
  assertEquals(violation?.invariant, "I-01");
  assert(/'count' must be \d+ and is 1/.test(violation!.message), violation!.message);
});
