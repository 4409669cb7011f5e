/**
 * How a job is tested with the simulator: a job that is right, and four plausible mistakes, each found and explained by
 * the message. Run it with `deno test --allow-read --allow-env --allow-sys --allow-ffi examples/testing_a_job_test.ts`.
 */
import { assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Batch,
  batchOf,
  type Columns,
  type Context,
  float64,
  json,
  rows,
  topic,
  Turbine,
  utf8,
} from "@turbine/turbine";
import { assertBatchSplitInvariant, assertReplayDeterministic, simulate } from "@turbine/turbine/testing";

const readings = topic("readings", { value: json({ device: utf8(), celsius: float64() }) });
const means = topic("means", { value: json({ device: utf8(), mean: float64() }) });

type Reading = { device: string; celsius: number };
type Handler = (batch: Batch<typeof readings.schema>, context: Context) => Promise<Batch<typeof means.schema>>;

/** An app around a handler, built anew for each simulated process. */
function thermostat(handler: Handler): () => Turbine {
  return () => {
    const app = new Turbine("thermostat");
    app.subscribe(readings, { publishTo: means, processingGuarantee: "exactly-once" }, handler);
    return app;
  };
}

function readingsOf(batch: Batch<Columns>): Reading[] {
  return Array.from(rows(batch), (row) => ({ ...row }) as unknown as Reading);
}

/** The mean of all readings of a device so far, for each reading: sum and count live in `state`. */
const runningMean: Handler = async (batch, { state }) => {
  const out: { device: string; mean: number }[] = [];
  const seen = new Map<string, { sum: number; count: number }>();
  for (const { device, celsius } of readingsOf(batch)) {
    const before = seen.get(device) ?? await state.get<{ sum: number; count: number }>(device) ?? { sum: 0, count: 0 };
    const after = { sum: before.sum + celsius, count: before.count + 1 };
    seen.set(device, after);
    out.push({ device, mean: after.sum / after.count });
  }
  for (const [device, value] of seen) state.put(device, value);
  return batchOf(means.schema, out);
};

const countsOfModule = new Map<string, { sum: number; count: number }>();

/** Mistake 1: the same, but sum and count live in a variable of the module. A crash forgets them, a replay counts twice. */
// deno-lint-ignore require-await
const meanInAModuleVariable: Handler = async (batch) =>
  batchOf(
    means.schema,
    readingsOf(batch).map(({ device, celsius }) => {
      const { sum, count } = countsOfModule.get(device) ?? { sum: 0, count: 0 };
      countsOfModule.set(device, { sum: sum + celsius, count: count + 1 });
      return { device, mean: (sum + celsius) / (count + 1) };
    }),
  );

/** Mistake 2: the output depends on the clock of the machine. */
// deno-lint-ignore require-await
const meanByTheClock: Handler = async (batch) =>
  batchOf(means.schema, readingsOf(batch).map(({ device, celsius }) => ({ device, mean: celsius * (Date.now() % 2) })));

/** Mistake 3: a mean of what happened to come in one batch. */
// deno-lint-ignore require-await
const meanOfABatch: Handler = async (batch) => {
  const all = readingsOf(batch);
  const mean = all.reduce((sum, { celsius }) => sum + celsius, 0) / all.length;
  return batchOf(means.schema, all.map(({ device }) => ({ device, mean })));
};

Deno.test("the right job keeps its promise under any fault", async () => {
  await simulate(thermostat(runningMean), { seeds: 6 });
});

Deno.test("an oracle of one's own sees everything that went in and came out", async () => {
  await simulate(thermostat(runningMean), {
    seeds: 2,
    oracle: (run) => {
      const fed = run.rows(readings).length, found = run.rows(means).length;
      if (fed !== found) throw new Error(`${fed} readings gave ${found} means`);
    },
  });
});

Deno.test("state in a module variable is found, and the message says so", async () => {
  const error = await assertRejects(() => simulate(thermostat(meanInAModuleVariable), { seeds: 20 }), Error);
  assertStringIncludes(error.message, "look for state that is kept in a module variable (keep it in `state`");
  assertMatch(error.message, /Run it again: simulate\(factory, \{ seed: \d+, faults: \[/);
});

/** Mistake 4: sum and count live in a closure of the handler. Nothing is wrong until a process dies or partitions move. */
function meanInAClosure(): Turbine {
  const kept = new Map<string, { sum: number; count: number }>();
  // deno-lint-ignore require-await
  return thermostat(async (batch, { input }) =>
    batchOf(
      means.schema,
      readingsOf(batch).map(({ device, celsius }) => {
        const place = `${input.partition}/${device}`;
        const { sum, count } = kept.get(place) ?? { sum: 0, count: 0 };
        kept.set(place, { sum: sum + celsius, count: count + 1 });
        return { device, mean: (sum + celsius) / (count + 1) };
      }),
    )
  )();
}

Deno.test("state in a closure is found, with the fewest faults that show it", async () => {
  const error = await assertRejects(() => simulate(meanInAClosure, { seeds: 20 }), Error);
  assertStringIncludes(error.message, "look for state that is kept in a closure");
  assertMatch(error.message, /Counterexample: it needs these faults\n {2}- at /);
});

Deno.test("output from the wall clock is found, and the message says so", async () => {
  const error = await assertRejects(() => simulate(thermostat(meanByTheClock), { seeds: 20 }), Error);
  assertStringIncludes(error.message, "Cannot use Date.now in a simulated run");
  assertStringIncludes(error.message, "`eventTime` column");
});

Deno.test("a mean of one batch is found, and the message says so", async () => {
  const error = await assertRejects(() => simulate(thermostat(meanOfABatch), { seeds: 20 }), Error);
  assertStringIncludes(error.message, "look for results that are made of the rows of one batch");
});

Deno.test("the two laws of handlers hold for the right job, and the second mistake breaks one of them", async () => {
  await assertBatchSplitInvariant(thermostat(runningMean));
  await assertReplayDeterministic(thermostat(runningMean));
  await assertRejects(() => assertReplayDeterministic(thermostat(meanByTheClock)), Error);
});
