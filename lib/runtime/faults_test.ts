import { assert, assertEquals } from "@std/assert";
import type { CallFault, ClientCall } from "../adapters/embedded/client_calls.ts";
import { GUARANTEES, tallyApp, TallyRun } from "./protocol_fixture_test.ts";

const CALLS: readonly ClientCall[] = [
  "produce",
  "initialize",
  "sendOffsets",
  "endTransaction",
  "commit",
  "committed",
  "fetch",
  "heartbeat",
  "join",
];
const KINDS: readonly CallFault["kind"][] = ["request-lost", "reply-lost", "delayed", "refused"];

/** One fault in a steady flow; a delayed request lands much later, behind newer ones. */
async function runWithFault(
  app: Parameters<typeof TallyRun.start>[0],
  fault: { call: ClientCall; kind: CallFault["kind"]; times: number; transactionVersion: 1 | 2 },
): Promise<{ run: TallyRun; fired: number }> {
  const run = await TallyRun.start(app, { seed: 3, latencyMs: 25 });
  const { driver } = run;
  driver.broker.cluster.setTransactionVersion(fault.transactionVersion);
  const feeding = run.keepFeeding({ rounds: 40, pauseMs: 60 });
  await driver.advanceClock(900);
  driver.broker.faults.next(fault.call, fault.kind, { skip: 2, times: fault.times });
  if (["initialize", "join", "committed"].includes(fault.call)) {
    driver.broker.faults.clear();
    driver.broker.faults.next(fault.call, fault.kind, { times: fault.times });
    driver.crash();
    await driver.restart(0, { node: "new" });
  }
  await driver.advanceClock(600);
  driver.broker.faults.land();
  await driver.advanceClock(3_000);
  await feeding;
  return { run, fired: driver.broker.faults.fired };
}

for (const guarantee of GUARANTEES) {
  for (const transactionVersion of [1, 2] as const) {
    if (guarantee === "at-least-once" && transactionVersion === 1) continue;
    Deno.test(`${guarantee}: no fault of a call loses or wrongly repeats anything (transactions v${transactionVersion})`, async (t) => {
      for (const call of CALLS) {
        for (const kind of KINDS) {
          for (const times of [1, 3]) {
            await t.step(`${call} ${kind} x${times}`, async () => {
              const app = tallyApp(guarantee);
              const { run, fired } = await runWithFault(app, { call, kind, times, transactionVersion });
              try {
                const isUsed = guarantee === "exactly-once"
                  ? call !== "commit"
                  : !["sendOffsets", "endTransaction"].includes(call);
                if (isUsed) assert(fired > 0, "the fault did not happen");
                // An at-least-once failure repeats rows in flight: here at most two commits of a few batches each.
                const duplicatesMax = guarantee === "exactly-once" ? 0 : 24 * times;
                // A delayed request of an old connection may land behind newer rows: at-least-once has no fence against it.
                const isOrdered = guarantee === "exactly-once" || call !== "produce" || kind !== "delayed";
                await run.check({ duplicatesMax, isOrdered });
                await run.probe({ duplicatesMax, isOrdered });
              } finally {
                await run.close();
              }
            });
          }
        }
      }
    });
  }

  Deno.test(`${guarantee}: a delayed end of a commit lands behind a newer one and changes nothing`, async () => {
    for (const transactionVersion of [1, 2] as const) {
      const call = guarantee === "exactly-once" ? "endTransaction" : "commit";
      const run = await TallyRun.start(tallyApp(guarantee));
      run.driver.broker.cluster.setTransactionVersion(transactionVersion);
      const { faults } = run.driver.broker;
      run.feed(5);
      faults.next(call, "delayed");
      await run.driver.advanceClock(2_000);
      assertEquals(faults.held, [call]);
      run.feed(5);
      await run.driver.advanceClock(1_000);
      assertEquals(faults.land(), 1);
      // The late commit may have put the committed offset back: a restart goes on from the state, and commits again.
      run.driver.crash();
      await run.driver.restart(0, { node: "same" });
      await run.check({ duplicatesMax: guarantee === "exactly-once" ? 0 : 5 });
      await run.probe({ duplicatesMax: guarantee === "exactly-once" ? 0 : 5 });
      await run.close();
    }
  });

  Deno.test(`${guarantee}: a broker that refuses everything for 20 s is waited for`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee));
    const { driver } = run;
    run.feed(20);
    await driver.advanceClock(60);
    for (const call of CALLS) driver.broker.faults.next(call, "refused", { times: Infinity });
    driver.broker.faults.next("admin", "refused", { times: Infinity });
    await driver.advanceClock(20_000);
    run.feed(20);
    driver.broker.faults.clear();
    const duplicatesMax = guarantee === "exactly-once" ? 0 : 20;
    await run.check({ duplicatesMax });
    await run.probe({ duplicatesMax });
    await run.close();
  });

  Deno.test(`${guarantee}: a broker that is away for longer than 'taskTimeoutMs' stops the app, loudly`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee, { app: { taskTimeoutMs: 5_000 } }));
    const { driver } = run;
    run.feed(20);
    await driver.settle();
    for (const call of CALLS) driver.broker.faults.next(call, "refused", { times: Infinity });
    let failure: Error | undefined;
    await driver.advanceClock(60_000).catch((error) => failure = error);
    assertEquals(failure?.name, "BrokerUnavailableError");
    assert(driver.trace.some((each) => each.label === "error" && each.message?.includes("stopped")));
    driver.broker.faults.clear();
    await run.close();
  });
}

Deno.test("a commit that is aborted while the next one is processed is undone with it, and both are processed again", async () => {
  const run = await TallyRun.start(tallyApp("exactly-once", { commitIntervalMs: 20 }));
  const { driver } = run;
  run.feed(8);
  await driver.settle();
  // Commit k waits for its markers while k + 1 is processed; then its end is refused.
  driver.broker.holdMarkers(true);
  run.feed(8);
  await driver.advanceClock(100);
  run.feed(8);
  await driver.advanceClock(100);
  driver.broker.faults.next("sendOffsets", "refused");
  driver.broker.holdMarkers(false);
  await run.check();
  await run.probe();
  await run.close();
});

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: a partition that was paused goes on after its commits were undone`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee), { latencyMs: 20 });
    const { driver } = run;
    driver.broker.faults.next(guarantee === "exactly-once" ? "sendOffsets" : "commit", "refused", {
      skip: 1,
      times: 40,
    });
    run.feed(600);
    await driver.advanceClock(1_000);
    driver.broker.faults.clear();
    const duplicatesMax = guarantee === "exactly-once" ? 0 : 600;
    await run.check({ duplicatesMax });
    await run.close();
  });

  Deno.test(`${guarantee}: rows in flight are bounded while commits are slow`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee, { commitIntervalMs: 1_000 }), { latencyMs: 400 });
    const { driver } = run;
    run.feed(5_000);
    let most = 0;
    for (let round = 0; round < 100; round++) {
      await driver.advanceClock(50);
      const { position, committed } = driver.running().status()[0]!.tasks[0]!;
      most = Math.max(most, Number(position - committed));
    }
    // Batches are of 4 rows, 16 of them may be in flight; transactions put a control record between commits.
    assert(most > 16 && most <= 4 * 17 + 1, `${most} rows were in flight`);
    await run.check();
    await run.close();
  });
}
