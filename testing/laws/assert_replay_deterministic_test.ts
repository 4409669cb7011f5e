import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { batchOf, topic, Turbine } from "../../mod.ts";
import { freshModule } from "../fresh_module.ts";
import { assertReplayDeterministic } from "./assert_replay_deterministic.ts";
import {
  meanPerBatch,
  means,
  meanSoFar,
  meanUpdates,
  numberedInClosure,
  numberedInState,
  readings,
  stampedByClock,
  stampedByEventTime,
  windows,
} from "./fixtures_test.ts";
import { LawError } from "./law_error.ts";
import { createApp as numberedInModule } from "./module_variable_fixture_test.ts";

const ADVICE = "Handlers must depend on records, state and context.watermarkMs only; look for Date.now(), " +
  "Math.random(), state in closures or module variables.";
const FIXTURE = new URL("./module_variable_fixture_test.ts", import.meta.url);

async function failure(check: () => Promise<void>): Promise<LawError> {
  const error = await assertRejects(check, LawError);
  assertStringIncludes(error.message, "Processing the same records again gave another result: ");
  assertStringIncludes(error.message, ADVICE);
  return error;
}

Deno.test("assertReplayDeterministic() finds output computed from the wall clock, and says where", async () => {
  const { message, seed, path } = await failure(() => assertReplayDeterministic(stampedByClock));
  const lines = message.split("\n");
  assertEquals(
    lines[0],
    "Processing the same records again gave another result: the output of subscription 'readings' differs in a second " +
      "run, at another wall time and with other randomness:",
  );
  assertEquals(lines[1], "at first, topic 'stamped' has");
  assertEquals(lines.slice(5, 9), [
    "from the row of topic 'readings'",
    '    {"device":"a","ts":0,"celsius":0}',
    ADVICE,
    "It used",
  ]);
  assertMatch(lines[9]!, /^ {4}Date\.now\(\) at .*fixtures_test\.ts:\d+:\d+/);
  assertStringIncludes(message, `{ seed: ${seed}, path: "${path}" }`);
});

Deno.test("assertReplayDeterministic() finds all that gives time and randomness", async () => {
  const sources: Record<string, () => number | string> = {
    "Math.random()": () => Math.random(),
    "new Date()": () => new Date().getTime(),
    "performance.now()": () => performance.now(),
    "crypto.randomUUID()": () => crypto.randomUUID(),
    "crypto.getRandomValues()": () => crypto.getRandomValues(new Uint32Array(1))[0]!,
    "Temporal.Now": () => String((globalThis as unknown as { Temporal: typeof Temporal }).Temporal.Now.plainTimeISO()),
  };
  for (const [what, draw] of Object.entries(sources)) {
    const drawing = () =>
      new Turbine("drawing").subscribe(readings, {}, (batch, { state }) => {
        for (const { device } of batch) state.put(device, draw());
      });
    const { message } = await failure(() => assertReplayDeterministic(drawing, { numRuns: 3, rowsMax: 3 }));
    assertStringIncludes(message, "the state of subscription 'readings' differs in a second run");
    assertStringIncludes(message, `    ${what}`);
  }
});

Deno.test("assertReplayDeterministic() finds state in a variable of the module, with a module of its own for each start or without", async () => {
  const shared = await failure(() => assertReplayDeterministic(numberedInModule));
  assertStringIncludes(shared.message, "differs in a second run");
  assertStringIncludes(shared.message, "No global of time or randomness was used");

  const createApp = async () => (await freshModule<{ createApp: typeof numberedInModule }>(FIXTURE)).createApp();
  const fresh = await failure(() => assertReplayDeterministic(createApp, { rowsMax: 4 }));
  assertStringIncludes(fresh.message, "the output of subscription 'readings' differs after a crash; ");
  assertMatch(fresh.message, /at first, .*\n.*"number":1}\n.*"number":2}\nagain, .*\n.*"number":1}\n.*"number":1}/);
});

Deno.test("assertReplayDeterministic() finds state in a closure, which a crash forgets", async () => {
  const { message } = await failure(() => assertReplayDeterministic(numberedInClosure));
  assertStringIncludes(message, "differs after a crash; the state was saved after 1 batch, nothing since, ");
});

Deno.test("assertReplayDeterministic() finds what a silent replay does otherwise than the batch before the crash", async () => {
  const skipping = () =>
    new Turbine("skipping").subscribe(readings, {}, async (batch, { state, isReplaying }) => {
      if (isReplaying) return;
      state.put("rows", (await state.get<number>("rows") ?? 0) + batch.numRows);
    });
  const { message } = await failure(() => assertReplayDeterministic(skipping));
  assertStringIncludes(message, "the state of subscription 'readings' differs after a crash; ");
  assertStringIncludes(message, "at first, state 'rows' of partition 0 has");
});

for (
  const [what, make] of Object.entries({
    meanSoFar,
    meanUpdates,
    numberedInState,
    stampedByEventTime,
    windows,
    meanPerBatch,
  })
) {
  Deno.test(`assertReplayDeterministic() holds for a job that depends on its records and state: ${what}`, async () => {
    await assertReplayDeterministic(make, { numRuns: 20 });
  });
}

Deno.test("assertReplayDeterministic() reaches crashes before and after the commit, on the same node and another, with and without a saved state", async () => {
  const seen = new Set<string>();
  const watching = () =>
    new Turbine("watching").subscribe(
      readings,
      { publishTo: means },
      async (batch, { state, isReplaying, input, log }) => {
        seen.add(isReplaying ? "silent replay" : "live");
        if (isReplaying) seen.add(input.from === 0n ? "replay from the origin" : "replay from a saved state");
        if (input.partition === 1) seen.add("second partition");
        log("info", "a batch");
        const n = await state.get<number>("n") ?? 0;
        state.put("n", n + batch.numRows);
        return batchOf(means.schema, [{ device: "n", mean: n }]);
      },
    );
  await assertReplayDeterministic(watching);
  assertEquals([...seen].toSorted(), [
    "live",
    "replay from a saved state",
    "replay from the origin",
    "second partition",
    "silent replay",
  ]);
});

Deno.test("assertReplayDeterministic() gives both runs the same records to the byte, timestamps too", async () => {
  const plain = topic("plain", { value: readings.codec });
  const byTimestamp = () =>
    new Turbine("plain").subscribe(plain, {}, (_batch, { state, input }) => {
      state.put("last", input.timestamps.at(-1));
    });
  await assertReplayDeterministic(byTimestamp, { numRuns: 10 });
});

Deno.test("assertReplayDeterministic() puts the globals of time and randomness back", async () => {
  const before = [Date, Math.random, performance.now, crypto.randomUUID, crypto.getRandomValues];
  await failure(() => assertReplayDeterministic(stampedByClock));
  assertEquals([Date, Math.random, performance.now, crypto.randomUUID, crypto.getRandomValues], before);
  assert(crypto.randomUUID() !== crypto.randomUUID());
});
