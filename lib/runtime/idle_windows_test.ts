import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { chain, int64, json, timestampMs, topic, tumblingCount, Turbine, utf8, where } from "../../mod.ts";
import { TestDriver, type TestDriverOptions } from "../../testing/test_driver.ts";
import { type Guarantee, GUARANTEES } from "./protocol_fixture_test.ts";

const readings = topic("readings", {
  value: json({ device: utf8(), ts: timestampMs() }),
  eventTime: "ts",
});
const counts = topic("counts", {
  value: json({ device: utf8(), window_start: timestampMs(), window_end: timestampMs(), count: int64() }),
});

interface Count {
  device: string;
  window_start: number;
  window_end: number;
  count: bigint;
}

function windowApp(guarantee: Guarantee): Turbine {
  const app = new Turbine("windows", {
    checkpointIntervalMs: 2_500,
    stateFlushIntervalMs: 400,
    failoverGraceMs: 10_000,
  });
  app.subscribe(
    readings,
    { publishTo: counts, processingGuarantee: guarantee, idleTimeoutMs: 500, batchRows: 3, commitIntervalMs: 40 },
    chain(
      where((c) => c.device.notEquals("ignored")),
      tumblingCount({ name: "counts", sizeMs: 1_000, by: ["device"] }),
    ),
  );
  return app;
}

function start(guarantee: Guarantee, options: TestDriverOptions = {}): Promise<TestDriver> {
  return TestDriver.start(windowApp(guarantee), { partitions: { readings: 1, counts: 1 }, ...options });
}

const put = (driver: TestDriver, rows: { device: string; ts: number }[]) =>
  driver.broker.put("readings", rows.map((row) => JSON.stringify(row)), 0);
const of = (device: string, start: number, count: bigint): Count => ({
  device,
  window_start: start,
  window_end: start + 1_000,
  count,
});
const sorted = (rows: readonly Count[]) =>
  rows.toSorted((a, b) => a.window_start - b.window_start || (a.device < b.device ? -1 : 1));

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: an idle window closes once, also when it closes in a commit whose end is not known`, async (t) => {
    const calls = guarantee === "exactly-once"
      ? ["produce", "sendOffsets", "endTransaction"] as const
      : ["commit"] as const;
    for (const call of calls) {
      for (const kind of ["reply-lost", "request-lost", "delayed", "refused"] as const) {
        await t.step(`${call} ${kind}`, async () => {
          const driver = await start(guarantee, { latencyMs: 10 });
          put(driver, [{ device: "a", ts: 100 }, { device: "a", ts: 200 }, { device: "b", ts: 300 }]);
          await driver.advanceClock(300);
          await driver.settle();
          assertEquals(driver.read(counts), []);
          driver.broker.faults.next(call, kind);
          await driver.advanceClock(5_000);
          driver.broker.faults.land();
          await driver.advanceClock(5_000);
          assertEquals(driver.broker.faults.fired, 1);
          assertEquals(driver.read(counts), [of("a", 0, 2n), of("b", 0, 1n)]);
          // The closed window stays closed over a restart, on this node and on another one.
          for (const node of ["same", "new"] as const) {
            driver.crash();
            await driver.restart(0, { node });
            await driver.advanceClock(5_000);
          }
          put(driver, [{ device: "a", ts: 50 }, { device: "c", ts: 900_000 }]);
          await driver.advanceClock(5_000);
          assertEquals(driver.read(counts), [of("a", 0, 2n), of("b", 0, 1n), of("c", 900_000, 1n)]);
          await driver.close();
        });
      }
    }
  });

  for (const label of ["time:jumped", "produce:after", "commit:before", "commit:after", "apply:after"] as const) {
    Deno.test(`${guarantee}: a crash at '${label}' while an idle window closes loses no window`, async () => {
      for (const node of ["same", "new"] as const) {
        const driver = await start(guarantee, { latencyMs: 10 });
        put(driver, [{ device: "a", ts: 100 }, { device: "b", ts: 300 }]);
        await driver.advanceClock(300);
        await driver.settle();
        await driver.crashAt(label, { node });
        await driver.advanceClock(10_000);
        const found = sorted(driver.read(counts));
        const once = found.filter((row, at) => at === 0 || row.device !== found[at - 1]!.device);
        assertEquals(once, [of("a", 0, 1n), of("b", 0, 1n)]);
        const isRepeatable = guarantee === "at-least-once" && ["produce:after", "commit:before"].includes(label);
        if (!isRepeatable) assertEquals(found.length, 2);
        await driver.close();
      }
    });
  }
}

Deno.test("windows that time closed are closed at the same rows in a replay, wherever it begins", async () => {
  const step = fc.oneof(
    fc.array(fc.record({ device: fc.constantFrom("a", "b", "ignored"), ts: fc.nat({ max: 6_000 }) }), {
      minLength: 1,
      maxLength: 6,
    }),
    fc.integer({ min: 400, max: 3_000 }),
  );
  const crashes = fc.array(fc.constantFrom("same" as const, "new" as const), { minLength: 1, maxLength: 3 });
  const property = fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), crashes, async (steps, nodes) => {
    const [plain, shaken] = [await start("exactly-once"), await start("exactly-once")];
    for (const [at, each] of steps.entries()) {
      for (const driver of [plain, shaken]) {
        if (typeof each !== "number") put(driver, each);
        await driver.settle();
        // Both see the same elapsed time on an idle input: jumps are decided at the same moments.
        await driver.advanceClock(typeof each === "number" ? each : 50);
      }
      if (at !== steps.length - 1) continue;
      for (const node of nodes) {
        shaken.crash();
        await shaken.restart(0, { node });
      }
    }
    for (const driver of [plain, shaken]) {
      put(driver, [{ device: "a", ts: 20_000 }, { device: "b", ts: 40_000 }]);
      await driver.settle();
    }
    assertEquals(shaken.read(counts), plain.read(counts));
    await plain.close();
    await shaken.close();
  });
  await fc.assert(property, { numRuns: 60 });
});

Deno.test("a jump is not journaled when there is nothing that it could close", async () => {
  const driver = await start("at-least-once");
  put(driver, [{ device: "a", ts: 100 }]);
  await driver.advanceClock(3_000);
  const jumps = () => driver.trace.filter(({ label }) => label === "time:jumped").length;
  assertEquals(jumps(), 1);
  await driver.advanceClock(60_000);
  assertEquals(jumps(), 1);
  assert(driver.broker.committedOffsets("windows.readings")[0]!.metadata.length < 200);
  await driver.close();
});
