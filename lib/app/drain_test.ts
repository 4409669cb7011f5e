import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { BrokerTimeoutError, BrokerUnavailableError, int32, json, topic, Turbine } from "../../mod.ts";
import { GUARANTEES, tallyApp, TallyRun } from "../runtime/protocol_fixture_test.ts";
import { MemoryBroker } from "../../testing/memory_broker.ts";
import { TestDriver } from "../../testing/test_driver.ts";

const quiet = { observer: { step: () => {}, log: () => {} } };
const input = topic("in", { value: json({ id: int32() }) });
const output = topic("out", { value: json({ id: int32() }) });
const GRACE_MS = 60_000;

/** Lets virtual time pass until a call has ended. @returns How long it took, in virtual milliseconds. */
async function drive(driver: TestDriver, call: Promise<unknown>): Promise<number> {
  const startMs = driver.clock.monotonicMs();
  let isSettled = false;
  call.then(() => isSettled = true, () => isSettled = true);
  await driver.until(() => isSettled, "a call to end");
  await call;
  return driver.clock.monotonicMs() - startMs;
}

function held(driver: TestDriver, worker: number): number[] {
  return driver.running(worker).status()[0]!.tasks.map(({ partition }) => partition).sort();
}

function copyApp(broker = new MemoryBroker(), more: { onRow?: () => Promise<void>; closeTimeoutMs?: number } = {}) {
  const { onRow, ...options } = more;
  const app = new Turbine("copy", { broker, checkpoints: "memory:", environment: quiet, ...options });
  return app.subscribe(input, { publishTo: output, batchTimeoutMs: 0, commitIntervalMs: 1 }, async (batch) => {
    await onRow?.();
    return batch;
  });
}

for (const guarantee of GUARANTEES) {
  for (const isStatic of [true, false]) {
    const kind = isStatic ? "static" : "dynamic";
    const options = { workers: 2, isStatic, latencyMs: 15, partitions: { events: 4 } };
    const app = () => tallyApp(guarantee, { app: { failoverGraceMs: GRACE_MS } });

    Deno.test(`${guarantee}: drain() of a ${kind} member loses and repeats nothing, and another takes over at once`, async () => {
      const run = await TallyRun.start(app(), options);
      const { driver } = run;
      const feeding = run.keepFeeding({ rounds: 40, partitions: 4, pauseMs: 50 });
      await driver.until(() => held(driver, 0).length === 2 && held(driver, 1).length === 2);
      await driver.advanceClock(330);
      const drainedMs = await drive(driver, driver.running(0).drain());
      assert(drainedMs < 2_000, `drain() took ${drainedMs} ms`);
      assertEquals(held(driver, 0), []);
      assertEquals([driver.running(0).isDrained, driver.running(0).isClosed], [true, false]);
      const startMs = driver.clock.monotonicMs();
      await driver.until(() => held(driver, 1).length === 4);
      const takenMs = driver.clock.monotonicMs() - startMs;
      assert(takenMs < 2_000, `the other worker took over after ${takenMs} ms, not at once`);
      await driver.advanceClock(500);
      await drive(driver, driver.running(0).rejoin());
      assertEquals(driver.running(0).isDrained, false);
      await driver.until(() => held(driver, 0).length === 2 && held(driver, 1).length === 2);
      await drive(driver, feeding);
      await run.check();
      await run.probe({ partitions: 4 });
      assertEquals(driver.trace.filter(({ label }) => label === "task:closed-dirty"), []);
      await run.close();
    });
  }

  Deno.test(`${guarantee}: workers that are drained in turn, again and again, repeat nothing`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee, { app: { failoverGraceMs: GRACE_MS } }), {
      workers: 3,
      latencyMs: 40,
      partitions: { events: 5 },
    });
    const { driver } = run;
    const feeding = run.keepFeeding({ rounds: 80, partitions: 5, pauseMs: 40 });
    for (let round = 0; round < 6; round++) {
      await driver.advanceClock(300);
      const worker = driver.running(round % 3);
      await drive(driver, worker.drain());
      if (round % 2 === 0) await driver.advanceClock(150);
      await drive(driver, worker.rejoin());
    }
    await drive(driver, feeding);
    await run.check();
    await run.probe({ partitions: 5 });
    assertEquals([0, 1, 2].flatMap((worker) => held(driver, worker)).sort(), [0, 1, 2, 3, 4]);
    assertEquals(driver.trace.filter(({ label }) => label === "task:closed-dirty"), []);
    await run.close();
  });

  Deno.test(`${guarantee}: drain() commits all that was processed and leaves a checkpoint from which another goes on`, async () => {
    const run = await TallyRun.start(
      tallyApp(guarantee, { commitIntervalMs: 60_000, app: { checkpointIntervalMs: 3_600_000 } }),
    );
    const { driver } = run;
    run.feed(10);
    await driver.until(() => driver.running().status()[0]!.tasks[0]?.position === 10n);
    assertEquals(run.uncommitted, 10);
    await drive(driver, driver.running().drain());
    assertEquals(run.uncommitted, 0);
    // Without its local state, and with records that nobody has kept for it: only the checkpoint is left.
    await driver.restart(0, { node: "new" });
    const labels = () => driver.trace.map(({ label }) => label);
    await driver.until(() => labels().includes("restore:live"));
    assert(labels().includes("restore:checkpoint-loaded"), "the drained worker left no checkpoint");
    assert(!labels().includes("restore:silent-replay-begin"), "the checkpoint is older than the last commit");
    run.feed(6);
    await drive(driver, driver.running().drain());
    await drive(driver, driver.running().rejoin());
    await run.check();
    await run.close();
  });

  Deno.test(`${guarantee}: a drain whose commit is refused once goes on and leaves nothing open`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee, { commitIntervalMs: 60_000 }));
    const { driver } = run;
    run.feed(8);
    await driver.until(() => driver.running().status()[0]!.tasks[0]?.position === 8n);
    driver.broker.faults.next("produce", "refused");
    await drive(driver, driver.running().drain());
    await drive(driver, driver.running().rejoin());
    await run.check();
    await run.close();
  });
}

Deno.test("a drain that cannot commit in time says so, leaves all the same, and nothing is lost or repeated", async () => {
  const run = await TallyRun.start(tallyApp("exactly-once", { app: { closeTimeoutMs: 2_000 } }));
  const { driver } = run;
  run.feed(8);
  await driver.settle();
  driver.broker.holdMarkers(true);
  run.feed(8);
  await driver.advanceClock(200);
  run.feed(8);
  await driver.advanceClock(200);
  const drained = driver.running().drain();
  drained.catch(() => {});
  await driver.advanceClock(8_000);
  const error = await assertRejects(() => drained, BrokerTimeoutError);
  assertStringIncludes(error.message, "Cannot drain app 'tally' in good order within 2000 ms");
  assertStringIncludes(error.message, "subscription 'events'");
  assertEquals(driver.running().isDrained, true);
  driver.broker.holdMarkers(false);
  await drive(driver, driver.running().drain());
  await drive(driver, driver.running().rejoin());
  await run.check();
  await run.probe();
  await run.close();
});

Deno.test("a drain that is cut short while a task is being opened leaves nothing that goes on opening it", async () => {
  const run = await TallyRun.start(tallyApp("at-least-once", { app: { closeTimeoutMs: 2_000 } }));
  const { driver } = run;
  run.feed(8);
  await driver.settle();
  await drive(driver, driver.running().drain());
  // Somebody has staged offsets of the group and not ended the transaction: the task waits for what becomes of them.
  const { cluster } = driver.broker;
  const times = driver.broker.times();
  const opened = cluster.initializeTransactions({ transactionalId: "other", timeoutMs: 600_000 }, times);
  if (opened.kind === "refused") throw new Error(opened.message);
  const identity = { transactionalId: "other", ...opened.value };
  const [entry] = driver.broker.committedOffsets("tally.events");
  const fence = { groupId: "tally.events", memberId: "", generation: -1, instanceId: null };
  assertEquals(cluster.stageOffsets({ ...identity, fence, offsets: [entry!] }, times).kind, "done");
  await drive(driver, driver.running().rejoin());
  await driver.advanceClock(200);
  const drained = driver.running().drain();
  drained.catch(() => {});
  await driver.advanceClock(4_000);
  await assertRejects(() => drained, BrokerTimeoutError);
  const stepsBefore = driver.trace.length;
  cluster.endTransaction({ ...identity, isCommit: false }, driver.broker.times());
  await driver.advanceClock(4_000);
  assertEquals(driver.trace.slice(stepsBefore).filter(({ label }) => label === "task:assigned"), []);
  await drive(driver, driver.running().rejoin());
  await run.check();
  await run.probe();
  await run.close();
});

Deno.test("drain() and rejoin() do nothing when that is how things are, and follow each other when they overlap", async () => {
  const broker = new MemoryBroker();
  const running = await copyApp(broker).start();
  await running.rejoin();
  assertEquals(running.isDrained, false);
  await Promise.all([running.drain(), running.drain()]);
  await running.drain();
  assertEquals(running.isDrained, true);
  await Promise.all([running.rejoin(), running.rejoin()]);
  assertEquals(running.isDrained, false);
  const changes = [running.drain(), running.rejoin(), running.drain(), running.rejoin()];
  await Promise.all(changes);
  assertEquals(running.isDrained, false);
  await running.produce(input, [{ id: 1 }]);
  while (broker.read("out").length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  await running.close();
});

Deno.test("a drained app produces and reads, does not end, and closes", async () => {
  const app = copyApp();
  const running = await app.start();
  let hasEnded = false;
  void running.ended.then(() => hasEnded = true);
  await running.drain();
  await running.produce(input, [{ id: 7 }]);
  assertEquals(await running.read(input), [{ id: 7 }]);
  assertEquals(await running.read(output), []);
  assertEquals(running.status()[0]!.tasks, []);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals([hasEnded, running.isClosed, running.failure], [false, false, undefined]);
  await running.close();
  await running.ended;
  assertEquals([running.isClosed, running.isDrained, running.closeFailure], [true, false, undefined]);
  await running.drain();
  const error = await assertRejects(() => running.rejoin(), TypeError);
  assertStringIncludes(error.message, "Cannot let app 'copy' rejoin its groups as it is closed: start it again");
  await (await app.start()).close();
});

Deno.test("close() while an app is drained or joins again ends both", async () => {
  for (const isDirty of [false, true]) {
    const app = copyApp();
    const draining = await app.start();
    const drained = draining.drain();
    drained.catch(() => {});
    await draining.close({ isDirty });
    assertEquals(draining.isClosed, true);
    // A close without a commit cuts the drain short, which the drain then tells.
    await drained.catch((error) => assert(isDirty && error instanceof BrokerTimeoutError, String(error)));

    const joining = await app.start();
    await joining.drain();
    const joined = joining.rejoin();
    joined.catch(() => {});
    await joining.close({ isDirty });
    await joined.catch((error) => assert(error instanceof TypeError, String(error)));
    assertEquals([joining.isClosed, joining.isDrained], [true, false]);
    assertEquals(joining.status()[0]!.tasks, []);
  }
});

Deno.test("a rejoin() that the broker refuses leaves the app drained, and may be tried again", async () => {
  const broker = new MemoryBroker();
  const running = await copyApp(broker).start();
  await running.drain();
  const original = broker.consumer.bind(broker);
  let error: Error = new TypeError("no such group");
  broker.consumer = () => Promise.reject(error);
  await assertRejects(() => running.rejoin(), TypeError, "no such group");
  assertEquals([running.isDrained, running.isClosed], [true, false]);
  // What passes is tried again by the subscription itself.
  error = new BrokerUnavailableError("nobody there");
  await running.rejoin();
  assertEquals(running.isDrained, false);
  broker.consumer = original;
  await running.produce(input, [{ id: 1 }]);
  while (broker.read("out").length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  await running.close();
});

Deno.test("run() goes on while the app is drained, and ends when its signal aborts", async () => {
  const broker = new MemoryBroker();
  const app = copyApp(broker);
  const stop = new AbortController();
  const start = app.start.bind(app);
  const started = Promise.withResolvers<Awaited<ReturnType<typeof start>>>();
  app.start = async (overrides) => {
    const running = await start(overrides);
    started.resolve(running);
    return running;
  };
  let hasEnded = false;
  const done = app.run({ signal: stop.signal, handlesSignals: false }).then(() => hasEnded = true);
  const running = await started.promise;
  await running.drain();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assertEquals(hasEnded, false);
  await running.rejoin();
  await app.produce(input, [{ id: 1 }]);
  while (broker.read("out").length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  await running.drain();
  stop.abort();
  await done;
  assertEquals(running.isClosed, true);
});

Deno.test("drain() ends within its time when a handler never returns, and rejoin() processes its records again", async () => {
  let isStuck = true;
  const app = new Turbine("stuck", { closeTimeoutMs: 3_000 });
  app.subscribe(input, { publishTo: output }, (batch) => isStuck ? new Promise<typeof batch>(() => {}) : batch);
  const driver = await TestDriver.start(app, { partitions: 1 });
  await driver.send(input, [{ id: 1 }]);
  await driver.advanceClock(500);
  const drained = driver.running().drain();
  drained.catch(() => {});
  await driver.advanceClock(3_100);
  await assertRejects(() => drained, BrokerTimeoutError, "Cannot drain app 'stuck' in good order within 3000 ms");
  isStuck = false;
  await drive(driver, driver.running().rejoin());
  await driver.settle();
  assertEquals(driver.read(output), [{ id: 1 }]);
  await driver.close();
});
