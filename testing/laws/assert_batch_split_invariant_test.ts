import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { batchOf, chain, int32, json, type Operator, topic, Turbine, utf8, where } from "../../mod.ts";
import { assertBatchSplitInvariant } from "./assert_batch_split_invariant.ts";
import {
  meanPerBatch,
  means,
  meanSoFar,
  meanUpdates,
  numberedInClosure,
  numberedInState,
  readings,
  stampedByClock,
  windows,
} from "./fixtures_test.ts";
import { LawError } from "./law_error.ts";
import { createApp as numberedInModule } from "./module_variable_fixture_test.ts";

const MANY = { numRuns: 20 };

async function failure(check: () => Promise<void>): Promise<LawError> {
  return await assertRejects(check, LawError);
}

Deno.test("assertBatchSplitInvariant() finds a mean per batch, and says what is wrong with it in the smallest case", async () => {
  const error = await failure(() => assertBatchSplitInvariant(meanPerBatch));
  assertEquals(
    error.message.split("\n").slice(0, 10),
    [
      "The output of subscription 'readings' depends on where batches are cut:",
      "with cuts [2], topic 'means' has",
      '    a: {"device":"a","mean":0}',
      "with cuts [1, 1], topic 'means' has",
      '    a: {"device":"a","mean":0}',
      '    a: {"device":"a","mean":0}',
      "from the 2 rows of topic 'readings'",
      '    {"device":"a","ts":0,"celsius":0}',
      '    {"device":"a","ts":0,"celsius":0}',
      'A batch is what had come when it was cut: load, options and restarts decide, and after a crash the same rows are cut elsewhere. A mean per batch is such a handler: keep what it sums up in "context.state" and publish that, or count in windows of event time.',
    ],
  );
  assertStringIncludes(error.message, `{ seed: ${error.seed}, path: "${error.path}" }`);
});

Deno.test("assertBatchSplitInvariant() runs the smallest case of a failure alone, given its seed and path", async () => {
  const { seed, path, counterexample } = await failure(() => assertBatchSplitInvariant(meanPerBatch, { seed: 7 }));
  let apps = 0;
  const again = await failure(() => assertBatchSplitInvariant(() => (apps++, meanPerBatch()), { seed, path }));
  assertEquals(again.counterexample, counterexample);
  assertEquals(apps, 1 + 3, "the subject, two runs, and the first one again");
});

for (const [what, make] of Object.entries({ meanSoFar, numberedInState, windows, stampedByClock, numberedInClosure })) {
  Deno.test(`assertBatchSplitInvariant() holds for a job that does not look at cuts: ${what}`, async () => {
    await assertBatchSplitInvariant(make, MANY);
  });
}

Deno.test("assertBatchSplitInvariant() of updates wants the last value of each key, and values of prefixes in between", async () => {
  const error = await failure(() => assertBatchSplitInvariant(meanUpdates, { rowsMax: 4 }));
  assertStringIncludes(error.message, "depends on where batches are cut");
  assertStringIncludes(error.message, 'If only the last value of each key counts, pass { output: "update" }.');
  await assertBatchSplitInvariant(meanUpdates, { ...MANY, output: "update" });

  const lastWrong = await failure(() => assertBatchSplitInvariant(meanPerBatch, { output: "update", rowsMax: 4 }));
  assertMatch(lastWrong.message, /with cuts \[2\], topic 'means', key [abd], has/);

  // The last value is right, but one in between is none that a prefix has.
  const hasty = () =>
    new Turbine("hasty").subscribe(readings, { publishTo: means }, async (batch, { state }) => {
      const n = (await state.get<number>("n") ?? 0) + batch.numRows;
      state.put("n", n);
      return [{ device: "all", mean: batch.numRows > 1 ? -1 : 0 }, { device: "all", mean: n }].map((row) =>
        batchOf(means.schema, [row])
      );
    });
  const between = await failure(() => assertBatchSplitInvariant(hasty, { output: "update", rowsMax: 4 }));
  assertStringIncludes(between.message, 'all: {"device":"all","mean":-1}');
});

Deno.test("assertBatchSplitInvariant() takes the meaning of the output from the step, unless it is told", async () => {
  const { operator } = meanUpdates().subscriptions[0]!;
  const step: Operator = { ...operator, outputMode: "update" };
  const updates = () => new Turbine("updates").subscribe(readings, { publishTo: means }, step as never);
  // Tables belong to the subscription, so this one keeps nothing and its means are those of batches.
  const error = await failure(() => assertBatchSplitInvariant(updates));
  assertStringIncludes(error.message, "The job stopped");
});

Deno.test("assertBatchSplitInvariant() looks at state too, and at state alone where nothing is published", async () => {
  const batches = () =>
    new Turbine("batches").subscribe(readings, {}, async (_batch, { state }) => {
      state.put("batches", (await state.get<number>("batches") ?? 0) + 1);
    });
  const error = await failure(() => assertBatchSplitInvariant(batches, { rowsMax: 4 }));
  assertEquals(error.message.split("\n").slice(0, 5), [
    "The state of subscription 'readings' depends on where batches are cut:",
    "with cuts [2], state 'batches' of partition 0 has",
    "    1",
    "with cuts [1, 1], state 'batches' of partition 0 has",
    "    2",
  ]);
});

Deno.test("assertBatchSplitInvariant() takes objects in state as the same whatever the order of their properties", async () => {
  const sorted = () =>
    new Turbine("sorted").subscribe(readings, {}, async (batch, { state }) => {
      const seen = await state.get<Record<string, boolean>>("seen") ?? {};
      // A batch puts its devices in alphabetical order.
      for (const { device } of [...batch].toSorted((a, b) => a.device.localeCompare(b.device))) seen[device] = true;
      state.put("seen", seen);
    });
  await assertBatchSplitInvariant(sorted, MANY);
});

Deno.test("assertBatchSplitInvariant() looks at what is emitted and dead-lettered, and not at where rows without a key go", async () => {
  const notes = topic("notes", { value: json({ device: utf8() }), partitions: 3 });
  const many = () =>
    new Turbine("many").subscribe(
      readings,
      { publishTo: means, onRecordError: "dead-letter" },
      async (batch, context) => {
        await Promise.resolve();
        const bad = [...batch].flatMap(({ celsius }, row) => celsius < 0 ? [row] : []);
        context.reject(bad, "too cold");
        context.emit(notes, batchOf(notes.schema, [...batch].map(({ device }) => ({ device }))));
        const good = [...batch].filter(({ celsius }) => celsius >= 0);
        return batchOf(means.schema, good.map(({ device, celsius }) => ({ device, mean: celsius })));
      },
    );
  await assertBatchSplitInvariant(many, { ...MANY, partitions: 3 });

  const emitting = () =>
    new Turbine("emitting").subscribe(readings, {}, (batch, { emit }) => {
      emit(notes, batchOf(notes.schema, [{ device: `${batch.numRows} rows` }]));
    });
  assertStringIncludes(
    (await failure(() => assertBatchSplitInvariant(emitting, { rowsMax: 4 }))).message,
    "topic 'notes' has",
  );
});

Deno.test("assertBatchSplitInvariant() finds what only happens with commits in between, or in one partition of several", async () => {
  const rows = [..."abcdefgh"].map((device, ts) => ({ device, ts, celsius: 1 }));
  const second = () =>
    new Turbine("second").subscribe(readings, { publishTo: means }, (batch, { input }) => {
      const size = input.partition === 1 ? batch.numRows : 1;
      return batchOf(means.schema, [...batch].map(({ device }) => ({ device, mean: size })));
    });
  const { message } = await failure(() => assertBatchSplitInvariant(second, { rows, numRuns: 100 }));
  assertStringIncludes(message, "of partition 0 and [");
  assertStringIncludes(message, 'partition 1  {"device":');
});

Deno.test("assertBatchSplitInvariant() does not blame cuts for what differs without them", async () => {
  const { message } = await failure(() => assertBatchSplitInvariant(numberedInModule));
  assertStringIncludes(message, "The output of subscription 'readings' differs between two runs with the same cuts");
  assertStringIncludes(message, "Then the cuts are not to blame");
});

Deno.test("assertBatchSplitInvariant() shows the input on which a job stops, and why", async () => {
  const picky = () =>
    new Turbine("picky").subscribe(readings, {}, (batch) => {
      if (batch.numRows > 2) throw new Error("too many");
    });
  const error = await failure(() => assertBatchSplitInvariant(picky));
  assertStringIncludes(error.message, "The job stopped: ");
  assertStringIncludes(error.message, "too many\nwith cuts [3] and the 3 rows of topic 'readings'");
});

Deno.test("assertBatchSplitInvariant() takes the rows or the arbitrary that it is given", async () => {
  const seen = new Set<string>();
  const look = () =>
    new Turbine("look").subscribe("words", {}, (batch) => {
      for (const row of batch) seen.add(String(row.word));
    });
  await assertBatchSplitInvariant(look, { rows: [{ word: "x" }, { word: "y" }, { word: "z" }], numRuns: 5 });
  assertEquals([...seen].toSorted(), ["x", "y", "z"]);
  seen.clear();
  const arbitrary = fc.array(fc.record({ word: fc.constantFrom("p", "q") }), { minLength: 2 });
  await assertBatchSplitInvariant(look, { arbitrary, numRuns: 5 });
  assertEquals([...seen].toSorted(), ["p", "q"]);
});

Deno.test("assertBatchSplitInvariant() runs one subscription of several, and chains of operators", async () => {
  const words = topic("words", { value: json({ word: utf8(), n: int32() }), key: "word" });
  let others = 0;
  const two = () => {
    const app = new Turbine("two");
    app.subscribe(readings, {}, () => void others++);
    app.subscribe(words, { name: "positive", publishTo: words2 }, chain(where((c) => c.n.greaterThan(0))));
    return app;
  };
  const words2 = topic("words2", { value: json({ word: utf8(), n: int32() }), key: "word" });
  await assertBatchSplitInvariant(two, { subscription: "positive", numRuns: 10 });
  assertEquals(others, 0);
  const error = await assertRejects(() => assertBatchSplitInvariant(two), TypeError);
  assertEquals(
    error.message,
    "Cannot check a law as 'subscription' must be one of 'readings', 'positive': current value is undefined",
  );
});

Deno.test("assertBatchSplitInvariant() puts the globals of time and randomness back", async () => {
  const { now } = Date, { random } = Math, globalDate = Date;
  await assertBatchSplitInvariant(stampedByClock, { numRuns: 2 });
  await failure(() => assertBatchSplitInvariant(meanPerBatch, { rowsMax: 3 }));
  assertEquals([Date.now, Math.random, Date], [now, random, globalDate]);
  assert(Date.now() > Date.UTC(2026, 0, 1));
});

Deno.test("assertBatchSplitInvariant() says what is wrong with its options", async () => {
  const message = async (options: object, source: unknown = meanSoFar) =>
    (await assertRejects(() => assertBatchSplitInvariant(source as never, options), Error)).message;
  assertStringIncludes(await message({ cuts: 1 }), "there is no option of that name");
  assertStringIncludes(await message({ rows: [{}], arbitrary: fc.constant([]) }), "current value is both");
  assertStringIncludes(await message({ rows: [] }), "'rows' must not be empty");
  assertStringIncludes(await message({ rowsMax: 0 }), "'rowsMax' must be an integer >= 1: current value is 0");
  assertStringIncludes(await message({ output: "upsert" }), "current value is 'upsert'");
  assertStringIncludes(await message({}, {}), "it must be a Turbine or a function that makes one");
  const inferred = () => new Turbine("inferred").subscribe("words", {}, () => {});
  assertStringIncludes(await message({}, inferred), "topic 'words' has no schema, give 'rows' or 'arbitrary'");
  const unkeyed = topic("unkeyed", { value: json({ n: int32() }) });
  const updates = () => new Turbine("unkeyed").subscribe(readings, { publishTo: unkeyed }, () => {});
  assertStringIncludes(await message({ output: "update" }, updates), "topic 'unkeyed' as it has no key");
  assertStringIncludes(await message({ rows: [{ device: 1 }] }), "device");
});
