import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { batchOf, int32, json, ProcessingError, type SubscribeOptions, topic, Turbine, utf8 } from "../mod.ts";
import { type AppSource, TestDriver, type TestDriverOptions } from "./test_driver.ts";

const words = topic("words", { value: json({ word: utf8() }), key: "word" });
const totals = topic("totals", { value: json({ word: utf8(), total: int32(), partition: int32() }) });
type Guarantee = "at-least-once" | "exactly-once";

/** A job that counts words. */
function counter(processingGuarantee: Guarantee = "exactly-once", options: SubscribeOptions = {}): Turbine {
  const app = new Turbine("counter", { failoverGraceMs: 5_000, checkpointIntervalMs: 500 });
  app.subscribe(
    words,
    { publishTo: totals, processingGuarantee, commitIntervalMs: 50, ...options } as never,
    async (batch, { state, input }) => {
      const found = batch.getChild("word").toJSON();
      const rows: { word: string; total: number; partition: number }[] = [];
      for (const word of found) {
        const total = (await state.get<number>(word) ?? 0) + 1;
        state.put(word, total);
        rows.push({ word, total, partition: input.partition });
      }
      return batchOf(totals.schema, rows) as never;
    },
  );
  return app;
}

const row = (word: string, total: number, partition = 0) => ({ word, total, partition });
const WORDS = ["a", "b", "a"].map((word) => ({ word }));

Deno.test("TestDriver.settle() ends when all input is committed, and read() gives what a reader sees", async () => {
  await using driver = await TestDriver.start(counter());
  assertEquals(driver.read(totals), []);
  await driver.send(words, WORDS);
  await driver.settle();
  assertEquals(driver.read(totals), [row("a", 1), row("b", 1), row("a", 2)]);
  assertEquals(driver.broker.committedOffsets("counter.words").length, 1);
});

Deno.test("TestDriver: nothing that is only in an open transaction is read", async () => {
  await using driver = await TestDriver.start(counter("exactly-once", { commitIntervalMs: 1_000 }));
  driver.broker.put("words", ['{"word":"a"}']);
  await driver.crashAt("commit:before", { node: "none" });
  assertEquals(driver.read(totals), []);
  await driver.restart();
  await driver.settle();
  assertEquals(driver.read(totals), [row("a", 1)]);
});

Deno.test("TestDriver: time passes only when it is advanced or something is waited for", async () => {
  await using driver = await TestDriver.start(counter());
  const before = driver.clock.monotonicMs();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(driver.clock.monotonicMs(), before);
  await driver.advanceClock(12_345);
  assertEquals(driver.clock.monotonicMs(), before + 12_345);
});

for (const guarantee of ["at-least-once", "exactly-once"] as const) {
  for (const node of ["same", "new"] as const) {
    Deno.test(`TestDriver.crashAt(), ${guarantee}, ${node} node: the state goes on where the committed offset is`, async () => {
      for (
        const label of ["produce:before", "produce:after", "commit:before", "commit:after", "apply:before"] as const
      ) {
        await using driver = await TestDriver.start(counter(guarantee));
        await driver.send(words, WORDS);
        await driver.crashAt(label, { node });
        await driver.send(words, WORDS);
        await driver.settle();
        const found = driver.read(totals);
        const expected = [row("a", 1), row("b", 1), row("a", 2), row("a", 3), row("b", 2), row("a", 4)];
        assertEquals([...new Map(found.map((each) => [`${each.word}${each.total}`, each])).values()], expected, label);
        if (guarantee === "exactly-once") assertEquals(found, expected, label);
      }
    });
  }
}

Deno.test("TestDriver.crashAt() crashes the worker that was asked for, and no other", async () => {
  await using driver = await TestDriver.start(counter(), { workers: 2, partitions: { words: 4 } });
  for (let round = 0; round < 3; round++) {
    for (let partition = 0; partition < 4; partition++) driver.broker.put("words", ['{"word":"a"}'], partition);
    if (round === 1) await driver.crashAt("commit:after", { worker: 1, node: "none" });
    await driver.advanceClock(200);
  }
  assertThrows(() => driver.running(2), TypeError);
  const { trace } = driver;
  const crash = trace.findLastIndex(({ worker }) => worker === 1);
  assertEquals(trace[crash]!.label, "commit:after");
  assert(trace.slice(crash).some(({ worker, label }) => worker === 0 && label === "commit:after"));
  await driver.settle();
  assertEquals(driver.read(totals).length, 12);
});

Deno.test("TestDriver: a crashed worker's partitions go to another one after its session, with their state", async () => {
  await using driver = await TestDriver.start(counter(), { workers: 2, partitions: { words: 4 } });
  const put = () => [0, 1, 2, 3].forEach((partition) => driver.broker.put("words", ['{"word":"a"}'], partition));
  put();
  await driver.settle();
  driver.crash(0);
  put();
  await driver.advanceClock(1_000);
  assertEquals(driver.read(totals).length, 6, "the session of the crashed one is not over");
  await driver.settle();
  assertEquals(driver.read(totals).map(({ total }) => total).sort(), [1, 1, 1, 1, 2, 2, 2, 2]);
});

Deno.test("TestDriver.rebalance(), stop() and restart() move partitions in good order: nothing is repeated", async () => {
  for (const isStatic of [true, false]) {
    await using driver = await TestDriver.start(counter("at-least-once"), {
      workers: 3,
      partitions: { words: 5 },
      isStatic,
    });
    const put = () => [0, 1, 2, 3, 4].forEach((partition) => driver.broker.put("words", ['{"word":"a"}'], partition));
    put();
    const generation = driver.broker.generation("counter.words");
    await driver.rebalance();
    assert(driver.broker.generation("counter.words") > generation);
    put();
    await driver.settle();
    await driver.stop(1);
    put();
    await driver.settle();
    await driver.restart(1, { node: "new" });
    put();
    await driver.settle();
    const found = driver.read(totals);
    for (let partition = 0; partition < 5; partition++) {
      assertEquals(found.filter((each) => each.partition === partition).map(({ total }) => total), [1, 2, 3, 4]);
    }
  }
});

Deno.test("TestDriver.pause(): a worker that wakes after its session changes nothing", async () => {
  await using driver = await TestDriver.start(counter(), { workers: 2, partitions: { words: 2 }, isStatic: false });
  const put = () => [0, 1].forEach((partition) => driver.broker.put("words", ['{"word":"a"}'], partition));
  put();
  await driver.settle();
  driver.pause(0);
  put();
  await driver.settle();
  driver.resume(0);
  put();
  await driver.settle();
  assertEquals(driver.read(totals).map(({ total }) => total).sort(), [1, 1, 2, 2, 3, 3]);
});

Deno.test("TestDriver: one seed gives one run, step by step", async () => {
  const run = async (seed: number) => {
    await using driver = await TestDriver.start(counter(), { workers: 2, partitions: { words: 3 }, seed });
    await driver.send(words, [..."abcdefgh"].map((word) => ({ word })));
    await driver.crashAt("produce:after");
    await driver.settle();
    return driver.trace.map(({ worker, label, message, detail }) => ({ worker, label, message, detail }));
  };
  assertEquals(await run(7), await run(7));
});

Deno.test("TestDriver: what stops the app is thrown by the verb that notices it", async () => {
  const app = new Turbine("counter");
  app.subscribe(words, {}, () => {
    throw new Error("boom");
  });
  await using driver = await TestDriver.start(app);
  driver.broker.put("words", ['{"word":"a"}']);
  await assertRejects(() => driver.settle(), ProcessingError, "boom");
});

Deno.test("TestDriver: a step that never comes is an error that names it, not an endless wait", async () => {
  await using driver = await TestDriver.start(counter());
  await assertRejects(() => driver.crashAt("produce:unknown"), Error, "step 'produce:unknown'");
});

/** A job that numbers words in a variable that belongs to its app. */
function forgetful(): Turbine {
  let count = 0;
  return new Turbine("counter").subscribe(words, { publishTo: totals }, (batch, { input }) => {
    const found = batch.getChild("word").toJSON();
    return batchOf(totals.schema, found.map((word) => ({ word, total: ++count, partition: input.partition })));
  });
}

Deno.test("TestDriver.start() with a factory makes an app for each process and each restart; an app is used as it is", async () => {
  const run = async (source: AppSource) => {
    await using driver = await TestDriver.start(source, { workers: 2, partitions: { words: 2 } });
    const put = () => [0, 1].forEach((partition) => driver.broker.put("words", ['{"word":"a"}'], partition));
    put();
    await driver.settle();
    driver.crash(0);
    await driver.restart(0);
    put();
    await driver.settle();
    return driver.read(totals).map(({ total }) => total).sort();
  };
  assertEquals(await run(forgetful()), [1, 2, 3, 4]);
  let made = 0;
  assertEquals(await run(() => (made++, forgetful())), [1, 1, 1, 2]);
  assertEquals(made, 3);
  assertEquals(await run(() => Promise.resolve(forgetful())), [1, 1, 1, 2]);
  await assertRejects(() => TestDriver.start((() => 1) as never), TypeError, "it must be a Turbine or a function");
});

Deno.test("TestDriver: what a factory throws is thrown by start() and restart()", async () => {
  let isBroken = false;
  const make = () => {
    if (isBroken) throw new Error("no app today");
    return counter();
  };
  await using driver = await TestDriver.start(make);
  isBroken = true;
  await assertRejects(() => driver.restart(), Error, "no app today");
  await assertRejects(() => TestDriver.start(make), Error, "no app today");
});

Deno.test("TestDriver: 'partitions' as a number is that of all topics of the app", async () => {
  await using driver = await TestDriver.start(counter(), { partitions: 3 });
  const { topics } = driver.broker.cluster.state;
  assertEquals([...topics].map(([name, { logs }]) => [name, logs.length]), [["words", 3], ["totals", 3]]);
});

Deno.test("TestDriver: 'overrides' win over what the job says, and 'subscriptions' runs some of an app alone", async () => {
  const app = counter("at-least-once", { commitIntervalMs: 60_000 });
  app.subscribe(totals, { name: "second" }, () => {
    throw new Error("not to be run");
  });
  await using driver = await TestDriver.start(app, {
    subscriptions: ["words"],
    overrides: { batchRows: 1, commitIntervalMs: 0, checkpointIntervalMs: 123, idleTimeoutMs: undefined },
  });
  await driver.send(words, WORDS);
  await driver.settle();
  const batches = driver.trace.filter(({ label }) => label === "batch:processed").map(({ detail }) => detail.rows);
  assertEquals(batches, [1, 1, 1]);
  assert(driver.clock.monotonicMs() < 10_000);
  assertEquals(driver.running().options.checkpointIntervalMs, 123);
  assertEquals(app.subscriptions[0]!.settings.commitIntervalMs, 60_000, "the app stays as it is");
  const start = (options: TestDriverOptions) => TestDriver.start(app, options);
  await assertRejects(() => start({ overrides: { batchRows: 0 } }), RangeError, "'batchRows'");
  await assertRejects(() => start({ overrides: { name: "x" } as never }), TypeError, "current value is 'name'");
  await assertRejects(() => start({ subscriptions: ["third"] }), TypeError, "current value is 'third'");
});
