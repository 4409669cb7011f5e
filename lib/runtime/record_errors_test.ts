import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  batchOf,
  chain,
  DEAD_LETTER_HEADERS,
  float64,
  type Handler,
  int32,
  json,
  map,
  type Operator,
  type SubscribeOptions,
  topic,
  Turbine,
  utf8,
  where,
} from "../../mod.ts";
import type { ReadRow } from "../../testing/record_rows.ts";
import { TestDriver } from "../../testing/test_driver.ts";
import { GUARANTEES } from "./protocol_fixture_test.ts";

const schema = { device: utf8(), value: float64() };
const input = topic("in", { value: json(schema), key: "device" });
const output = topic("out", { value: json(schema) });
type Policy = "fail" | "skip" | "dead-letter";

function start(
  options: SubscribeOptions<typeof schema>,
  step: Handler<typeof schema, typeof schema> | Operator<typeof schema, typeof schema> = (batch) => batch,
): Promise<TestDriver> {
  const app = new Turbine("policies");
  app.subscribe(input, { publishTo: output, ...options }, step);
  return TestDriver.start(app, { partitions: { in: 1, out: 1, other: 1 } });
}

const good = (device: string, value = 1) => ({ key: device, value: JSON.stringify({ device, value }), timestampMs: 5 });
const devices = (driver: TestDriver) => driver.read(output).map(({ device }) => device);
const letters = (driver: TestDriver, name = "in.dead-letter"): ReadRow[] => driver.broker.read(name);

function headersOf(row: ReadRow): Record<string, string> {
  const decoder = new TextDecoder();
  return Object.fromEntries(row.headers.map(([name, value]) => [name, value === null ? "" : decoder.decode(value)]));
}

Deno.test("fail: an undecodable record stops at its offset, naming topic, offset, byte and value, and is never committed", async () => {
  const driver = await start({ onRecordError: "fail", batchTimeoutMs: 0 });
  driver.broker.put("in", [good("a")]);
  await driver.settle();
  driver.broker.put("in", [good("b"), { key: "x", value: '{"device":"\u0007' }]);
  const error = await assertRejects(() => driver.settle(), Error);
  assertEquals(error.name, "DeserializationError");
  assertStringIncludes(error.message, "topic 'in' partition 0 offset 2");
  assertStringIncludes(error.message, '{"device":"\\x07');
  assertEquals(driver.broker.committedOffsets("policies.in")[0]!.offset, 1);
  await driver.close();
});

for (const policy of ["skip", "dead-letter"] as const) {
  Deno.test(`${policy}: undecodable records and tombstones are passed, counted and replaced by nothing`, async () => {
    const driver = await start({ onRecordError: policy });
    driver.broker.put("in", [good("a"), "{", { key: "t", value: null }, good("b")]);
    await driver.settle();
    assertEquals(devices(driver), ["a", "b"]);
    assertEquals(driver.running().status()[0]!.tasks[0]!.rejectedRows, 2);
    assertEquals(letters(driver).length, policy === "skip" ? 0 : 2);
    await driver.close();
  });
}

Deno.test("a dead letter is the record as it was, with headers that say where it came from and why", async () => {
  const driver = await start({ onRecordError: "dead-letter", deadLetter: "graveyard", name: "job" });
  const headers = [["mine", new TextEncoder().encode("kept")]] as const;
  driver.broker.put("in", [good("a"), { key: "k", value: '{"device":1}', headers, timestampMs: 77 }]);
  await driver.settle();
  const [letter] = letters(driver, "graveyard");
  assertEquals([letter!.key, letter!.value, letter!.timestampMs], ["k", '{"device":1}', 77]);
  const found = headersOf(letter!);
  assertEquals(found.mine, "kept");
  assertEquals(found[DEAD_LETTER_HEADERS.topic], "in");
  assertEquals(found[DEAD_LETTER_HEADERS.partition], "0");
  assertEquals(found[DEAD_LETTER_HEADERS.offset], "1");
  assertEquals(found[DEAD_LETTER_HEADERS.timestamp], "77");
  assertEquals(found[DEAD_LETTER_HEADERS.subscription], "job");
  assertStringIncludes(found[DEAD_LETTER_HEADERS.reason]!, "device");
  assert(Number(found[DEAD_LETTER_HEADERS.position]) >= 0);
  await driver.close();
});

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: dead letters take part in the commit`, async () => {
    const driver = await start({ onRecordError: "dead-letter", processingGuarantee: guarantee });
    driver.broker.put("in", [good("a"), "bad", good("b")]);
    await driver.crashAt("produce:after", { node: "new" });
    await driver.settle();
    assertEquals(new Set(devices(driver)), new Set(["a", "b"]));
    if (guarantee === "exactly-once") assertEquals([letters(driver).length, devices(driver).length], [1, 2]);
    else assert(letters(driver).length >= 1);
    await driver.close();
  });
}

const rejecting: Handler<typeof schema, typeof schema> = (batch, context) => {
  const bad: number[] = [];
  for (const [row, value] of batch.getChild("value").toJSON().entries()) if (value < 0) bad.push(row, row);
  context.reject(bad, "it is negative");
  return batchOf(
    schema,
    batch.toArray().filter((row) => row.value >= 0).map(({ device, value }) => ({ device, value })),
  );
};

for (const policy of ["fail", "skip", "dead-letter"] as Policy[]) {
  Deno.test(`${policy}: rows that a handler rejects follow the policy, also behind undecodable ones`, async () => {
    const driver = await start({ onRecordError: policy }, rejecting);
    driver.broker.put(
      "in",
      policy === "fail" ? [good("a"), good("n", -1)] : ["{", good("a"), good("n", -1), good("b")],
    );
    if (policy === "fail") {
      const error = await assertRejects(() => driver.settle(), Error);
      assertEquals(error.name, "ProcessingError");
      assertStringIncludes(error.message, "rejected topic 'in' partition 0 offset 1: it is negative");
    } else {
      await driver.settle();
      assertEquals(devices(driver), ["a", "b"]);
      const values = letters(driver).map(({ value }) => value);
      assertEquals(values, policy === "skip" ? [] : ["{", good("n", -1).value]);
      assertEquals(driver.running().status()[0]!.tasks[0]!.rejectedRows, 2);
    }
    await driver.close();
  });

  Deno.test(`${policy}: rows that cannot be written follow the policy, by the record they came from`, async () => {
    const halve: Handler<typeof schema, typeof schema> = (batch) => {
      const values = batch.getChild("value").toArray();
      return batchOf(
        schema,
        batch.getChild("device").toJSON().map((device, at) => ({ device, value: 0 / values[at]! })),
      );
    };
    // A filter in front keeps track of origins; a map() behind it makes new rows.
    for (const step of ["tracked", "made"] as const) {
      const nan: Handler<typeof schema, typeof schema> = (batch) => {
        const values = batch.getChild("value").toArray();
        for (let row = 0; row < values.length; row++) if (values[row] === 0) values[row] = NaN;
        return batch;
      };
      const operator = step === "tracked"
        ? chain(where<typeof schema>((c) => c.device.notEquals("ignored")), map(nan, { output: schema }))
        : chain(where<typeof schema>((c) => c.device.notEquals("ignored")), map(halve, { output: schema }));
      const driver = await start({ onRecordError: policy }, operator as Operator<typeof schema, typeof schema>);
      driver.broker.put("in", [good("ignored"), good("a"), good("zero", 0), good("b")]);
      if (policy === "fail") {
        const error = await assertRejects(() => driver.settle(), Error);
        assertEquals(error.name, "SerializationError");
        assertStringIncludes(error.message, "to topic 'out'");
        assertStringIncludes(error.message, "topic 'in' partition 0");
      } else {
        await driver.settle();
        assertEquals(devices(driver), ["a", "b"]);
        assertEquals(driver.running().status()[0]!.tasks[0]!.rejectedRows, 1);
        const found = letters(driver);
        assertEquals(found.length, policy === "skip" ? 0 : 1);
        if (policy === "dead-letter") {
          const [letter] = found;
          const isTracked = headersOf(letter!)[DEAD_LETTER_HEADERS.offset] !== "-1";
          assertEquals(isTracked, step === "tracked");
          assertEquals(letter!.value, isTracked ? good("zero", 0).value : '{"device":"zero","value":"NaN"}');
        }
      }
      await driver.close();
    }
  });
}

Deno.test("a key that is NaN refuses its row as a value that is NaN does", async () => {
  const keyed = topic("keyed", { value: json({ device: utf8() }), key: "device" });
  const byNumber = topic("by-number", { value: json({ device: utf8({ nullable: true }), n: float64() }), key: "n" });
  const app = new Turbine("keys");
  app.subscribe(
    keyed,
    { publishTo: byNumber, onRecordError: "skip" },
    (batch) =>
      batchOf(
        byNumber.schema,
        batch.getChild("device").toJSON().map((device, at) => ({ device, n: at === 1 ? NaN : at })),
      ),
  );
  const driver = await TestDriver.start(app, { partitions: { keyed: 1, "by-number": 1 } });
  await driver.send(keyed, [{ device: "a" }, { device: "b" }, { device: "c" }]);
  await driver.settle();
  assertEquals(driver.broker.read("by-number").map(({ key, value }) => [key, value]), [
    ["0", '{"device":"a","n":0}'],
    ["2", '{"device":"c","n":2}'],
  ]);
  await driver.close();
});

Deno.test("a handler that throws stops its task only; the others go on, and its records are not committed", async () => {
  const app = new Turbine("thrower");
  app.subscribe(input, { publishTo: output }, (batch, { input }) => {
    if (input.partition === 1) throw new Error("no luck with this one");
    return batch;
  });
  const driver = await TestDriver.start(app, { partitions: { in: 3, out: 1 } });
  for (const partition of [0, 1, 2]) driver.broker.put("in", [good(`d${partition}`)], partition);
  await driver.advanceClock(2_000);
  assertEquals(devices(driver).toSorted(), ["d0", "d2"]);
  const { failures, tasks } = driver.running().status()[0]!;
  assertEquals(tasks.map(({ partition }) => partition).sort(), [0, 2]);
  const message = failures.get(1)!.message;
  assertStringIncludes(
    message,
    "subscription 'in' failed on topic 'in' partition 1 offsets 0 to 1: no luck with this one",
  );
  assertEquals(driver.broker.committedOffsets("thrower.in").find(({ partition }) => partition === 1)!.offset, 0);
  // It stays put: nothing of it is fetched again and again.
  const fetches = driver.trace.filter(({ label }) => label === "batch:fetched").length;
  driver.broker.put("in", [good("more")], 1);
  await driver.advanceClock(5_000);
  assertEquals(driver.trace.filter(({ label }) => label === "batch:fetched").length, fetches);
  await driver.close();
});

Deno.test("a handler that returns a batch without 'publishTo', or something else, fails with the next step", async () => {
  const cases: [Handler<typeof schema, typeof schema>, boolean, string][] = [
    [(batch) => batch, false, "it returned a batch but has no 'publishTo': set it, or return nothing"],
    [() => "text" as never, true, "it must return a RecordBatch, several or nothing: current value is text"],
    [() => batchOf({ device: utf8() }, [{ device: "a" }]) as never, true, "Cannot publish to topic 'out': "],
    [
      () => batchOf({ device: utf8(), value: utf8() }, [{ device: "a", value: "b" }]) as never,
      true,
      "column 'value' must be float64",
    ],
    [() => Promise.reject("just a string"), true, "offsets 0 to 1: just a string"],
  ];
  for (const [handler, hasOutput, expected] of cases) {
    const app = new Turbine("returns");
    app.subscribe(input, hasOutput ? { publishTo: output } : {}, handler);
    const driver = await TestDriver.start(app, { partitions: { in: 1, out: 1 } });
    driver.broker.put("in", [good("a")]);
    const error = await assertRejects(() => driver.settle(), Error);
    assertEquals(error.name, "ProcessingError");
    assertStringIncludes(error.message, expected);
    await driver.close();
  }
});

Deno.test("context.emit() publishes to another topic in the same commit, and creates it as it says", async () => {
  const other = topic("elsewhere", { value: json({ n: int32() }), partitions: 3 });
  const app = new Turbine("emitter");
  app.subscribe(input, { processingGuarantee: "exactly-once" }, (batch, context) => {
    context.emit(other, batchOf(other.schema, [{ n: batch.numRows }]));
  });
  const driver = await TestDriver.start(app, { partitions: { in: 1 } });
  driver.broker.put("in", [good("a"), good("b")]);
  await driver.crashAt("commit:before", { node: "new" });
  await driver.settle();
  assertEquals(driver.read(other), [{ n: 2 }]);
  assertEquals(driver.broker.cluster.state.topics.get("elsewhere")!.logs.length, 3);
  await driver.close();
});
