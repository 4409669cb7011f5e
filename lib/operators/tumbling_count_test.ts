import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  batchOf,
  chain,
  int64,
  json,
  map,
  ProcessingError,
  type SubscribeOptions,
  timestampMs,
  topic,
  tumblingCount,
  Turbine,
  utf8,
  where,
} from "../../mod.ts";
import { TestDriver } from "../../testing/test_driver.ts";

const SIZE_MS = 100;
const value = json({ key: utf8(), at: timestampMs() });
const windows = topic("windows", {
  value: json({ key: utf8(), window_start: timestampMs(), window_end: timestampMs(), count: int64() }),
});

interface Row {
  readonly key: string;
  readonly at: number;
}
interface Settings {
  readonly outOfOrdernessMs?: number;
  readonly allowedLatenessMs?: number;
  readonly subscribe?: Omit<SubscribeOptions, "publishTo" | "state">;
}

const inputOf = ({ outOfOrdernessMs = 0 }: Settings) => topic("clicks", { value, eventTime: "at", outOfOrdernessMs });

function countApp(settings: Settings = {}): Turbine {
  const { allowedLatenessMs = 0, subscribe = {} } = settings;
  const app = new Turbine("clicks", { checkpointIntervalMs: 300, stateFlushIntervalMs: 50 });
  const options = { publishTo: windows, commitIntervalMs: 20, ...subscribe };
  app.subscribe(
    inputOf(settings),
    options,
    tumblingCount({ name: "per-key", sizeMs: SIZE_MS, by: ["key"], allowedLatenessMs }),
  );
  return app;
}

const window = (key: string, start: number, count: number) => ({
  key,
  window_start: start,
  window_end: start + SIZE_MS,
  count: BigInt(count),
});

/** What must come out, row by row with plain maps: windows when the watermark passes them, in order of their start. */
function reference(rows: readonly Row[], settings: Settings = {}): { closed: string[]; open: string[] } {
  const { outOfOrdernessMs = 0, allowedLatenessMs = 0 } = settings;
  const counts = new Map<string, { start: number; key: string; count: number }>();
  let timeMs = -Infinity;
  for (const { key, at } of rows) {
    const start = Math.floor(at / SIZE_MS) * SIZE_MS;
    const watermarkMs = timeMs - outOfOrdernessMs;
    timeMs = Math.max(timeMs, at);
    if (start + SIZE_MS + allowedLatenessMs <= watermarkMs) continue;
    const place = `${start}/${key}`;
    const before = counts.get(place)?.count ?? 0;
    counts.set(place, { start, key, count: before + 1 });
  }
  const isClosed = (start: number) => start + SIZE_MS + allowedLatenessMs <= timeMs - outOfOrdernessMs;
  const texts = (wanted: boolean) =>
    [...counts.values()].filter(({ start }) => isClosed(start) === wanted)
      .map(({ key, start, count }) => `${key} ${start} ${count}`).sort();
  return { closed: texts(true), open: texts(false) };
}

const textsOf = (driver: TestDriver) =>
  driver.read(windows).map(({ key, window_start, count }) => `${key} ${window_start} ${count}`);

Deno.test("tumblingCount() publishes a window once, when the watermark has passed its end", async () => {
  const clicks = inputOf({});
  await using driver = await TestDriver.start(countApp());
  await driver.send(clicks, [{ key: "a", at: 0 }, { key: "b", at: 99 }, { key: "a", at: 50 }]);
  await driver.settle();
  assertEquals(driver.read(windows), []);
  await driver.send(clicks, [{ key: "a", at: 100 }]);
  await driver.settle();
  assertEquals(driver.read(windows), [window("a", 0, 2), window("b", 0, 1)]);
  await driver.send(clicks, [{ key: "b", at: 20 }, { key: "a", at: 400 }]);
  await driver.settle();
  assertEquals(driver.read(windows).slice(2), [window("a", 100, 1)]);
});

Deno.test("tumblingCount() puts times before 1970 into the windows that hold them", async () => {
  await using driver = await TestDriver.start(countApp());
  await driver.send(inputOf({}), [{ key: "a", at: -101 }, { key: "a", at: -100 }, { key: "a", at: -1 }, {
    key: "a",
    at: 0,
  }]);
  await driver.settle();
  assertEquals(driver.read(windows), [window("a", -200, 1), window("a", -100, 2)]);
});

const rowsArb: fc.Arbitrary<Row[]> = fc.array(
  fc.record({ key: fc.constantFrom("a", "b", "c"), step: fc.integer({ min: -250, max: 120 }) }),
  { minLength: 1, maxLength: 30 },
).map((drawn) => {
  let atMs = 1_000;
  return drawn.map(({ key, step }) => ({ key, at: atMs = Math.max(0, atMs + step + 40) }));
});

Deno.test("tumblingCount() counts what a plain map counts, whatever is late, however batches are cut", async () => {
  const settings = fc.record({
    outOfOrdernessMs: fc.constantFrom(0, 30, 150),
    allowedLatenessMs: fc.constantFrom(0, 50, 200),
    batchRows: fc.integer({ min: 1, max: 7 }),
  });
  await fc.assert(
    fc.asyncProperty(rowsArb, settings, async (rows, { batchRows, ...times }) => {
      const all = { ...times, subscribe: { batchRows } };
      await using driver = await TestDriver.start(countApp(all));
      await driver.send(inputOf(all), rows);
      await driver.settle();
      assertEquals(textsOf(driver).sort(), reference(rows, all).closed);
    }),
    { numRuns: 40 },
  );
});

for (const guarantee of ["at-least-once", "exactly-once"] as const) {
  Deno.test(`${guarantee}: windows survive a crash at any step of a commit, on either node`, async () => {
    const rows = Array.from({ length: 40 }, (_, at): Row => ({ key: "abc"[at % 3]!, at: at * 35 }));
    const expected = reference(rows).closed;
    for (const label of ["batch:processed", "produce:after", "commit:before", "commit:after", "flush:after"] as const) {
      for (const node of ["same", "new"] as const) {
        await using driver = await TestDriver.start(
          countApp({ subscribe: { processingGuarantee: guarantee, batchRows: 3 } }),
        );
        // Put into the log at once, so that the crash comes in their midst.
        driver.broker.put("clicks", rows.slice(0, 15).map((row) => JSON.stringify(row)));
        await driver.crashAt(label, { node });
        await driver.send(inputOf({}), rows.slice(15));
        await driver.settle();
        const found = textsOf(driver);
        assertEquals([...new Set(found)].sort(), expected, `${label}, ${node} node`);
        if (guarantee === "exactly-once") assertEquals(found.length, expected.length, `${label}, ${node} node`);
      }
    }
  });

  Deno.test(`${guarantee}: an idle input closes its windows by elapsed time, and a crash then repeats no decision`, async () => {
    const settings: Settings = { subscribe: { processingGuarantee: guarantee, idleTimeoutMs: 200 } };
    const clicks = inputOf(settings);
    for (const crash of [undefined, "commit:before", "commit:after", "flush:after"] as const) {
      for (const node of ["same", "new"] as const) {
        await using driver = await TestDriver.start(countApp(settings));
        await driver.send(clicks, [{ key: "a", at: 10 }, { key: "a", at: 60 }]);
        await driver.settle();
        await driver.advanceClock(150);
        assertEquals(driver.read(windows), [], "the input is not idle yet");
        if (crash === undefined) await driver.advanceClock(1_000);
        else await driver.crashAt(crash, { node });
        await driver.advanceClock(2_000);
        const what = `${crash ?? "no crash"}, ${node} node`;
        const found = driver.read(windows);
        assertEquals(
          new Set(found.map((row) => JSON.stringify(row, (_, cell) => typeof cell === "bigint" ? Number(cell) : cell)))
            .size,
          1,
          what,
        );
        assertEquals(found[0], window("a", 0, 2), what);
        if (guarantee === "exactly-once" || crash === undefined) assertEquals(found.length, 1, what);
        // A row for the closed window is late, on the node that closed it and on the one that replayed.
        await driver.restart(0, { node });
        await driver.send(clicks, [{ key: "a", at: 70 }, { key: "a", at: 60_250 }, { key: "a", at: 60_900 }]);
        await driver.settle();
        await driver.advanceClock(2_000);
        const later = driver.read(windows).filter(({ window_start }) => window_start !== 0);
        assertEquals(
          new Set(driver.read(windows).filter(({ window_start }) => window_start === 0).map(({ count }) => count)),
          new Set([2n]),
          what,
        );
        assertEquals([...new Set(later.map(({ window_start, count }) => `${window_start} ${count}`))], [
          "60200 1",
          "60900 1",
        ], what);
      }
    }
  });
}

Deno.test("without 'idleTimeoutMs' an idle input closes nothing, however long it is idle", async () => {
  await using driver = await TestDriver.start(countApp());
  await driver.send(inputOf({}), [{ key: "a", at: 10 }]);
  await driver.settle();
  await driver.advanceClock(3_600_000);
  assertEquals(driver.read(windows), []);
});

Deno.test("tumblingCount() works behind steps that keep rows, and refuses rows whose time is not known", async () => {
  const clicks = inputOf({});
  const count = tumblingCount<typeof clicks.schema, "key">({ name: "per-key", sizeMs: SIZE_MS, by: ["key"] });
  const app = new Turbine("clicks");
  app.subscribe(clicks, { publishTo: windows }, chain(where((c) => c.key.notEquals("b")), count));
  await using driver = await TestDriver.start(app);
  await driver.send(clicks, [{ key: "b", at: 1 }, { key: "a", at: 150 }, { key: "b", at: 2 }, { key: "a", at: 300 }]);
  await driver.settle();
  assertEquals(driver.read(windows), [window("a", 100, 1)]);

  const other = new Turbine("other");
  const remade = map<typeof clicks.schema, typeof clicks.schema>(
    (batch) => batchOf(clicks.schema, batch.getChild("key").toJSON().map((key) => ({ key, at: 0 }))),
    { output: clicks.schema },
  );
  other.subscribe(clicks, { publishTo: windows }, chain(remade, count));
  await using refusing = await TestDriver.start(other);
  await refusing.send(clicks, [{ key: "a", at: 1 }]);
  await assertRejects(() => refusing.settle(), ProcessingError, "the step before it made new rows");
});

Deno.test("tumblingCount() names the option that is wrong", () => {
  const of = (options: Record<string, unknown>) => () =>
    tumblingCount({ name: "n", sizeMs: 1, by: ["key"], ...options } as never);
  assertThrows(of({ name: "" }), TypeError, "'name' must not be empty");
  assertThrows(of({ sizeMs: 0 }), RangeError, "'sizeMs' must be an integer >= 1: current value is 0");
  assertThrows(of({ sizeMs: 1.5 }), RangeError, "current value is 1.5");
  assertThrows(
    of({ allowedLatenessMs: -1 }),
    RangeError,
    "'allowedLatenessMs' must be an integer >= 0: current value is -1",
  );
  assertThrows(of({ by: [] }), TypeError, "'by' must name at least one column");
  assertThrows(
    () => tumblingCount({ name: "n", sizeMs: 1, by: ["nobody"] } as never).schema({ key: utf8() }),
    TypeError,
    "'by' must name columns of key: current value is 'nobody'",
  );
});
