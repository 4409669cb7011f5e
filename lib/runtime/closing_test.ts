import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  BlobDeniedError,
  type CommittedOutput,
  DiskFullError,
  json,
  StateCorruptError,
  topic,
  Turbine,
  utf8,
} from "../../mod.ts";
import { MemoryBlobStore } from "../adapters/memory/memory_blob_store.ts";
import { MemoryStateProvider } from "../adapters/memory/memory_state_provider.ts";
import type { StateStore, StateStoreKey, StateStoreProvider } from "../seams/state_store.ts";
import { TestDriver } from "../../testing/test_driver.ts";
import { GUARANTEES, tallies, tallyApp, TallyRun } from "./protocol_fixture_test.ts";

const words = topic("words", { value: json({ word: utf8() }) });

Deno.test("close() ends within its time when a handler never returns, and the handler's signal tells it", async () => {
  const app = new Turbine("stuck", { closeTimeoutMs: 3_000 });
  let signal: AbortSignal | undefined;
  app.subscribe(words, {}, (_, context) => {
    signal = context.signal;
    return new Promise<void>(() => {});
  });
  const driver = await TestDriver.start(app, { partitions: { words: 1 } });
  await driver.send(words, [{ word: "a" }]);
  await driver.advanceClock(500);
  assertEquals(signal!.aborted, false);
  const startMs = driver.clock.monotonicMs();
  let closedMs = 0;
  const closing = driver.running().close().then(() => closedMs = driver.clock.monotonicMs());
  await driver.advanceClock(10_000);
  await closing;
  assertEquals(closedMs - startMs, 3_000);
  assertEquals(signal!.aborted, true);
  assert(driver.trace.some(({ message }) => message?.includes("Cannot close app 'stuck' within 3000 ms")));
  await driver.close();
});

Deno.test("close() ends within its time when a commit hangs, and the next start loses and repeats nothing", async () => {
  const app = tallyApp("exactly-once", { app: { closeTimeoutMs: 2_000 } });
  const run = await TallyRun.start(app);
  const { driver } = run;
  run.feed(8);
  await driver.settle();
  driver.broker.holdMarkers(true);
  run.feed(8);
  await driver.advanceClock(200);
  run.feed(8);
  await driver.advanceClock(200);
  const startMs = driver.clock.monotonicMs();
  let closedMs = 0;
  const closing = driver.running().close().then(() => closedMs = driver.clock.monotonicMs());
  await driver.advanceClock(8_000);
  await closing;
  assert(closedMs - startMs <= 2_000 + 2_000, `it took ${closedMs - startMs} ms`);
  driver.broker.holdMarkers(false);
  await driver.restart(0);
  await run.check();
  await run.probe();
  await run.close();
});

Deno.test("a close that runs out of time in the middle of a checkpoint leaves no store open", async () => {
  const held = { isStuck: false };
  class StuckBlobStore extends MemoryBlobStore {
    override create(name: string, bytes: Uint8Array): ReturnType<MemoryBlobStore["create"]> {
      return held.isStuck ? new Promise(() => {}) : super.create(name, bytes);
    }
  }
  const open = new Set<string>();
  class CountedStateProvider extends MemoryStateProvider {
    override async open(key: StateStoreKey): Promise<StateStore> {
      const store = await super.open(key);
      const close = store.close.bind(store);
      open.add(store.location);
      store.close = () => {
        open.delete(store.location);
        return close();
      };
      return store;
    }
  }
  const app = tallyApp("exactly-once", { app: { closeTimeoutMs: 2_000, checkpointIntervalMs: 60_000 } });
  const run = await TallyRun.start(app, {
    blobs: new StuckBlobStore(),
    state: () => new CountedStateProvider({ isKept: true }),
  });
  run.feed(8);
  await run.driver.settle();
  assertEquals(open.size, 1);
  held.isStuck = true;
  const closing = run.driver.running().close();
  await run.driver.advanceClock(6_000);
  await closing;
  assertEquals([...open], []);
  await run.close();
});

Deno.test("close({ isDirty: true }) cuts short an orderly close that hangs", async () => {
  const app = new Turbine("cut", { closeTimeoutMs: 60_000 });
  app.subscribe(words, {}, () => new Promise<void>(() => {}));
  const driver = await TestDriver.start(app, { partitions: { words: 1 } });
  await driver.send(words, [{ word: "a" }]);
  await driver.advanceClock(500);
  const startMs = driver.clock.monotonicMs();
  const closing = driver.running().close();
  await driver.advanceClock(1_000);
  void driver.running().close({ isDirty: true });
  await driver.advanceClock(10);
  await closing;
  assert(driver.clock.monotonicMs() - startMs < 2_000);
  assert(driver.running().isClosed);
  await driver.close();
});

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: onCommitted is called once for each commit, after its outcome, with what was published`, async () => {
    const seen: number[] = [];
    let isVisible = true;
    const run = await TallyRun.start(
      tallyApp(guarantee, {
        onCommitted: (outputs: readonly CommittedOutput[]) => {
          const ids = outputs.flatMap(({ batch }) => [...batch.getChild("id" as never).toArray() as Int32Array]);
          const published = new Set(run.driver.broker.read("tallies").map(({ value }) => JSON.parse(value!).id));
          isVisible = isVisible && ids.every((id) => published.has(id));
          seen.push(...ids);
        },
      }),
      { latencyMs: 20 },
    );
    const { faults } = run.driver.broker;
    for (let round = 0; round < 10; round++) {
      run.feed(5);
      if (round === 3) faults.next(guarantee === "exactly-once" ? "endTransaction" : "commit", "reply-lost");
      if (round === 6) faults.next("produce", "refused");
      await run.driver.advanceClock(300);
    }
    await run.driver.settle();
    assertEquals(seen, run.expected.map(({ id }) => id));
    assert(isVisible, "a hook was called before its outputs were visible");
    await run.close();
  });

  Deno.test(`${guarantee}: an onCommitted that fails is logged and counted, and undoes nothing`, async () => {
    let calls = 0;
    const run = await TallyRun.start(
      tallyApp(guarantee, {
        onCommitted: () => {
          calls++;
          return calls % 2 === 0 ? Promise.reject(new Error("mail server is away")) : Promise.resolve();
        },
      }),
    );
    await Promise.all([run.keepFeeding({ rounds: 20 }), run.driver.advanceClock(4_000)]);
    await run.check();
    const lines = run.driver.trace.filter(({ message }) => message?.includes("mail server is away"));
    assert(lines.length > 3 && lines.length === Math.floor(calls / 2));
    assertEquals(lines.at(-1)!.detail.failedHooks, lines.length);
    await run.close();
  });

  Deno.test(`${guarantee}: a full disk stops its task, and the others go on`, async () => {
    const isFull = { value: false };
    const state = () =>
      providerWith((store, { partition }) => ({
        apply: (...given) =>
          isFull.value && partition === 0 ? Promise.reject(new DiskFullError("no space")) : store.apply(...given),
      }));
    const run = await TallyRun.start(tallyApp(guarantee), { partitions: { events: 2 }, state });
    run.feed(10, 0);
    run.feed(10, 1);
    await run.check();
    isFull.value = true;
    run.feed(5, 0);
    run.feed(5, 1);
    await run.driver.advanceClock(3_000);
    run.feed(5, 1);
    await run.driver.advanceClock(3_000);
    const { failures, tasks } = run.driver.running().status()[0]!;
    assertEquals([...failures].map(([partition, { name }]) => [partition, name]), [[0, "DiskFullError"]]);
    assertEquals(tasks.map(({ partition }) => partition), [1]);
    run.checkNow();
    // Space is freed: the next start goes on where it was.
    isFull.value = false;
    await run.driver.stop();
    await run.driver.restart(0);
    await run.probe({ partitions: 2 });
    await run.close();
  });

  Deno.test(`${guarantee}: a store that turns out to be damaged is restored from a checkpoint`, async () => {
    const isDamaged = { value: false };
    const state = () =>
      providerWith((store) => ({
        getMany: (...given) => {
          if (!isDamaged.value) return store.getMany(...given);
          isDamaged.value = false;
          return Promise.reject(new StateCorruptError("a block has a wrong checksum"));
        },
      }));
    const run = await TallyRun.start(tallyApp(guarantee), { state });
    await Promise.all([run.keepFeeding({ rounds: 30 }), run.driver.advanceClock(4_000)]);
    run.driver.crash();
    await run.driver.restart(0);
    isDamaged.value = true;
    run.feed(10);
    await run.probe();
    assertEquals(isDamaged.value, false);
    assert(
      run.driver.trace.some(({ message }) =>
        message?.includes("a block has a wrong checksum; the task is opened again")
      ),
    );
    assert(run.driver.trace.some(({ label }) => label === "restore:checkpoint-loaded"));
    await run.close();
  });

  Deno.test(`${guarantee}: commits are held, loudly, while no checkpoint succeeds and a replay would become too long`, async () => {
    const blobs = new MemoryBlobStore();
    const isDenied = { value: false };
    const create = blobs.create.bind(blobs);
    blobs.create = (name, bytes) =>
      isDenied.value ? Promise.reject(new BlobDeniedError("the key was revoked")) : create(name, bytes);
    const run = await TallyRun.start(tallyApp(guarantee, { replayRowsMax: 30 }), { blobs });
    run.feed(10);
    await run.driver.advanceClock(2_000);
    isDenied.value = true;
    await Promise.all([run.keepFeeding({ rounds: 60 }), run.driver.advanceClock(8_000)]);
    const { committed } = run.driver.running().status()[0]!.tasks[0]!;
    const rowsCommitted = run.expected.length - run.uncommitted;
    assert(
      rowsCommitted < 10 + 2 * 30 + 20,
      `${rowsCommitted} rows were committed without a checkpoint (${committed})`,
    );
    assert(run.driver.trace.some(({ label, message }) => label === "error" && message?.startsWith("Commits are held")));
    isDenied.value = false;
    await run.check();
    assert(run.driver.trace.some(({ message }) => message?.startsWith("Commits go on")));
    await run.probe();
    await run.close();
  });
}

Deno.test("a failed start leaves nothing open: the app can be started again", async () => {
  const run = await TallyRun.start(tallyApp("at-least-once"));
  run.feed(5);
  await run.check();
  await run.driver.stop();
  run.driver.broker.deleteRecordsBefore("events", 0, 5);
  run.feed(3);
  run.driver.broker.deleteRecordsBefore("events", 0, 8);
  const failure = await run.driver.restart(0).then(() => undefined, (error: Error) => error);
  assertStringIncludes(failure!.message, "outside of the log");
  // A static member is dropped when its heartbeats end; its store is free at once.
  await run.driver.advanceClock(11_000);
  assertEquals(run.driver.broker.members("tally.events"), []);
  const admin = await run.driver.broker.admin();
  await admin.setGroupOffsets("tally.events", [
    { topic: "events", partition: 0, offset: 8n, leaderEpoch: -1, metadata: "" },
  ]);
  await run.driver.restart(0, { node: "same" });
  run.driver.broker.put("events", ['{"id":50,"key":"k"}']);
  await run.driver.settle();
  assertEquals(run.driver.read(tallies).at(-1), { id: 50, key: "k", count: 1, partition: 0 });
  await run.close();
});

/** State in memory whose stores have some methods replaced. */
function providerWith(
  change: (store: StateStore, key: StateStoreKey) => Partial<StateStore>,
): StateStoreProvider {
  const provider = new MemoryStateProvider({ isKept: true });
  const open = provider.open.bind(provider);
  provider.open = async (key) => {
    const store = await open(key);
    const changed = change(store, key);
    return new Proxy(store, {
      get: (target, name) => {
        const member = Reflect.get(changed, name) ?? Reflect.get(target, name, target);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  };
  return provider;
}
