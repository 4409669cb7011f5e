import { assert, assertEquals } from "@std/assert";
import { GUARANTEES, tallyApp, TallyRun } from "./protocol_fixture_test.ts";

const held = (run: TallyRun, worker: number) =>
  run.driver.running(worker).status()[0]!.tasks.map(({ partition }) => partition).sort();

for (const guarantee of GUARANTEES) {
  for (const isStatic of [true, false]) {
    const kind = isStatic ? "static" : "dynamic";

    Deno.test(`${guarantee}: rebalances of three ${kind} members repeat nothing`, async () => {
      const run = await TallyRun.start(tallyApp(guarantee), {
        workers: 3,
        isStatic,
        latencyMs: 40,
        partitions: { events: 5 },
      });
      const { driver } = run;
      const feeding = run.keepFeeding({ rounds: 90, partitions: 5, pauseMs: 40 });
      for (let round = 0; round < 4; round++) {
        await driver.advanceClock(600);
        await driver.rebalance();
      }
      await feeding;
      const dirty = driver.trace.filter(({ label }) => label === "task:closed-dirty");
      assertEquals(dirty, [], "a revoked task was not committed and flushed");
      await run.check();
      await run.probe({ partitions: 5 });
      assertEquals([0, 1, 2].flatMap((worker) => held(run, worker)).sort(), [0, 1, 2, 3, 4]);
      await run.close();
    });

    Deno.test(`${guarantee}: ${kind} members that come and go in good order repeat nothing`, async () => {
      const run = await TallyRun.start(tallyApp(guarantee), {
        workers: 2,
        isStatic,
        latencyMs: 15,
        partitions: { events: 4 },
      });
      const { driver } = run;
      const feeding = run.keepFeeding({ rounds: 60, partitions: 4, pauseMs: 400 });
      await driver.advanceClock(1_000);
      await driver.stop(1);
      // A static member's partitions wait for it, for the time of a session.
      await driver.advanceClock(15_000);
      assertEquals(held(run, 0), [0, 1, 2, 3]);
      await driver.restart(1, { node: "new" });
      await driver.advanceClock(10_000);
      await feeding;
      await run.check();
      await run.probe({ partitions: 4 });
      assert(held(run, 1).length > 0, "the member that came back got nothing");
      await run.close();
    });

    Deno.test(`${guarantee}: a ${kind} worker that stands still past its session changes nothing when it wakes`, async () => {
      const run = await TallyRun.start(tallyApp(guarantee), {
        workers: 2,
        isStatic,
        latencyMs: 15,
        partitions: { events: 4 },
      });
      const { driver } = run;
      const feeding = run.keepFeeding({ rounds: 100, partitions: 4, pauseMs: 500 });
      await driver.advanceClock(2_020);
      const inFlight = run.uncommitted;
      driver.pause(0);
      await driver.advanceClock(20_000);
      assertEquals(held(run, 1), [0, 1, 2, 3], "the other worker did not take over");
      driver.resume(0);
      await driver.advanceClock(30_000);
      await feeding;
      const isFenced = guarantee === "exactly-once";
      const allowed = { duplicatesMax: isFenced ? 0 : inFlight + 8, isOrdered: isFenced };
      await run.check(allowed);
      await run.probe({ ...allowed, partitions: 4 });
      assert(held(run, 0).length > 0, "the woken worker got nothing back");
      await run.close();
    });
  }

  Deno.test(`${guarantee}: a worker that stands still at any step of a commit changes nothing when it wakes`, async (t) => {
    const labels = [
      "commit:sealed",
      "produce:before",
      "produce:after",
      "offsets:after",
      "commit:before",
      "commit:after",
    ];
    for (const label of labels) {
      if (label === "offsets:after" && guarantee === "at-least-once") continue;
      await t.step(label, async () => {
        const run = await TallyRun.start(tallyApp(guarantee), { workers: 2, partitions: { events: 2 } });
        const { driver } = run;
        await driver.advanceClock(1_000);
        let isPaused = false;
        const watch = driver.trace.push.bind(driver.trace);
        driver.trace.push = (...entries) => {
          for (const entry of entries) {
            if (!isPaused && entry.worker === 0 && entry.label === label) {
              isPaused = true;
              driver.pause(0);
            }
          }
          return watch(...entries);
        };
        const feeding = run.keepFeeding({ rounds: 100, partitions: 2, pauseMs: 300 });
        await driver.advanceClock(20_000);
        assert(isPaused, "the step was not reached");
        driver.resume(0);
        await driver.advanceClock(20_000);
        await feeding;
        const isFenced = guarantee === "exactly-once";
        // Without a fence, what a zombie still produces lands behind newer rows.
        const allowed = { duplicatesMax: isFenced ? 0 : 12, isOrdered: isFenced };
        await run.check(allowed);
        await run.probe({ ...allowed, partitions: 2 });
        await run.close();
      });
    }
  });

  Deno.test(`${guarantee}: an expired session is joined again and repeats at most what was in flight`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee), { partitions: { events: 2 } });
    const { driver } = run;
    const feeding = run.keepFeeding({ rounds: 40, partitions: 2 });
    let duplicatesMax = 0;
    for (let round = 0; round < 3; round++) {
      await driver.advanceClock(777);
      duplicatesMax += run.uncommitted;
      for (const { memberId } of driver.broker.members("tally.events")) {
        driver.broker.expireMember("tally.events", memberId);
      }
    }
    await driver.advanceClock(5_000);
    await feeding;
    await run.check({ duplicatesMax: guarantee === "exactly-once" ? 0 : duplicatesMax });
    await run.probe({ duplicatesMax: guarantee === "exactly-once" ? 0 : duplicatesMax, partitions: 2 });
    await run.close();
  });

  Deno.test(`${guarantee}: a second process with the same instance id ends the first one, loudly, and repeats nothing for good`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee), { partitions: { events: 2 } });
    const { driver } = run;
    run.feed(10);
    await driver.settle();
    const first = driver.running(0);
    // The first process stands still; its successor starts under the same name and works on.
    const other = await TallyRun.start(tallyApp(guarantee), { broker: driver.broker, seed: 9 }).catch(() => undefined);
    await driver.advanceClock(10_000).catch(() => undefined);
    assertEquals(first.failure?.name, "FencedError");
    assert(first.failure!.message.includes("'instanceId'"));
    await other?.close().catch(() => undefined);
  });
}

Deno.test("at-least-once: a commit that waits to be tried again is not, once the partitions are lost", async () => {
  let lostWhileWaiting = 0;
  for (let seed = 1; seed <= 12; seed++) {
    const run = await TallyRun.start(tallyApp("at-least-once"), { latencyMs: 5, seed });
    const { driver } = run;
    const last = (...labels: string[]) => driver.trace.findLast(({ label }) => labels.includes(label))?.label;
    run.feed(5);
    for (let attempt = 0; attempt < 4; attempt++) driver.broker.faults.next("commit", "reply-lost");
    for (let waited = 0; waited < 400 && last("commit:unknown") === undefined; waited++) await driver.advanceClock(1);
    const [member] = driver.broker.members("tally.events");
    driver.broker.expireMember("tally.events", member!.memberId);
    for (let waited = 0; waited < 400 && last("group:lost") === undefined; waited++) await driver.advanceClock(1);
    const lostAt = driver.trace.findLastIndex(({ label }) => label === "group:lost");
    if (last("commit:before", "commit:unknown") === "commit:unknown") lostWhileWaiting++;
    for (let waited = 0; waited < 400 && last("commit:foreign") === undefined; waited++) await driver.advanceClock(1);
    const later = driver.trace.slice(lostAt, driver.trace.findLastIndex(({ label }) => label === "commit:foreign"));
    assertEquals(later.filter(({ label }) => label === "commit:before"), [], `seed ${seed}`);
    await run.check({ duplicatesMax: 5 });
    await run.close();
  }
  assert(lostWhileWaiting > 0, "no commit has waited while the partitions were lost");
});

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: a member whose fence was refused opens no task before it has joined again`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee), { latencyMs: 5 });
    const { driver } = run;
    const steps = () => driver.trace.map(({ label }) => label);
    const until = async (label: string) => {
      for (let waited = 0; waited < 2_000 && !steps().includes(label as "close:end"); waited++) {
        await driver.advanceClock(1);
      }
    };
    run.feed(5);
    await until("produce:before");
    driver.broker.expireMember("tally.events", driver.broker.members("tally.events")[0]!.memberId);
    // It does not hear of it by other ways than its commit.
    for (let beat = 0; beat < 60; beat++) driver.broker.faults.next("heartbeat", "request-lost");
    await until("commit:foreign");
    driver.trace.length = 0;
    await until("group:lost");
    assertEquals(steps().filter((label) => label === "task:assigned" || label === "commit:before"), []);
    await run.check({ duplicatesMax: guarantee === "exactly-once" ? 0 : 5 });
    await run.close();
  });
}

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: a member that gets its seat back as it was, after its fence was refused, goes on`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee), { latencyMs: 5, workers: 2, partitions: { events: 2 } });
    const { driver } = run;
    run.feed(5, 0);
    run.feed(5, 1);
    await driver.settle();
    // The first member stands still: the rebalance after the loss of the second waits for it.
    driver.pause(0);
    run.feed(5, 0);
    run.feed(5, 1);
    const hasPassed = (label: string) => driver.trace.some((each) => each.worker === 1 && each.label === label);
    const pass = async (label: string) => {
      driver.trace.length = 0;
      for (let waited = 0; waited < 2_000 && !hasPassed(label); waited++) await driver.advanceClock(1);
      assert(hasPassed(label), label);
    };
    await pass("produce:before");
    const second = driver.broker.members("tally.events").find(({ instanceId }) => instanceId?.startsWith("worker-1"));
    driver.broker.expireMember("tally.events", second!.memberId);
    // It does not hear of it by other ways than its commit: this one, or the next when this one had got through.
    for (let beat = 0; beat < 60; beat++) driver.broker.faults.next("heartbeat", "request-lost");
    run.feed(1, 1);
    await pass("commit:foreign");
    assertEquals(hasPassed("group:lost"), false);
    driver.broker.faults.clear();
    // The coordinator comes back with what it had written: both members, in the generation before.
    driver.broker.restart();
    driver.resume(0);
    await run.check({ duplicatesMax: guarantee === "exactly-once" ? 0 : 10 });
    await run.close();
  });
}
