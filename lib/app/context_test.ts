import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  batchOf,
  float64,
  int32,
  json,
  ProcessingError,
  stateTable,
  text,
  topic,
  Turbine,
  type TurbineOptions,
  utf8,
} from "../../mod.ts";
import { msgpack } from "../adapters/msgpack/msgpack.ts";
import { TestDriver } from "../../testing/test_driver.ts";

const lines = topic("lines", { value: json({ id: int32(), key: utf8() }) });
const copies = topic("copies", { value: json({ id: int32(), key: utf8() }) });
const notes = topic("notes", { value: json({ note: utf8() }) });
const rowsOf = (count: number, from = 0) =>
  Array.from({ length: count }, (_, at) => ({ id: from + at, key: `k${(from + at) % 3}` }));
const put = (driver: TestDriver, count: number, from = 0) =>
  driver.broker.put("lines", rowsOf(count, from).map((row) => JSON.stringify(row)));

Deno.test("context.emit() publishes to other topics in the same commit: all of it once, or none", async () => {
  const app = new Turbine("app");
  app.subscribe(
    lines,
    { publishTo: copies, processingGuarantee: "exactly-once", batchRows: 2, commitIntervalMs: 20 },
    (batch, context) => {
      const ids = batch.getChild("id").toJSON();
      context.emit(notes, batchOf(notes.schema, ids.map((id) => ({ note: `note ${id}` }))));
      return batch;
    },
  );
  for (const label of ["produce:after", "commit:before", "commit:after"] as const) {
    await using driver = await TestDriver.start(app);
    put(driver, 5);
    await driver.crashAt(label, { node: "none" });
    const ids = driver.read(copies).map(({ id }) => id);
    assertEquals(
      driver.read(notes).map(({ note }) => note),
      ids.map((id) => `note ${id}`),
      `half a commit at ${label}`,
    );
    await driver.restart();
    await driver.settle();
    assertEquals(driver.read(copies).map(({ id }) => id), [0, 1, 2, 3, 4]);
    assertEquals(driver.read(notes).map(({ note }) => note), [0, 1, 2, 3, 4].map((id) => `note ${id}`));
  }
});

Deno.test("context.random and isReplaying: a replay draws the same numbers and says that it is one", async () => {
  const drawn = new Map<string, number[]>();
  const replayed: string[] = [];
  const app = new Turbine("app", { checkpointIntervalMs: 3_600_000, stateFlushIntervalMs: 3_600_000 });
  app.subscribe(lines, { publishTo: copies, batchRows: 2, commitIntervalMs: 20 }, (batch, context) => {
    const place = String(context.input.from);
    if (context.isReplaying) replayed.push(place);
    context.state.put("last", place);
    drawn.set(place, [...drawn.get(place) ?? [], context.random.uint32()]);
    return batch;
  });
  await using driver = await TestDriver.start(app);
  put(driver, 6);
  await driver.settle();
  await driver.restart(0, { node: "new" });
  put(driver, 2, 6);
  await driver.settle();
  assert(replayed.length > 0, "the lost state was replayed");
  for (const [place, numbers] of drawn) assertEquals(new Set(numbers).size, 1, `offset ${place} drew other numbers`);
  assert(new Set([...drawn.values()].map(([first]) => first)).size > 1, "batches draw different numbers");
  // Silent: what was replayed was not published again.
  assertEquals(driver.read(copies).map(({ id }) => id), [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("onCommitted() hears of outputs only when their commit is known, and at least once over a crash", async () => {
  for (const label of ["commit:before", "commit:after"] as const) {
    const heard: number[] = [];
    let published = (): number[] => [];
    const app = new Turbine("app");
    app.subscribe(lines, {
      publishTo: copies,
      processingGuarantee: "exactly-once",
      commitIntervalMs: 20,
      onCommitted: (outputs) => {
        for (const { topic: name, batch } of outputs) {
          assertEquals(name, "copies");
          const ids = batch.getChild("id")!.toJSON() as number[];
          assert(ids.every((id) => published().includes(id)), "readers see it before");
          heard.push(...ids);
        }
      },
    }, (batch) => batch);
    await using driver = await TestDriver.start(app);
    published = () => driver.read(copies).map(({ id }) => id);
    put(driver, 2);
    await driver.settle();
    put(driver, 2, 2);
    await driver.crashAt(label);
    put(driver, 2, 4);
    await driver.settle();
    await driver.advanceClock(100);
    assertEquals(published(), [0, 1, 2, 3, 4, 5]);
    const expected = label === "commit:before" ? [0, 1, 2, 3, 4, 5] : published().filter((id) => heard.includes(id));
    assertEquals([...new Set(heard)].sort(), expected, label);
    assert([0, 1, 4, 5].every((id) => heard.includes(id)), `${label}: ${heard}`);
  }
});

Deno.test("state of the free form: values, bytes, deletion and scan, in one batch and over a restart", async () => {
  const seen = topic("seen", { value: text() });
  for (const options of [{}, { stateCodec: msgpack() }] as TurbineOptions[]) {
    const app = new Turbine("app", { checkpointIntervalMs: 100, ...options });
    app.subscribe(lines, { publishTo: seen, batchRows: 1, commitIntervalMs: 10 }, async (batch, { state }) => {
      const id = batch.getChild("id").get(0)!;
      if (id === 0) {
        state.put("user/1", { name: "Ada", tags: [1, null, "x"] });
        state.put("user/2", "Bo");
        state.put("other", -0.5);
        state.putBytes("raw", Uint8Array.of(0, 255));
      }
      if (id === 1) {
        state.delete("user/2");
        state.put("user/3", true);
      }
      const scanned: unknown[] = [];
      for await (const entry of state.scan("user/")) scanned.push(entry);
      const many = await state.getMany(["other", "user/2", "nobody"]);
      const raw = [...await state.getBytes("raw") ?? []];
      return batchOf(seen.schema, [{
        value: JSON.stringify({ scanned, many: many.map((each) => each ?? null), raw }),
      }]);
    });
    await using driver = await TestDriver.start(app);
    const user = ["user/1", { name: "Ada", tags: [1, null, "x"] }];
    const early = { scanned: [user, ["user/2", "Bo"]], many: [-0.5, "Bo", null], raw: [0, 255] };
    const late = { scanned: [user, ["user/3", true]], many: [-0.5, null, null], raw: [0, 255] };
    put(driver, 2);
    await driver.settle();
    for (const node of ["same", "new"] as const) {
      await driver.restart(0, { node });
      put(driver, 1, 2);
      await driver.settle();
    }
    assertEquals(driver.read(seen).map(({ value }) => JSON.parse(value)), [early, late, late, late]);
  }
});

Deno.test("stateTable: rows written in columns are read in columns, over a restart, and undone with their commit", async () => {
  const means = stateTable({ key: utf8(), value: { sum: float64(), n: int32(), note: utf8({ nullable: true }) } });
  const out = topic("out", { value: json({ key: utf8(), sum: float64(), n: int32() }) });
  const app = new Turbine("app", { checkpointIntervalMs: 200, stateFlushIntervalMs: 30 });
  app.subscribe(lines, {
    publishTo: out,
    state: { means },
    processingGuarantee: "exactly-once",
    batchRows: 3,
    commitIntervalMs: 10,
  }, async (batch, { state }) => {
    const keys = batch.getChild("key");
    const before = await state.means.getMany(keys);
    const sums = before.getChild("sum").toJSON(), counts = before.getChild("n").toJSON();
    const ids = batch.getChild("id").toJSON();
    const rows = ids.map((id, at) => ({ sum: (sums[at] ?? 0) + id, n: (counts[at] ?? 0) + 1, note: null }));
    state.means.putMany(keys, batchOf(means.value, rows));
    return batchOf(out.schema, keys.toJSON().map((key, at) => ({ key, sum: rows[at]!.sum, n: rows[at]!.n })));
  });
  const expected: { key: string; sum: number; n: number }[] = [];
  const sums = new Map<string, { sum: number; n: number }>();
  for (const { id, key } of rowsOf(30)) {
    const { sum, n } = sums.get(key) ?? { sum: 0, n: 0 };
    sums.set(key, { sum: sum + id, n: n + 1 });
    expected.push({ key, sum: sum + id, n: n + 1 });
  }
  await using driver = await TestDriver.start(app);
  for (const [round, label] of (["produce:after", "commit:before", "flush:before"] as const).entries()) {
    put(driver, 9, round * 9);
    await driver.crashAt(label, { node: round % 2 === 0 ? "same" : "new" });
  }
  driver.broker.faults.next("endTransaction", "reply-lost");
  put(driver, 3, 27);
  await driver.settle();
  assertEquals(driver.read(out), expected);
});

Deno.test("a value that the state codec cannot hold stops the task and names the key", async () => {
  const app = new Turbine("app");
  app.subscribe(lines, {}, (_, { state }) => state.put("big", 1n));
  await using driver = await TestDriver.start(app);
  put(driver, 1);
  await assertRejects(() => driver.settle(), ProcessingError);
});
