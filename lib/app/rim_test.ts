import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { batchOf } from "../columns/batch_of.ts";
import { float64, utf8 } from "../columns/schema.ts";
import { json } from "../codecs/json/json.ts";
import { topic } from "../operator/topic.ts";
import { tumblingCount } from "../operators/tumbling_count.ts";
import { chain } from "../operators/chain.ts";
import { where } from "../operators/where.ts";
import { TestDriver } from "../../testing/test_driver.ts";
import { checkReplayable } from "./start_app.ts";
import { Turbine } from "./turbine.ts";

const readings = topic("readings", { value: json({ device: utf8(), value: float64() }), key: "device" });
const copies = topic("copies", { value: json({ device: utf8(), value: float64() }) });
const quiet = { environment: { observer: { step: () => {}, log: () => {} } } };

Deno.test("a handler may take its context apart", async () => {
  const app = new Turbine("apart");
  app.subscribe(readings, { onRecordError: "skip" }, (batch, { emit, reject, log }) => {
    emit(copies, batch);
    reject([0], "the first of each batch");
    log("info", "seen");
  });
  await using driver = await TestDriver.start(app);
  await driver.send(readings, [{ device: "a", value: 1 }]);
  await driver.settle();
  assertEquals(driver.read(copies), [{ device: "a", value: 1 }]);
  assertEquals(driver.running().status()[0]!.tasks[0]!.rejectedRows, 1);
});

Deno.test("refused rows are told of when they begin and when they have doubled, not one by one", async () => {
  const app = new Turbine("told");
  app.subscribe(readings, { publishTo: copies, onRecordError: "skip", batchRows: 1 }, (batch) => batch);
  await using driver = await TestDriver.start(app, { partitions: { readings: 1 } });
  driver.broker.put("readings", Array.from({ length: 20 }, () => "not json"));
  await driver.settle();
  const lines = driver.trace.filter(({ message }) => message?.startsWith("Rows were refused and skipped"));
  assertEquals(lines.map(({ detail }) => detail.rowsSoFar), [1, 2, 4, 8, 16]);
});

Deno.test("read() says which records do not have the topic's columns instead of leaving them out", async () => {
  const app = new Turbine("reads", { broker: "memory:", ...quiet });
  await app.produce(topic("readings", { value: json({ other: utf8() }) }), [{ other: "x" }]);
  await assertRejects(
    () => app.read(readings),
    Error,
    "Cannot read 1 records of topic 'readings', first partition 0 offset 0",
  );
  await assertRejects(() => app.read(readings, { from: "newest" as never }), TypeError, "current value is 'newest'");
  await assertRejects(() => app.read(readings, { form: "latest" } as never), TypeError, "current value is 'form'");
});

Deno.test("mistyped options of start() and run() are refused", async () => {
  const app = new Turbine("options", { broker: "memory:", ...quiet });
  await assertRejects(() => app.start({ brokr: "memory:" } as never), TypeError, "current value is 'brokr'");
  await assertRejects(() => app.run({ signals: true } as never), TypeError, "current value is 'signals'");
  await assertRejects(() => app.run(), TypeError, "it has no subscription");
});

Deno.test("subscribe() without options, or with its input as dead-letter topic, is refused by name", () => {
  const app = new Turbine("refused");
  assertThrows(
    () => app.subscribe(readings, (() => {}) as never, undefined as never),
    TypeError,
    "its options must be an object",
  );
  assertThrows(
    () => app.subscribe(readings, { deadLetter: "readings" }, () => {}),
    TypeError,
    "must not be its own input",
  );
});

Deno.test("an input that is known to be compacted is refused, since a replay would read fewer records", () => {
  const app = new Turbine("compacted");
  app.subscribe(readings, {}, () => {});
  const description = { topic: "readings", topicId: "1", partitions: 1 };
  checkReplayable(app.subscriptions, new Map([["readings", description]]));
  const compacted = new Map([["readings", { ...description, isCompacted: true }]]);
  assertThrows(() => checkReplayable(app.subscriptions, compacted), TypeError, "Cannot start subscription 'readings'");
});

Deno.test("a window's size is part of what its state depends on, also inside a chain", () => {
  const format = (sizeMs: number) =>
    chain(where((c) => c.device!.isNotNull()), tumblingCount({ name: "w", sizeMs, by: ["device"] })).stateFormats?.w;
  assert(format(10) !== undefined && format(10) !== format(20));
});

Deno.test("a run that could not be closed in good order ends with an error", async () => {
  const app = new Turbine("stuck", { broker: "memory:", closeTimeoutMs: 50, ...quiet });
  const never = new Promise<void>(() => {});
  app.subscribe(readings, {}, () => never);
  const end = new AbortController();
  await app.produce(readings, batchOf(readings.schema, [{ device: "a", value: 1 }]));
  const run = app.run({ signal: end.signal, handlesSignals: false });
  await new Promise((resolve) => setTimeout(resolve, 200));
  end.abort();
  await assertRejects(() => run, Error, "Cannot close app 'stuck' within 50 ms");
});
