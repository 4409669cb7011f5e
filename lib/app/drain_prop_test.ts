import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import fc from "fast-check";
import { BrokerTimeoutError } from "../../mod.ts";
import { type CrashPlan, crashPlan } from "../../testing/arbitraries.ts";
import type { StepLabel } from "../seams/observer.ts";
import { type Guarantee, GUARANTEES, tallyApp, TallyRun } from "../runtime/protocol_fixture_test.ts";

const GRACE_MS = 60_000;

/** Steps of a run without faults, and the one during which a drain is asked for. */
const LABELS: readonly StepLabel[] = [
  "group:assigned",
  "restore:begin",
  "restore:live",
  "task:assigned",
  "batch:fetched",
  "batch:decoded",
  "batch:processed",
  "commit:sealed",
  "produce:before",
  "produce:after",
  "transaction:begin",
  "offsets:before",
  "offsets:after",
  "commit:before",
  "commit:after",
  "apply:before",
  "apply:after",
  "flush:before",
  "flush:after",
  "checkpoint:begin",
  "checkpoint:snapshot",
  "checkpoint:manifest-before",
  "checkpoint:manifest-after",
  "group:revoked",
  "task:closing",
  "task:closed-clean",
];
const OF_TRANSACTIONS: readonly StepLabel[] = ["transaction:begin", "offsets:before", "offsets:after"];

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: a drain that is asked for at any step loses and repeats nothing`, async (t) => {
    for (const label of LABELS) {
      if (guarantee === "at-least-once" && OF_TRANSACTIONS.includes(label)) continue;
      await t.step(label, async () => {
        const run = await TallyRun.start(tallyApp(guarantee, { app: { failoverGraceMs: GRACE_MS } }), {
          workers: 2,
          latencyMs: 10,
          partitions: { events: 2 },
        });
        const { driver } = run;
        await driver.advanceClock(1_000);
        let drained: Promise<void> | undefined;
        let isDrained = false;
        const push = driver.trace.push.bind(driver.trace);
        driver.trace.push = (...entries) => {
          if (drained === undefined && entries.some((entry) => entry.worker === 0 && entry.label === label)) {
            drained = driver.running(0).drain();
            drained.then(() => isDrained = true, () => isDrained = true);
          }
          return push(...entries);
        };
        let isFed = false;
        run.keepFeeding({ rounds: 60, partitions: 2, pauseMs: 70 }).then(() => isFed = true);
        // For the steps of joining and leaving.
        await driver.rebalance();
        await driver.until(() => isDrained, "the drain");
        await drained;
        assertEquals(driver.running(0).status()[0]!.tasks, []);
        const startMs = driver.clock.monotonicMs();
        await driver.until(() => driver.running(1).status()[0]!.tasks.length === 2, "the other worker to take over");
        assert(driver.clock.monotonicMs() - startMs < GRACE_MS / 4, "the other worker waited for the session's end");
        let hasRejoined = false;
        driver.running(0).rejoin().then(() => hasRejoined = true);
        await driver.until(() => isFed && hasRejoined, "the input and the worker");
        await run.check();
        await run.probe({ partitions: 2 });
        await run.close();
      });
    }
  });
}

interface Plan {
  readonly moves: readonly { readonly worker: number; readonly isDrain: boolean; readonly ms: number }[];
  readonly trouble: CrashPlan;
  readonly guarantee: Guarantee;
  readonly seed: number;
  readonly latencyMs: number;
  readonly isStatic: boolean;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  moves: fc.array(
    fc.record({
      worker: fc.integer({ min: 0, max: 2 }),
      isDrain: fc.boolean(),
      ms: fc.constantFrom(0, 1, 30, 200, 1_500),
    }),
    { maxLength: 12 },
  ),
  trouble: crashPlan({ crashesMax: 0, faultsMax: 3 }),
  guarantee: fc.constantFrom("at-least-once" as const, "exactly-once" as const),
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  latencyMs: fc.constantFrom(0, 5, 60),
  isStatic: fc.boolean(),
});

async function holds({ moves, trouble, guarantee, seed, latencyMs, isStatic }: Plan): Promise<void> {
  const run = await TallyRun.start(tallyApp(guarantee, { app: { failoverGraceMs: 5_000, closeTimeoutMs: 3_000 } }), {
    seed,
    latencyMs,
    isStatic,
    workers: 3,
    partitions: { events: 4 },
  });
  const { driver } = run;
  const { faults } = driver.broker;
  try {
    for (const { call, kind, skip, times } of trouble.faults) {
      // A join that lands after its member has gone takes the place of that member's successor.
      faults.next(call, call === "join" && kind === "delayed" ? "reply-lost" : kind, { skip, times });
    }
    const calls: Promise<unknown>[] = [];
    for (const { worker, isDrain, ms } of moves) {
      run.feed(5, worker);
      const running = driver.running(worker);
      // Not awaited: a change may be asked for while another one is under way.
      const call = isDrain ? running.drain() : running.rejoin();
      calls.push(call.catch((error) => assertInstanceOf(error, BrokerTimeoutError)));
      await driver.advanceClock(ms);
      faults.land();
    }
    faults.clear();
    faults.land();
    let areBack = false;
    const back = Promise.all([...calls, ...[0, 1, 2].map((worker) => driver.running(worker).rejoin())]);
    back.then(() => areBack = true, () => areBack = true);
    await driver.until(() => areBack, "all workers to be back");
    await back;
    for (let partition = 0; partition < 4; partition++) run.feed(1, partition);
    const isQuiet = trouble.faults.length === 0;
    const isOnce = guarantee === "exactly-once" || isQuiet;
    const allowed = { duplicatesMax: isOnce ? 0 : run.expected.length * 4, isOrdered: isOnce };
    await run.check(allowed);
    await run.probe({ ...allowed, partitions: 4 });
  } finally {
    faults.clear();
    await run.close();
  }
}

Deno.test("whatever is drained and joins again in whatever order, nothing is lost, and exactly-once repeats nothing", async () => {
  const numRuns = Number(Deno.env.get("TURBINE_RUNS") ?? 60);
  await fc.assert(fc.asyncProperty(plan, holds), { numRuns, endOnFailure: false });
});
