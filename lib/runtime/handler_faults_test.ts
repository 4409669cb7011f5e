/** What a handler, an operator or a codec may do wrong, and what then stops, is refused or goes on. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Batch,
  batchOf,
  binary,
  type Codec,
  type Columns,
  float64,
  type Handler,
  int64,
  json,
  type Operator,
  type SubscribeOptions,
  topic,
  Turbine,
  utf8,
} from "../../mod.ts";
import { TestDriver } from "../../testing/test_driver.ts";
import { InvariantError } from "../base/assert.ts";
import { BrokerTimeoutError } from "../base/errors.ts";
import { concatSpans, sliceSpans } from "../columns/spans.ts";

const schema = { device: utf8(), value: float64() };
const input = topic("in", { value: json(schema) });
const output = topic("out", { value: json(schema) });
type Step = Handler<typeof schema, typeof schema> | Operator<typeof schema, typeof schema>;

function start(step: Step, options: SubscribeOptions<typeof schema> = {}, partitions = 1): Promise<TestDriver> {
  const app = new Turbine("faults");
  app.subscribe(input, { publishTo: output, ...options }, step);
  return TestDriver.start(app, { partitions: { in: partitions, out: 1 } });
}

const row = (device: string, value = 1) => JSON.stringify({ device, value });
const devices = (driver: TestDriver) => driver.read(output).map(({ device }) => device);
const rowsOf = (batch: Batch<typeof schema>) => batch.toArray().map(({ device, value }) => ({ device, value }));

/** Runs one batch of two rows through a step that fails; gives the error that ended the app. */
async function failure(step: Step, options: SubscribeOptions<typeof schema> = {}): Promise<Error> {
  const driver = await start(step, options);
  driver.broker.put("in", [row("a"), row("b")]);
  const error = await assertRejects(() => driver.settle(), Error);
  await driver.close();
  return error;
}

Deno.test("a handler may reject rows of its input only", async () => {
  for (const bad of [-1, 2, 0.5, NaN]) {
    const error = await failure((_, context) => context.reject([0, bad], "it is bad"), { onRecordError: "skip" });
    assertEquals(error.name, "ProcessingError");
    assertStringIncludes(error.message, `it must be an integer from 0 to 1: current value is ${bad}`);
  }
});

Deno.test("a handler may emit to topics only", async () => {
  for (const target of [undefined, "out", { name: "out" }, { name: "out", codec: {} }, { codec: output.codec }]) {
    const error = await failure((batch, context) => context.emit(target as never, batch as never));
    assertEquals(error.name, "ProcessingError");
    assertStringIncludes(error.message, "its topic must be a topic()");
  }
});

Deno.test("a handler returns batches, not things that look like none", async () => {
  for (const result of [7, "text", { numRows: 2 }, [undefined]]) {
    const error = await failure(() => result as never);
    assertStringIncludes(error.message, "it must return a RecordBatch, several or nothing");
  }
  const driver = await start(() => null as never);
  driver.broker.put("in", [row("a")]);
  await driver.settle();
  assertEquals(devices(driver), [], "null is nothing");
  await driver.close();
});

Deno.test("several batches of a handler are published in their order, empty ones not at all", async () => {
  const driver = await start((batch) => [
    batchOf(schema, rowsOf(batch).slice(0, 1)) as Batch<typeof schema>,
    batchOf(schema, []) as Batch<typeof schema>,
    batchOf(schema, rowsOf(batch).slice(1)) as Batch<typeof schema>,
  ]);
  driver.broker.put("in", ["a", "b", "c"].map((device) => row(device)));
  await driver.settle();
  assertEquals(devices(driver), ["a", "b", "c"]);
  await driver.close();
});

Deno.test("a batch of which no row can be written leaves nothing but its refusals", async () => {
  const driver = await start((batch) => batchOf(schema, rowsOf(batch).map(({ device }) => ({ device, value: NaN }))), {
    onRecordError: "dead-letter",
  });
  driver.broker.put("in", [row("a"), row("b")]);
  await driver.settle();
  assertEquals(devices(driver), []);
  const letters = driver.broker.read("in.dead-letter").map(({ value }) => value);
  assertEquals(letters, ['{"device":"a","value":"NaN"}', '{"device":"b","value":"NaN"}']);
  assertEquals(driver.broker.committedOffsets("faults.in")[0]!.offset, 2);
  await driver.close();
});

Deno.test("a dead letter of a row that was made here shows what JSON cannot hold as text", async () => {
  const made = topic("made", { value: json({ big: int64(), raw: binary(), number: float64() }) });
  const app = new Turbine("made");
  app.subscribe(input, { publishTo: made, onRecordError: "dead-letter" }, () =>
    batchOf(made.schema, [
      { big: 2n ** 60n, raw: Uint8Array.of(0, 255), number: -Infinity },
      { big: -1n, raw: Uint8Array.of(), number: 1 },
    ]));
  const driver = await TestDriver.start(app, { partitions: { in: 1, made: 1 } });
  driver.broker.put("in", [row("a")]);
  await driver.settle();
  assertEquals(driver.read(made).map(({ big }) => big), [-1n]);
  const [letter] = driver.broker.read("in.dead-letter");
  assertEquals(letter!.value, '{"big":"1152921504606846976","raw":[0,255],"number":"-Infinity"}');
  await driver.close();
});

Deno.test("fail: a record without a value is named as null", async () => {
  const driver = await start((batch) => batch, { onRecordError: "fail" });
  driver.broker.put("in", [{ key: "t", value: null }]);
  const error = await assertRejects(() => driver.settle(), Error);
  assertEquals(error.name, "DeserializationError");
  assertStringIncludes(error.message, "Cannot read topic 'in' partition 0 offset 0: the value is null");
  assertStringIncludes(error.message, "the value is null");
  await driver.close();
});

for (const onRecordError of ["skip", "dead-letter"] as const) {
  Deno.test(`${onRecordError}: what was refused once is not counted, told or sent again by a silent replay`, async () => {
    const app = new Turbine("again", { checkpointIntervalMs: 3_600_000 });
    app.subscribe(
      input,
      { publishTo: output, onRecordError, processingGuarantee: "exactly-once" },
      async (batch, { state, reject, emit }) => {
        const rows = rowsOf(batch);
        reject(rows.flatMap(({ value }, at) => value < 0 ? [at] : []), "it is negative");
        const total = (await state.get<number>("rows") ?? 0) + rows.length;
        state.put("rows", total);
        emit(output, batchOf(schema, [{ device: "emitted", value: total }]) as Batch<typeof schema>);
        return batchOf(schema, rows.map(({ device, value }) => ({ device, value: value === 0 ? NaN : value })));
      },
    );
    const driver = await TestDriver.start(app, { partitions: { in: 1, out: 1 } });
    driver.broker.put("in", ["{", row("a"), row("negative", -1), row("unwritable", 0)]);
    await driver.settle();
    const before = { letters: driver.broker.read("in.dead-letter").length, out: driver.read(output) };
    assertEquals(before.letters, onRecordError === "skip" ? 0 : 3);
    driver.crash();
    driver.trace.length = 0;
    await driver.restart(0, { node: "new" });
    await driver.settle();
    assert(driver.trace.some(({ label }) => label === "restore:silent-replay-done"), "nothing was replayed");
    assertEquals({ letters: driver.broker.read("in.dead-letter").length, out: driver.read(output) }, before);
    assertEquals(driver.running().status()[0]!.tasks[0]!.rejectedRows, 0);
    assertEquals(driver.trace.filter(({ message }) => message?.startsWith("Rows were refused")), []);
    driver.broker.put("in", [row("b")]);
    await driver.settle();
    assertEquals(driver.read(output).filter(({ device }) => device === "emitted").map(({ value }) => value), [3, 4]);
    await driver.close();
  });
}

Deno.test("an operator that keeps time but does not say when it is due sees each jump of an idle input", async () => {
  const seen: number[] = [];
  const clock: Operator<typeof schema, typeof schema> = {
    name: "",
    isStateful: false,
    stateNames: [],
    outputMode: "append",
    schema: (columns) => columns,
    open: () => ({ process: (batch) => batch, advance: (watermarkMs) => void seen.push(watermarkMs) }),
  };
  const driver = await start(clock, { idleTimeoutMs: 100, commitIntervalMs: 50 });
  driver.broker.put("in", [{ value: row("a"), timestampMs: 10_000 }]);
  await driver.advanceClock(1_000);
  assertEquals(seen[0], 10_000);
  assertEquals(seen, seen.toSorted((a, b) => a - b), "time went back");
  const jumps = new Set(seen).size - 1;
  assert(jumps >= 10 && jumps <= 20, `${jumps} jumps in a second of commits each 50 ms`);
  await driver.close();
});

/** A codec that loses the last row of what it reads or writes. */
function losing(side: "decoder" | "encoder"): Codec<typeof schema> {
  const whole = json(schema);
  return {
    format: "lossy",
    schema,
    isInferred: false,
    decoder() {
      const decoder = whole.decoder();
      return { decode: (values, from, to) => decoder.decode(values, from, side === "decoder" ? to - 1 : to) };
    },
    encoder() {
      const encoder = whole.encoder();
      return {
        encode(batch: Batch<Columns>) {
          const { values, count, ...rest } = encoder.encode(batch);
          if (side === "decoder") return { values, count, ...rest };
          return { ...rest, values: concatSpans([sliceSpans(values, 0, count - 1)]), count: count - 1 };
        },
      };
    },
  };
}

for (const side of ["decoder", "encoder"] as const) {
  Deno.test(`a codec whose ${side} loses rows stops the process, and nothing of the batch is committed`, async () => {
    const value = losing(side);
    const app = new Turbine("lossy");
    app.subscribe(topic("in", { value }), { publishTo: topic("out", { value }) }, (batch) => batch);
    const driver = await TestDriver.start(app, { partitions: { in: 2, out: 1 } });
    driver.broker.put("in", [row("a"), row("b")], 1);
    const error = await assertRejects(() => driver.settle(), InvariantError);
    assertStringIncludes(error.message, `The lossy ${side} lost rows: 1 + 0 of 2`);
    const committed = driver.broker.committedOffsets("lossy.in").find(({ partition }) => partition === 1);
    assertEquals([committed?.offset ?? 0, driver.broker.read("out")], [0, []]);
    await driver.close();
  });
}

Deno.test("errors of the library pass through a handler as they are: a bug stops all, a passing trouble is waited out", async () => {
  const bug = await failure(() => {
    throw new InvariantError("It is broken");
  });
  assertEquals([bug.name, bug.message], ["InvariantError", "It is broken"]);
  let calls = 0;
  const driver = await start((batch) => {
    if (++calls < 3) throw new BrokerTimeoutError("The lookup did not answer");
    return batch;
  });
  driver.broker.put("in", [row("a")]);
  await driver.settle();
  assertEquals([devices(driver), calls], [["a"], 3]);
  await driver.close();
});
