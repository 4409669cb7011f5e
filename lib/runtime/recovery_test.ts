import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { StartFrom } from "../../mod.ts";
import { StateCorruptError } from "../base/errors.ts";
import { MemoryStateProvider } from "../adapters/memory/memory_state_provider.ts";
import { MemoryBlobStore } from "../adapters/memory/memory_blob_store.ts";
import { type Guarantee, GUARANTEES, tallies, tallyApp, TallyRun } from "./protocol_fixture_test.ts";

const GROUP = "tally.events";
const position = (offset: bigint) => ({ topic: "events", partition: 0, offset, leaderEpoch: -1, metadata: "" });

/** Stops the app, so that its group has no members. */
async function stopAll({ driver }: TallyRun): Promise<void> {
  await driver.stop(0);
  await driver.advanceClock(11_000);
}

async function setOffset({ driver }: TallyRun, offset: bigint): Promise<void> {
  const admin = await driver.broker.admin();
  await admin.setGroupOffsets(GROUP, [position(offset)]);
}

const counts = (run: TallyRun) => run.driver.read(tallies).map(({ id, count }) => [id, count]);
const warnings = (run: TallyRun) =>
  run.driver.trace.filter(({ label }) => label === "warn").map(({ message }) => message!);

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: a clean close repeats nothing, and a restart goes on at the exact offset`, async () => {
    for (const node of ["same", "new"] as const) {
      const run = await TallyRun.start(tallyApp(guarantee), { latencyMs: 10 });
      const { driver } = run;
      run.feed(23);
      await driver.advanceClock(40);
      await driver.stop(0);
      const { offset } = driver.broker.committedOffsets(GROUP)[0]!;
      run.feed(9);
      driver.trace.length = 0;
      await driver.restart(0, { node });
      await run.check();
      const first = driver.trace.find(({ label }) => label === "batch:fetched")!;
      assertEquals(Number(first.detail.from), offset);
      assertEquals(driver.trace.filter(({ label }) => label === "restore:silent-replay-begin"), []);
      await run.probe();
      await run.close();
    }
  });

  Deno.test(`${guarantee}: a dirty close loses nothing`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee, { commitIntervalMs: 200 }), { latencyMs: 10 });
    const { driver } = run;
    run.feed(23);
    await driver.advanceClock(120);
    const closing = driver.running().close({ isDirty: true });
    await driver.advanceClock(2_000);
    await closing;
    assertEquals(driver.trace.filter(({ label }) => label === "task:closed-clean"), []);
    await driver.restart(0);
    const duplicatesMax = guarantee === "exactly-once" ? 0 : 23;
    await run.check({ duplicatesMax });
    await run.probe({ duplicatesMax });
    await run.close();
  });

  Deno.test(`${guarantee}: an operator's reset to the log's start builds the state anew`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee));
    run.feed(10);
    await run.check();
    await stopAll(run);
    await setOffset(run, 0n);
    await run.driver.restart(0);
    await run.driver.settle();
    const found = counts(run);
    assertEquals(found.slice(10), found.slice(0, 10));
    assert(warnings(run).some((text) => text.includes("was set by somebody else")));
    await run.close();
  });

  Deno.test(`${guarantee}: an operator's reset to elsewhere needs 'onCrashRecovery' to say what becomes of the state`, async () => {
    const expected: Record<string, (before: number) => number> = {
      // Rebuilt from the log's start: as if never reset. Emptied: counts begin at 1 again.
      "rebuild-from-earliest": (count) => count,
      "resume-empty": () => 1,
    };
    for (const [onCrashRecovery, count] of Object.entries(expected)) {
      const app = tallyApp(guarantee, { onCrashRecovery: onCrashRecovery as "resume-empty" });
      const run = await TallyRun.start(app);
      run.feed(10);
      await run.check();
      await stopAll(run);
      await setOffset(run, 9n);
      await run.driver.restart(0);
      await run.driver.settle();
      const [id, before] = counts(run)[9]!;
      assertEquals(counts(run).slice(10), [[id, count(before!)]]);
      await run.close();
    }
    const run = await TallyRun.start(tallyApp(guarantee));
    run.feed(10);
    await run.check();
    await stopAll(run);
    await setOffset(run, 5n);
    const error = await assertRejects(() => run.driver.restart(0), Error);
    assertEquals(error.name, "RecoveryImpossibleError");
    assertStringIncludes(error.message, "'onCrashRecovery'");
    await run.close();
  });

  Deno.test(`${guarantee}: expired offsets ${guarantee === "exactly-once" ? "stop the task" : "are set again from the state"}`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee));
    run.feed(10);
    await run.check();
    await stopAll(run);
    run.driver.broker.expireOffsets(GROUP);
    run.feed(5);
    if (guarantee === "exactly-once") {
      const error = await assertRejects(() => run.driver.restart(0), Error);
      assertEquals(error.name, "RecoveryImpossibleError");
    } else {
      await run.driver.restart(0);
      await run.check();
      assert(warnings(run).some((text) => text.includes("no committed offset")));
    }
    await run.close();
  });

  Deno.test(`${guarantee}: a checkpoint of a topic that was created anew while the app ran is refused`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee));
    const { driver } = run;
    run.feed(10);
    await run.check();
    await driver.advanceClock(1_000);
    driver.broker.recreateTopic("events");
    run.feed(30);
    const error = await assertRejects(() => driver.advanceClock(2_000), Error);
    assertEquals(error.name, "CheckpointIncompatibleError");
    assertStringIncludes(error.message, "topics[events].topicId");
    await run.close();
  });

  Deno.test(`${guarantee}: a local store of a topic that was created anew while nobody ran is refused`, async () => {
    const blobs = new MemoryBlobStore();
    const run = await TallyRun.start(tallyApp(guarantee), { blobs });
    const { driver } = run;
    run.feed(10);
    await run.check();
    await stopAll(run);
    for (const { name } of await blobs.list("")) await blobs.delete(name);
    driver.broker.recreateTopic("events");
    run.feed(30);
    const error = await assertRejects(() => driver.restart(0).then(() => driver.advanceClock(2_000)), Error);
    if (guarantee === "exactly-once") assertEquals(error.name, "RecoveryImpossibleError");
    else {
      assertEquals(error.name, "CheckpointIncompatibleError");
      assertStringIncludes(error.message, "local store of events/0");
      assertStringIncludes(error.message, "topics[events].topicId");
    }
    // A reset to the log's start says that the state is not wanted any more.
    await driver.advanceClock(11_000);
    await setOffset(run, 0n);
    await driver.restart(0);
    await driver.settle();
    assertEquals(driver.read(tallies).slice(10).map(({ id }) => id), Array.from({ length: 30 }, (_, i) => i + 10));
    await run.close();
  });

  Deno.test(`${guarantee}: retention past our position is an error that names the log, never a reset`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee), { partitions: { events: 2 } });
    const { driver } = run;
    run.feed(10);
    await run.check();
    driver.crash();
    run.feed(10);
    driver.broker.deleteRecordsBefore("events", 0, 15);
    const failed = await driver.restart(0).then(() => driver.advanceClock(1_000)).then(() =>
      driver.running().status()[0]!.failures
    );
    assertEquals([...failed.values()].map(({ name }) => name), ["OffsetOutOfRangeError"]);
    assertStringIncludes(failed.get(0)!.message, "log is [15, ");
    assertEquals(driver.broker.committedOffsets(GROUP).find(({ partition }) => partition === 0)!.offset < 15, true);
    // The other partition goes on.
    driver.broker.put("events", [JSON.stringify({ id: 900, key: "other" })], 1);
    await driver.advanceClock(1_000);
    assert(driver.read(tallies).some(({ id }) => id === 900));
    await run.close();
  });

  for (const isRunning of [true, false]) {
    const when = isRunning ? "under a running task" : "while nobody runs";
    Deno.test(`${guarantee}: an unclean election ${when} is found although the log has grown past our position`, async () => {
      const run = await TallyRun.start(tallyApp(guarantee), { partitions: { events: 2 } });
      const { driver } = run;
      run.feed(10);
      await run.check();
      if (!isRunning) await stopAll(run);
      const place = { topic: "events", partition: 0 };
      const { offset } = driver.broker.committedOffsets(GROUP).find(({ partition }) => partition === 0)!;
      driver.broker.truncate(place, 0);
      const rows = Array.from({ length: offset + 5 }, (_, i) => JSON.stringify({ id: 500 + i, key: "other" }));
      driver.broker.put("events", rows, 0);
      if (!isRunning) await driver.restart(0);
      await driver.advanceClock(2_000);
      const { failures } = driver.running().status()[0]!;
      assertEquals([...failures].map(([partition, { name }]) => [partition, name]), [[0, "OffsetOutOfRangeError"]]);
      assertStringIncludes(failures.get(0)!.message, "the log was truncated there");
      assertEquals(driver.read(tallies).filter(({ id }) => id >= 500), []);
      await run.close();
    });
  }

  Deno.test(`${guarantee}: an unclean election in the range of a silent replay is found where output would begin`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee, { app: { checkpointIntervalMs: 3_600_000 } }));
    const { driver } = run;
    run.feed(40);
    await run.check();
    driver.crash();
    const { offset } = driver.broker.committedOffsets(GROUP)[0]!;
    driver.broker.truncate({ topic: "events", partition: 0 }, 20);
    const rows = Array.from({ length: offset }, (_, i) => JSON.stringify({ id: 500 + i, key: "k1" }));
    driver.broker.put("events", rows, 0);
    const error = await assertRejects(
      () => driver.restart(0, { node: "new" }).then(() => driver.advanceClock(2_000)),
      Error,
    );
    assert(driver.trace.some(({ label }) => label === "restore:silent-replay-done"));
    assertEquals(error.name, "OffsetOutOfRangeError");
    assertStringIncludes(error.message, "the log was truncated there");
    assertEquals(driver.read(tallies).filter(({ id }) => id >= 500), []);
    await run.close();
  });

  Deno.test(`${guarantee}: retention that passes a running task is an error that names the group`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee));
    const { driver } = run;
    run.feed(4);
    await run.check();
    driver.pause(0);
    run.feed(10);
    driver.broker.deleteRecordsBefore("events", 0, 12);
    driver.resume(0);
    const error = await assertRejects(() => driver.advanceClock(2_000), Error);
    assertEquals(error.name, "OffsetOutOfRangeError");
    assertStringIncludes(error.message, "set the group 'tally.events' to an offset that the log holds");
    await run.close();
  });

  for (
    const [name, startFrom, ids] of [
      ["earliest", "earliest", [0, 1, 2, 3]],
      ["latest", "latest", [3]],
      ["a time", { atMs: 2_000 }, [1, 2, 3]],
    ] as [string, StartFrom, number[]][]
  ) {
    Deno.test(`${guarantee}: 'startFrom' ${name} is where a fresh group starts, and only there`, async () => {
      const stamped = (id: number) => ({ value: JSON.stringify({ id, key: "k" }), timestampMs: (id + 1) * 1_000 });
      const run = await TallyRun.start(tallyApp(guarantee, { app: { startFrom } }), { workers: 0 });
      const { driver } = run;
      driver.broker.put("events", [stamped(0), stamped(1), stamped(2)]);
      const other = await TallyRun.start(tallyApp(guarantee, { app: { startFrom } }), {
        broker: driver.broker,
        partitions: {},
      });
      await other.driver.advanceClock(1_000);
      // Crashed before the first record: it does not start behind what comes meanwhile.
      other.driver.crash();
      driver.broker.put("events", [stamped(3)]);
      await other.driver.restart(0, { node: "new" });
      await other.driver.advanceClock(1_000);
      assertEquals(other.driver.read(tallies).map(({ id }) => id), ids);
      await other.close();
    });
  }
}

Deno.test("a checkpoint is restored on a new node when the log no longer holds the beginning", async () => {
  for (const guarantee of GUARANTEES) {
    const run = await TallyRun.start(tallyApp(guarantee));
    run.feed(40);
    await run.driver.advanceClock(3_000);
    await run.check();
    run.feed(4);
    await run.check();
    run.driver.broker.deleteRecordsBefore("events", 0, 40);
    run.driver.crash();
    await run.driver.restart(0, { node: "new" });
    await run.probe();
    assert(run.driver.trace.some(({ label }) => label === "restore:checkpoint-loaded"));
    await run.close();
  }
});

Deno.test("without local state and checkpoints 'onCrashRecovery' decides, and 'fail' is the default", async () => {
  const start = async (guarantee: Guarantee, onCrashRecovery?: "rebuild-from-earliest" | "resume-empty") => {
    const blobs = new MemoryBlobStore();
    const run = await TallyRun.start(tallyApp(guarantee, onCrashRecovery === undefined ? {} : { onCrashRecovery }), {
      blobs,
    });
    run.feed(20);
    await run.driver.advanceClock(3_000);
    await run.check();
    // The log no longer holds the beginning, and the checkpoints are gone.
    run.driver.crash();
    run.driver.broker.deleteRecordsBefore("events", 0, 10);
    for (const { name } of await blobs.list("")) await blobs.delete(name);
    return run;
  };
  for (const guarantee of GUARANTEES) {
    const failing = await start(guarantee);
    const error = await assertRejects(() => failing.driver.restart(0, { node: "new" }), Error);
    assert(["RecoveryImpossibleError", "OffsetOutOfRangeError"].includes(error.name), error.name);
    await failing.close();

    const emptied = await start(guarantee, "resume-empty");
    await emptied.driver.restart(0, { node: "new" });
    emptied.feed(1);
    await emptied.driver.settle();
    assertEquals(counts(emptied).at(-1)![1], 1);
    await emptied.close();

    const rebuilt = await start(guarantee, "rebuild-from-earliest");
    await rebuilt.driver.restart(0, { node: "new" });
    rebuilt.feed(1);
    await rebuilt.driver.settle();
    const { key } = rebuilt.expected.at(-1)!;
    const inLog = rebuilt.expected.slice(10).filter((each) => each.key === key).length;
    assertEquals(counts(rebuilt).at(-1)![1], inLog);
    await rebuilt.close();
  }
});

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: a local store that is damaged when it is opened is replaced by a checkpoint`, async () => {
    for (const damage of ["position", "open"] as const) {
      const isDamaged = { value: false };
      const provider = new MemoryStateProvider({ isKept: true });
      const open = provider.open.bind(provider);
      provider.open = async (key) => {
        if (isDamaged.value && damage === "open") {
          isDamaged.value = false;
          throw new StateCorruptError("it cannot be opened");
        }
        const store = await open(key);
        const readPosition = store.readPosition.bind(store);
        store.readPosition = async () => {
          const bytes = await readPosition();
          if (!isDamaged.value || bytes === undefined) return bytes;
          isDamaged.value = false;
          return bytes.map((byte, at) => at === bytes.length - 3 ? byte ^ 1 : byte);
        };
        return store;
      };
      const run = await TallyRun.start(tallyApp(guarantee), { state: () => provider });
      await Promise.all([run.keepFeeding({ rounds: 30 }), run.driver.advanceClock(4_000)]);
      run.driver.crash();
      isDamaged.value = true;
      run.driver.trace.length = 0;
      await run.driver.restart(0);
      await run.probe();
      assert(warnings(run).some((text) => text.includes("is damaged and is not used")), damage);
      assert(run.driver.trace.some(({ label }) => label === "restore:checkpoint-loaded"));
      await run.close();
    }
  });

  Deno.test(`${guarantee}: damaged checkpoints are passed over, loudly, for the next older one`, async () => {
    const blobs = new MemoryBlobStore();
    const run = await TallyRun.start(tallyApp(guarantee), { blobs });
    await Promise.all([run.keepFeeding({ rounds: 40 }), run.driver.advanceClock(5_000)]);
    await run.check();
    run.driver.crash();
    const names = (await blobs.list("")).map(({ name }) => name);
    const newest = names.filter((name) => name.endsWith(".arrow")).at(-1)!;
    const get = blobs.get.bind(blobs);
    blobs.get = async (name) => {
      const bytes = await get(name);
      return name === newest ? bytes?.map((byte, at) => at === bytes.length >> 1 ? byte ^ 4 : byte) : bytes;
    };
    await run.driver.restart(0, { node: "new" });
    await run.probe();
    assert(run.driver.trace.some(({ message }) => message?.includes("is passed over")), `${names}`);
    await run.close();
  });
}

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: what a load had written before a crash is gone when there is no checkpoint to load again`, async () => {
    const blobs = new MemoryBlobStore();
    const run = await TallyRun.start(tallyApp(guarantee), { blobs });
    const { driver } = run;
    run.feed(40);
    await driver.advanceClock(3_000);
    await run.check();
    driver.crash();
    const restarting = driver.restart(0, { node: "new" });
    await driver.crashAt("restore:segment-loaded", { node: "none" });
    for (const { name } of await blobs.list("")) await blobs.delete(name);
    await driver.restart(0);
    await restarting;
    await run.probe();
    await run.close();
  });
}
