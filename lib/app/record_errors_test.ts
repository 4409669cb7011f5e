import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  DEAD_LETTER_HEADERS,
  DeserializationError,
  float64,
  json,
  ProcessingError,
  type RecordErrorPolicy,
  SerializationError,
  text,
  topic,
  Turbine,
  utf8,
  withColumns,
} from "../../mod.ts";
import { TestDriver } from "../../testing/test_driver.ts";

const readings = topic("readings", { value: json({ id: utf8(), x: float64() }) });
const copies = topic("copies", { value: json({ id: utf8(), x: float64() }) });
const letters = topic("readings.dead-letter", { value: text() });

/** Values that are no reading, and what the reason says. */
const MALFORMED: readonly (readonly [string, string])[] = [
  ["", "empty"],
  ["{", ""],
  ['{"id":"a","x":1', ""],
  ['{"id":"a","x":1}}', ""],
  ['{"id":"a"}', "x"],
  ['{"id":1,"x":1}', "id"],
  ['{"id":"a","x":"1"}', "x"],
  ['{"id":"a","x":null}', "x"],
  ['{"id":"\\ud800","x":1}', ""],
  ['{"id":"a","x":1e999}', "x"],
  ["[]", ""],
  ["null", ""],
  ['{"id":"a","x":01}', ""],
];
const GOOD = ['{"id":"first","x":1}', '{ "x": 2e0, "id": "se\\u0063ond" }', '{"id":"third","x":-0}'];
const FINE = [{ id: "first", x: 1 }, { id: "second", x: 2 }, { id: "third", x: -0 }];

function copyApp(onRecordError: RecordErrorPolicy): Turbine {
  const app = new Turbine("copy");
  app.subscribe(readings, { publishTo: copies, onRecordError, batchRows: 3 }, (batch) => batch);
  return app;
}

Deno.test("fail: a malformed row stops the task with a DeserializationError that names topic, offset, reason and bytes", async () => {
  for (const [value] of MALFORMED) {
    await using driver = await TestDriver.start(copyApp("fail"));
    driver.broker.put("readings", [GOOD[0]!, value, GOOD[1]!]);
    const error = await assertRejects(
      () => driver.settle(),
      DeserializationError,
      "topic 'readings' partition 0 offset 1",
    );
    assert(error.message.includes("'onRecordError'"), error.message);
    assert(error.message.endsWith(`the value is ${value}`), error.message);
    assertEquals(error.context.offset, 1);
    // Nothing of the refused batch is committed.
    assertEquals(driver.broker.committedOffsets("copy.readings").map(({ offset }) => offset).filter((o) => o > 1), []);
  }
});

Deno.test("skip: malformed rows are left out and counted, their neighbours come through in order", async () => {
  await using driver = await TestDriver.start(copyApp("skip"));
  const values = MALFORMED.map(([value]) => value);
  driver.broker.put("readings", [GOOD[0]!, ...values.slice(0, 6), GOOD[1]!, ...values.slice(6), GOOD[2]!]);
  await driver.settle();
  assertEquals(driver.read(copies), FINE);
  assertEquals(driver.running().status()[0]!.tasks[0]!.rejectedRows, MALFORMED.length);
});

Deno.test("dead-letter: each malformed row goes to the topic as it was, with where it came from and why", async () => {
  await using driver = await TestDriver.start(copyApp("dead-letter"));
  const rows = MALFORMED.map(([value], at) => ({
    key: `k${at}`,
    value,
    headers: [["own", Uint8Array.of(at)]] as const,
    timestampMs: 5_000 + at,
  }));
  driver.broker.put("readings", [{ value: GOOD[0]!, timestampMs: 1 }, ...rows, { value: GOOD[1]!, timestampMs: 2 }, {
    value: GOOD[2]!,
    timestampMs: 3,
  }]);
  await driver.settle();
  assertEquals(driver.read(copies), FINE);
  const found = driver.broker.read(letters.name);
  assertEquals(
    found.map(({ key, value, timestampMs }) => ({ key, value, timestampMs })),
    rows.map(({ key, value, timestampMs }) => ({ key, value, timestampMs })),
  );
  for (const [at, { headers }] of found.entries()) {
    const texts = Object.fromEntries(
      headers.map(([name, bytes]) => [name, bytes === null ? "" : new TextDecoder().decode(bytes)]),
    );
    assertEquals(headers[0]![0], "own", "its own headers come first");
    assertEquals(texts[DEAD_LETTER_HEADERS.topic], "readings");
    assertEquals(texts[DEAD_LETTER_HEADERS.partition], "0");
    assertEquals(texts[DEAD_LETTER_HEADERS.offset], String(at + 1));
    assertEquals(texts[DEAD_LETTER_HEADERS.timestamp], String(5_000 + at));
    assertEquals(texts[DEAD_LETTER_HEADERS.subscription], "readings");
    const reason = texts[DEAD_LETTER_HEADERS.reason]!;
    assert(reason !== "" && reason.includes(MALFORMED[at]![1] === "empty" ? "" : MALFORMED[at]![1]), reason);
    const position = Number(texts[DEAD_LETTER_HEADERS.position]);
    assert(position >= 0 && position <= MALFORMED[at]![0].length, `position ${position}`);
  }
});

Deno.test("dead-letter: any mix of rows is divided without loss, however batches are cut", async () => {
  const row = fc.oneof(fc.nat({ max: MALFORMED.length - 1 }).map((at) => MALFORMED[at]![0]), fc.constantFrom(...GOOD));
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 15 }), async (values) => {
      await using driver = await TestDriver.start(copyApp("dead-letter"));
      driver.broker.put("readings", values);
      await driver.settle();
      const isFine = (value: string) => GOOD.includes(value);
      assertEquals(driver.read(copies), values.filter(isFine).map((value) => FINE[GOOD.indexOf(value)]!));
      assertEquals(driver.broker.read(letters.name).map(({ value }) => value), values.filter((each) => !isFine(each)));
    }),
    { numRuns: 25 },
  );
});

Deno.test("context.reject() hands rows to the same policy", async () => {
  for (const policy of ["skip", "dead-letter", "fail"] as const) {
    const app = new Turbine("copy");
    app.subscribe(readings, { onRecordError: policy }, (batch, context) => {
      const xs = batch.getChild("x").toArray();
      context.reject([...xs.keys()].filter((at) => xs[at]! > 1), "x is above 1");
    });
    await using driver = await TestDriver.start(app);
    driver.broker.put(
      "readings",
      ['{"id":"a","x":1}', "{", '{"id":"b","x":2}'].filter((each) => policy !== "fail" || each !== "{"),
    );
    if (policy === "fail") {
      await assertRejects(() => driver.settle(), ProcessingError, "x is above 1");
      continue;
    }
    await driver.settle();
    const found = policy === "skip" ? [] : driver.broker.read(letters.name).map(({ value }) => value);
    assertEquals(found.sort(), policy === "skip" ? [] : ["{", '{"id":"b","x":2}'].sort());
  }
});

Deno.test("rows that cannot be written follow the policy: fail names the row, skip and dead-letter keep the others", async () => {
  const appOf = (onRecordError: RecordErrorPolicy) => {
    const app = new Turbine("copy");
    app.subscribe(readings, { publishTo: copies, onRecordError }, withColumns((c) => ({ x: c.x.dividedBy(c.x) })));
    return app;
  };
  const values = ['{"id":"a","x":2}', '{"id":"b","x":0}', '{"id":"c","x":4}'];
  for (const policy of ["fail", "skip", "dead-letter"] as const) {
    await using driver = await TestDriver.start(appOf(policy));
    driver.broker.put("readings", values);
    if (policy === "fail") {
      await assertRejects(() => driver.settle(), SerializationError, "column 'x' is NaN");
      continue;
    }
    await driver.settle();
    assertEquals(driver.read(copies).map(({ id }) => id), ["a", "c"]);
    const found = policy === "skip" ? [] : driver.broker.read(letters.name);
    assertEquals(found.length, policy === "skip" ? 0 : 1);
    for (const { value, headers } of found) {
      assert(value!.includes('"b"'), value!);
      assert(headers.some(([name]) => name === DEAD_LETTER_HEADERS.reason));
    }
  }
});

Deno.test("dead-letter: what a handler throws is 'fail' under every policy, and nothing is dropped", async () => {
  for (const onRecordError of ["skip", "dead-letter"] as const) {
    const app = new Turbine("copy");
    app.subscribe(readings, { onRecordError }, () => {
      throw new Error("boom");
    });
    await using driver = await TestDriver.start(app);
    driver.broker.put("readings", [GOOD[0]!]);
    await assertRejects(() => driver.settle(), ProcessingError, "boom");
    assertEquals(driver.broker.committedOffsets("copy.readings").filter(({ offset }) => offset > 0), []);
  }
});
