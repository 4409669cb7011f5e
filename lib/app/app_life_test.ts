import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { batchOf, float64, int32, json, type Producer, SerializationError, topic, Turbine, utf8 } from "../../mod.ts";
import { MemoryBroker } from "../../testing/memory_broker.ts";
import { TestDriver } from "../../testing/test_driver.ts";

const quiet = { observer: { step: () => {}, log: () => {} } };
const input = topic("in", { value: json({ id: int32() }) });
const output = topic("out", { value: json({ id: int32() }) });

function copyApp(broker = new MemoryBroker()): Turbine {
  const app = new Turbine("copy", { broker, checkpoints: "memory:", environment: quiet });
  return app.subscribe(input, { publishTo: output, batchTimeoutMs: 0, commitIntervalMs: 1 }, (batch) => batch);
}

Deno.test("an app can be started again at once after it was closed, and only then", async () => {
  const app = copyApp();
  for (let round = 0; round < 3; round++) {
    const starting = app.start();
    await assertRejects(() => app.start(), TypeError, "as it is running: close it first");
    const running = await starting;
    await assertRejects(() => app.start(), TypeError, "as it is running: close it first");
    assertEquals(running.isClosed, false);
    await running.close();
    await running.close();
    assertEquals(running.isClosed, true);
  }
});

Deno.test("subscribe() while the app runs is refused, and allowed again after", async () => {
  const app = copyApp();
  const running = await app.start();
  try {
    let message = "";
    try {
      app.subscribe(topic("more", { value: json({ id: int32() }) }), {}, () => undefined);
    } catch (error) {
      message = (error as Error).message;
    }
    assertStringIncludes(message, "the app is running: subscribe before start() or run()");
  } finally {
    await running.close();
  }
  app.subscribe(topic("more", { value: json({ id: int32() }) }), {}, () => undefined);
});

Deno.test("an app without subscriptions runs until it is closed: it may still produce and read", async () => {
  const app = new Turbine("bare", { broker: new MemoryBroker(), checkpoints: "memory:", environment: quiet });
  const running = await app.start();
  await running.produce(input, [{ id: 1 }]);
  assertEquals(await running.read(input), [{ id: 1 }]);
  assertEquals(running.isClosed, false);
  await running.close();
  await running.ended;
});

Deno.test("RunningApp.produce() keeps one producer for all calls, and replaces it after a failure", async () => {
  const broker = new MemoryBroker();
  let made = 0;
  const original = broker.producer.bind(broker);
  broker.producer = (): Promise<Producer> => {
    made++;
    return original();
  };
  const app = new Turbine("producer", { broker, checkpoints: "memory:", environment: quiet });
  await using running = await app.start();
  await Promise.all(Array.from({ length: 20 }, (_, id) => running.produce(input, [{ id }])));
  assertEquals(made, 1);
  broker.faults.next("produce", "refused");
  await assertRejects(() => running.produce(input, [{ id: 20 }]), Error, "does not take requests");
  await running.produce(input, batchOf(input.schema, [{ id: 21 }]));
  assertEquals(made, 2);
  const ids = (await running.read(input)).map(({ id }) => id);
  assertEquals(ids, [...Array.from({ length: 20 }, (_, id) => id), 21]);
});

Deno.test("RunningApp.produce() creates a missing topic with the partitions that it says", async () => {
  const broker = new MemoryBroker();
  const app = new Turbine("creator", { broker, checkpoints: "memory:", environment: quiet });
  await using running = await app.start();
  await running.produce(topic("wide", { value: json({ id: int32() }), partitions: 7 }), [{ id: 1 }]);
  assertEquals(broker.cluster.state.topics.get("wide")!.logs.length, 7);
});

Deno.test("rows of a topic without a schema are written as they are, or refused by name: nothing is lost on the way", async () => {
  await using running = await new Turbine("bare", {
    broker: new MemoryBroker(),
    checkpoints: "memory:",
    environment: quiet,
  })
    .start();
  await running.produce("things", [{ a: 1, b: ["x", null] }, { a: 2.5 }]);
  assertEquals((await running.read("things")).length, 2);
  const cases: [unknown, string][] = [
    [{ a: NaN }, "Cannot write row 1 to topic 'things': 'a' is NaN"],
    [{ a: { b: 1n } }, "'b' is a bigint"],
    [{ a: () => 1 }, "'a' is a function"],
    [5, "it must be an object, not number"],
    [null, "it must be an object, not null"],
  ];
  for (const [row, expected] of cases) {
    await assertRejects(() => running.produce("things", [{ a: 0 }, row] as never), SerializationError, expected);
  }
  assertEquals((await running.read("things")).length, 2, "nothing is produced of rows of which one is refused");
  const typed = topic("typed", { value: json({ n: float64() }), key: "n" });
  await assertRejects(
    () => running.produce(typed, [{ n: 1 }, { n: NaN }]),
    SerializationError,
    "Cannot write row 1 to topic 'typed'",
  );
});

Deno.test("reading a topic that does not exist gives no rows and creates nothing", async () => {
  const broker = new MemoryBroker();
  await using running = await new Turbine("reader", { broker, checkpoints: "memory:", environment: quiet }).start();
  await using reader = running.reader(input);
  assertEquals(await reader.rows(), []);
  assertEquals(broker.cluster.state.topics.has("in"), false);
  await running.produce(input, [{ id: 3 }]);
  assertEquals(await reader.rows(), [{ id: 3 }]);
});

Deno.test("exactly-once on a broker without transactions is refused at the start, by the name of the subscription", async () => {
  const broker = new MemoryBroker();
  Object.defineProperty(broker, "capabilities", { value: { ...broker.capabilities, isTransactional: false } });
  const app = new Turbine("eos", { broker, checkpoints: "memory:", environment: quiet });
  app.subscribe(input, { processingGuarantee: "exactly-once" }, () => undefined);
  await assertRejects(
    () => app.start(),
    TypeError,
    "subscription 'in' is exactly-once and the broker at memory: has no transactions",
  );
});

Deno.test("run() ends in good order when its signal aborts, and throws what stopped the app", async () => {
  const broker = new MemoryBroker();
  const app = copyApp(broker);
  const stop = new AbortController();
  const done = app.run({ signal: stop.signal, handlesSignals: false });
  await app.produce(input, [{ id: 1 }]);
  while (broker.read("out").length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  stop.abort();
  await done;
  assertEquals(broker.committedOffsets("copy.in").length, 1);

  const failing = new Turbine("failing", { broker, checkpoints: "memory:", environment: quiet });
  failing.subscribe(input, {}, () => {
    throw new Error("no luck");
  });
  await assertRejects(() => failing.run({ handlesSignals: false }), Error, "no luck");
});

Deno.test("a subscription that stops ends its app, and a failing app names the failure in status()", async () => {
  const app = new Turbine("two");
  app.subscribe(input, { publishTo: output }, (batch) => batch);
  app.subscribe(topic("bad", { value: json({ word: utf8() }) }), {}, () => {
    throw new Error("never works");
  });
  const driver = await TestDriver.start(app, { partitions: { in: 1, bad: 1, out: 1 } });
  const running = driver.running();
  driver.broker.put("bad", ['{"word":"x"}']);
  const error = await assertRejects(() => driver.advanceClock(1_000), Error);
  assertStringIncludes(error.message, "never works");
  assertEquals(running.failure, error);
  assert(running.status().find(({ name }) => name === "bad")!.failures.get(0) === error);
  await driver.close();
});
