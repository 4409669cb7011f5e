import fc from "fast-check";
import { type CrashPlan, crashPlan, workload, type WorkloadStep } from "../../testing/arbitraries.ts";
import { type Guarantee, tallyApp, TallyRun } from "./protocol_fixture_test.ts";

interface Plan {
  readonly steps: readonly WorkloadStep[];
  readonly trouble: CrashPlan;
  readonly guarantee: Guarantee;
  readonly seed: number;
  readonly latencyMs: number;
  readonly workers: number;
  readonly transactionVersion: 1 | 2;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  steps: workload({ stepsMax: 7, burstMax: 60 }),
  trouble: crashPlan({ crashesMax: 3, faultsMax: 3 }),
  guarantee: fc.constantFrom("at-least-once" as const, "exactly-once" as const),
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  latencyMs: fc.constantFrom(0, 5, 60),
  workers: fc.integer({ min: 1, max: 2 }),
  transactionVersion: fc.constantFrom(1 as const, 2 as const),
});

/** Crashes workers as planned, one crash after the other, and brings them back. */
class Saboteur {
  readonly #run: TallyRun;
  readonly #crashes: CrashPlan["crashes"][number][];
  #skipped = 0;
  #down: { worker: number; node: "same" | "new" } | undefined;

  constructor(run: TallyRun, trouble: CrashPlan) {
    this.#run = run;
    this.#crashes = [...trouble.crashes];
    const { trace } = run.driver;
    const push = trace.push.bind(trace);
    trace.push = (...entries) => {
      for (const { label, worker } of entries) this.#see(label, worker);
      return push(...entries);
    };
  }

  #see(label: string, worker: number): void {
    const crash = this.#crashes[0];
    if (crash === undefined || this.#down !== undefined || crash.label !== label) return;
    if (this.#skipped++ < crash.skip) return;
    this.#skipped = 0;
    this.#crashes.shift();
    this.#down = { worker, node: crash.node };
    this.#run.driver.crash(worker);
  }

  async pass(ms: number): Promise<void> {
    const { driver } = this.#run;
    for (let left = ms; left > 0; left -= 40) {
      await driver.advanceClock(Math.min(40, left));
      const down = this.#down;
      if (down === undefined) continue;
      this.#down = undefined;
      await driver.restart(down.worker, { node: down.node });
    }
  }

  async end(): Promise<void> {
    this.#crashes.length = 0;
    await this.pass(80);
  }
}

async function holds(drawn: Plan): Promise<void> {
  const { steps, trouble, guarantee, workers, seed, latencyMs, transactionVersion } = drawn;
  const partitions = workers === 1 ? 1 : 3;
  const run = await TallyRun.start(tallyApp(guarantee), {
    seed,
    latencyMs,
    workers,
    partitions: { events: partitions },
  });
  const { driver } = run;
  const { faults } = driver.broker;
  try {
    driver.broker.cluster.setTransactionVersion(transactionVersion);
    const saboteur = new Saboteur(run, trouble);
    for (const { call, kind, skip, times } of trouble.faults) {
      // A join of a crashed process that lands late takes the place of its successor, which then stops, as it should.
      faults.next(call, call === "join" && kind === "delayed" ? "reply-lost" : kind, { skip, times });
    }
    for (const step of steps) {
      if (step.kind === "silence") await saboteur.pass(step.ms);
      else {
        step.rows.forEach(({ id }) => run.feed(1, id % partitions));
        await saboteur.pass(120);
        faults.land();
      }
    }
    faults.clear();
    await saboteur.end();
    // A late offset commit may have put the committed offset back; the next commit mends that.
    faults.land();
    for (let partition = 0; partition < partitions; partition++) run.feed(1, partition);
    // At-least-once may repeat what was in flight at each of the failures; the fold and the order hold in any case.
    const duplicatesMax = guarantee === "exactly-once" ? 0 : run.expected.length * 4;
    // A delayed produce request of an old connection may land behind newer rows: at-least-once has no fence against it.
    const isOrdered = guarantee === "exactly-once" ||
      !trouble.faults.some(({ call, kind }) => call === "produce" && kind === "delayed");
    await run.check({ duplicatesMax, isOrdered });
    await run.probe({ duplicatesMax, isOrdered, partitions });
  } finally {
    faults.clear();
    await run.close();
  }
}

Deno.test("whatever crashes and fails, nothing is lost, state is the fold, and exactly-once repeats nothing", async () => {
  const numRuns = Number(Deno.env.get("TURBINE_RUNS") ?? 200);
  await fc.assert(fc.asyncProperty(plan, holds), { numRuns, endOnFailure: false });
});
