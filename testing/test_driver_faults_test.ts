import { assert, assertEquals, assertRejects } from "@std/assert";
import { batchOf, int32, json, topic, Turbine, utf8 } from "../mod.ts";
import { TestDriver } from "./test_driver.ts";

const words = topic("words", { value: json({ word: utf8() }), key: "word" });
const totals = topic("totals", { value: json({ word: utf8(), total: int32(), partition: int32() }) });
const WORDS = ["a", "b", "a"].map((word) => ({ word }));

/** A job that counts words. */
function counter(processingGuarantee: "at-least-once" | "exactly-once" = "exactly-once"): Turbine {
  const app = new Turbine("counter", { failoverGraceMs: 5_000, checkpointIntervalMs: 500 });
  const options = { publishTo: totals, processingGuarantee, commitIntervalMs: 50 };
  return app.subscribe(words, options, async (batch, { state, input }) => {
    const rows: { word: string; total: number; partition: number }[] = [];
    for (const { word } of batch) {
      const total = (await state.get<number>(word) ?? 0) + 1;
      state.put(word, total);
      rows.push({ word, total, partition: input.partition });
    }
    return batchOf(totals.schema, rows);
  });
}

Deno.test("TestDriver.pauseAt() lets a worker stand still at a step; others go on, and it goes on later", async () => {
  await using driver = await TestDriver.start(counter(), { workers: 2, partitions: { words: 4 } });
  // New tasks commit where they begin.
  await driver.settle();
  driver.trace.length = 0;
  for (let partition = 0; partition < 4; partition++) driver.broker.put("words", ['{"word":"a"}'], partition);
  const worker = await driver.pauseAt("commit:before", { worker: 1 });
  assertEquals(worker, 1);
  const own = (of: number) =>
    driver.trace.filter((entry) => entry.worker === of && entry.label === "commit:after").length;
  await driver.until(() => own(0) > 0, "the other worker's commits");
  assertEquals(own(1), 0);
  driver.resume(1);
  await driver.settle();
  assertEquals(driver.read(totals).map(({ total }) => total), [1, 1, 1, 1]);
});

for (const isStatic of [true, false]) {
  Deno.test(`TestDriver.pauseAt() for longer than the session makes a zombie that changes nothing, ${isStatic ? "static" : "dynamic"} members`, async () => {
    for (
      const label of ["batch:processed", "produce:before", "produce:after", "commit:before", "commit:after"] as const
    ) {
      await using driver = await TestDriver.start(counter(), { workers: 2, partitions: { words: 4 }, isStatic });
      const put = () => [0, 1, 2, 3].forEach((partition) => driver.broker.put("words", ['{"word":"a"}'], partition));
      put();
      await driver.settle();
      put();
      const started = driver.clock.monotonicMs();
      await driver.pauseAt(label, { forMs: 20_000 });
      assert(driver.clock.monotonicMs() >= started + 20_000);
      put();
      await driver.settle();
      await driver.advanceClock(1_000);
      const found = driver.read(totals);
      for (let partition = 0; partition < 4; partition++) {
        const own = found.filter((each) => each.partition === partition).map(({ total }) => total);
        assertEquals(own, [1, 2, 3], `${label}, partition ${partition}`);
      }
    }
  });
}

Deno.test("TestDriver.pauseAt() passes the step as often as it is told, and refuses a step that does not exist", async () => {
  await using driver = await TestDriver.start(counter(), { overrides: { batchRows: 1, commitIntervalMs: 0 } });
  driver.broker.put("words", WORDS.map((row) => JSON.stringify(row)));
  // Rows that are processed while a commit is under way share the next one.
  await driver.pauseAt("commit:before", { skip: 1 });
  assertEquals(driver.read(totals).length, 1);
  driver.resume();
  await driver.settle();
  assertEquals(driver.read(totals).length, 3);
  await assertRejects(() => driver.pauseAt("lunch" as never), TypeError, "Cannot pause at a step that does not exist");
  await assertRejects(() => driver.crashAt("lunch" as never), TypeError, "Cannot crash at a step that does not exist");
});

Deno.test("TestDriver: a paused worker may crash, and the driver closes with a worker that is paused", async () => {
  await using driver = await TestDriver.start(counter(), { workers: 2, partitions: { words: 2 } });
  for (const partition of [0, 1]) driver.broker.put("words", ['{"word":"a"}'], partition);
  const worker = await driver.pauseAt("produce:after");
  driver.crash(worker);
  await driver.restart(worker);
  await driver.settle();
  assertEquals(driver.read(totals).length, 2);
  driver.pause(0);
});

for (const guarantee of ["at-least-once", "exactly-once"] as const) {
  Deno.test(`TestDriver.loseReply() and loseRequest(), ${guarantee}: one call of one worker has an unknown outcome, and the job goes on`, async () => {
    const calls = guarantee === "exactly-once"
      ? ["produce", "sendOffsets", "endTransaction"] as const
      : ["produce", "commit"] as const;
    for (const call of [...calls, "fetch", "heartbeat"] as const) {
      for (const verb of ["loseReply", "loseRequest"] as const) {
        const options = { workers: 2, partitions: 4 };
        await using driver = await TestDriver.start(() => counter(guarantee), options);
        const put = () => [0, 1, 2, 3].forEach((partition) => driver.broker.put("words", ['{"word":"a"}'], partition));
        put();
        await driver.settle();
        put();
        await driver[verb](call, { worker: 1 });
        put();
        await driver.settle();
        const found = driver.read(totals);
        for (let partition = 0; partition < 4; partition++) {
          const own = found.filter((each) => each.partition === partition).map(({ total }) => total).sort();
          const what = `${verb} ${call}, partition ${partition}`;
          if (guarantee === "exactly-once") assertEquals(own, [1, 2, 3], what);
          else assertEquals([...new Set(own)], [1, 2, 3], what);
        }
        const unknown = driver.trace.filter(({ label }) => label === "produce:unknown" || label === "commit:unknown");
        const isWrite = call !== "fetch" && call !== "heartbeat";
        assertEquals([...new Set(unknown.map(({ worker }) => worker))], isWrite ? [1] : [], `${verb} ${call}`);
      }
    }
  });
}

Deno.test("TestDriver.loseReply(): the call has taken effect; loseRequest(): it has not", async () => {
  for (const verb of ["loseReply", "loseRequest"] as const) {
    await using driver = await TestDriver.start(counter("at-least-once"));
    await driver.send(words, WORDS);
    await driver[verb]("commit");
    const [committed] = driver.broker.committedOffsets("counter.words");
    assertEquals(committed?.offset, verb === "loseReply" ? 3 : 0);
    await driver.settle();
  }
  await using driver = await TestDriver.start(counter());
  await assertRejects(() => driver.loseReply("leave"), Error, "Waited in vain for a call 'leave'");
});

Deno.test("TestDriver.jumpWall() steps wall clocks only: what is published stays the same, in both directions", async () => {
  await using driver = await TestDriver.start(counter(), {
    workers: 2,
    partitions: { words: 2 },
    wallMs: 1_000_000_000_000,
  });
  assertEquals(driver.clock.wallMs() - driver.clock.monotonicMs(), 1_000_000_000_000);
  for (const ms of [86_400_000, -2 * 86_400_000, 0]) {
    for (const partition of [0, 1]) driver.broker.put("words", ['{"word":"a"}'], partition);
    const before = driver.clock.monotonicMs();
    driver.jumpWall(ms);
    assertEquals(driver.clock.monotonicMs(), before);
    await driver.crashAt("commit:before");
    await driver.settle();
  }
  assertEquals(driver.read(totals).map(({ total }) => total).sort(), [1, 1, 2, 2, 3, 3]);
});

Deno.test("TestDriver: crashes, pauses, rebalances, lost replies and clock steps together break no promise", async () => {
  for (const seed of [1, 2, 3]) {
    const options = { workers: 3, partitions: { words: 6 }, seed, latencyMs: 20 };
    await using driver = await TestDriver.start(() => counter(), options);
    let rounds = 0;
    const put = () => {
      rounds++;
      for (let partition = 0; partition < 6; partition++) driver.broker.put("words", ['{"word":"a"}'], partition);
    };
    put();
    await driver.crashAt("produce:after", { worker: seed % 3, node: "new" });
    put();
    await driver.pauseAt("commit:before", { forMs: 8_000 });
    driver.jumpWall(-3_600_000);
    put();
    await driver.loseReply("endTransaction");
    await driver.rebalance();
    put();
    await driver.crashAt("apply:before");
    put();
    await driver.loseRequest("sendOffsets");
    await driver.stop(2);
    put();
    await driver.settle();
    const found = driver.read(totals);
    const expected = Array.from({ length: rounds }, (_, at) => at + 1);
    for (let partition = 0; partition < 6; partition++) {
      const own = found.filter((each) => each.partition === partition).map(({ total }) => total);
      assertEquals(own, expected, `seed ${seed}, partition ${partition}`);
    }
  }
});
