import { assert } from "@std/assert";
import type { TurbineOptions } from "../../mod.ts";
import type { StepLabel } from "../seams/observer.ts";
import { type Guarantee, GUARANTEES, tallyApp, TallyRun } from "./protocol_fixture_test.ts";

/** What makes a run reach a step, beside a steady input. */
type Trigger = (run: TallyRun) => void;

const flow: Trigger = () => {};
const restart: Trigger = ({ driver }) => {
  driver.crash();
  void driver.restart(0, { node: "new" }).catch(() => {});
};
const restartHere: Trigger = ({ driver }) => {
  driver.crash();
  void driver.restart(0).catch(() => {});
};
const stop: Trigger = ({ driver }) => void driver.running().close();
const rebalance: Trigger = ({ driver }) => driver.broker.rebalance("tally.events");
const expire: Trigger = ({ driver }) => {
  for (const { memberId } of driver.broker.members("tally.events")) {
    driver.broker.expireMember("tally.events", memberId);
  }
};
const poison: Trigger = ({ driver }) => driver.broker.put("events", ["not json"], 0);
const lose = (call: "produce" | "endTransaction" | "commit" | "sendOffsets", kind: "request-lost" | "reply-lost") =>
  ((run) => run.driver.broker.faults.next(call, kind)) satisfies Trigger;
const refuse = (call: "produce" | "sendOffsets"): Trigger => (run) => run.driver.broker.faults.next(call, "refused");

interface Way {
  readonly trigger: Trigger;
  /** Guarantees under which the step exists. */
  readonly only?: Guarantee;
  /** Settings of the app under which it is sure to be reached. */
  readonly app?: TurbineOptions;
}

/** The store lags far behind the commits, whenever the crash comes. */
const LAGGING: TurbineOptions = { stateFlushIntervalMs: 1_500, checkpointIntervalMs: 60_000 };

/** How each step is reached: a label without an entry does not type-check. */
const WAYS: Readonly<Record<StepLabel, Way | null>> = {
  "task:assigned": { trigger: restart },
  "task:closing": { trigger: stop },
  "task:closed-clean": { trigger: stop },
  "task:closed-dirty": { trigger: expire },
  "restore:begin": { trigger: restart },
  "restore:candidate-chosen": { trigger: restart },
  "restore:segment-loaded": { trigger: restart },
  "restore:checkpoint-loaded": { trigger: restart },
  "restore:silent-replay-begin": { trigger: restartHere, app: LAGGING },
  "restore:silent-replay-done": { trigger: restartHere, app: LAGGING },
  "restore:live": { trigger: restart },
  "batch:fetched": { trigger: flow },
  "batch:decoded": { trigger: flow },
  "batch:rejected": { trigger: poison },
  "batch:processed": { trigger: flow },
  // Time jumps only when a window could close: see idle_windows_test.ts.
  "time:jumped": null,
  "commit:sealed": { trigger: flow },
  "produce:before": { trigger: flow },
  "produce:after": { trigger: flow },
  "produce:unknown": { trigger: lose("produce", "reply-lost") },
  "transaction:begin": { trigger: flow, only: "exactly-once" },
  "offsets:before": { trigger: flow, only: "exactly-once" },
  "offsets:after": { trigger: flow, only: "exactly-once" },
  "commit:before": { trigger: flow },
  "commit:after": { trigger: flow },
  "commit:unknown": {
    trigger: (run) => {
      lose("commit", "reply-lost")(run);
      lose("endTransaction", "reply-lost")(run);
    },
  },
  "commit:resolved-committed": { trigger: lose("endTransaction", "reply-lost"), only: "exactly-once" },
  "commit:resolved-aborted": { trigger: lose("endTransaction", "request-lost"), only: "exactly-once" },
  "commit:foreign": { trigger: expire },
  "commit:aborted": { trigger: refuse("sendOffsets"), only: "exactly-once" },
  "producer:closed": { trigger: lose("produce", "request-lost") },
  "producer:initialized": { trigger: restart },
  "apply:before": { trigger: flow },
  "apply:after": { trigger: flow },
  "flush:before": { trigger: flow },
  "flush:after": { trigger: flow },
  "checkpoint:begin": { trigger: flow },
  "checkpoint:snapshot": { trigger: flow },
  "checkpoint:segment-uploaded": { trigger: flow },
  "checkpoint:verified": { trigger: flow },
  "checkpoint:manifest-before": { trigger: flow },
  "checkpoint:manifest-after": { trigger: flow },
  "retention:begin": { trigger: flow },
  "retention:manifest-deleted": { trigger: flow },
  "retention:file-deleted": { trigger: flow },
  "group:assigned": { trigger: restart },
  "group:revoked": { trigger: rebalance },
  "group:lost": { trigger: expire },
  "close:begin": { trigger: stop },
  "close:end": { trigger: stop },
};

async function crashAt(
  label: StepLabel,
  way: Way,
  place: { guarantee: Guarantee; node: "same" | "new"; twice: boolean },
) {
  const { guarantee, node, twice } = place;
  const app = tallyApp(guarantee, { onRecordError: "skip", app: way.app ?? {} });
  const run = await TallyRun.start(app, { seed: 7, latencyMs: 30 });
  const { driver } = run;
  try {
    // Enough for three checkpoints, so that a restart finds state to restore and retention has something to do.
    const feeding = run.keepFeeding({ rounds: 120, rows: 2, pauseMs: 50 });
    await driver.advanceClock(2_300);
    let duplicatesMax = 0;
    for (let crash = 0; crash < (twice ? 2 : 1); crash++) {
      const crashed = driver.crashAt(label, { node: "none" });
      await Promise.resolve();
      duplicatesMax += run.uncommitted;
      way.trigger(run);
      await crashed;
      duplicatesMax += run.uncommitted;
      await driver.restart(0, { node });
    }
    await driver.advanceClock(8_000);
    await feeding;
    // What was in flight may be repeated after a failure, at-least-once only; unknown commits count as failures.
    const bound = guarantee === "exactly-once" ? 0 : duplicatesMax;
    await run.check({ duplicatesMax: bound });
    await run.probe({ duplicatesMax: bound });
  } finally {
    await run.close();
  }
}

for (const guarantee of GUARANTEES) {
  for (const node of ["same", "new"] as const) {
    Deno.test(`${guarantee}: a crash at any step loses nothing and repeats what is allowed, then comes back on the ${node} node`, async (t) => {
      for (const [label, way] of Object.entries(WAYS) as [StepLabel, Way | null][]) {
        if (way === null || (way.only !== undefined && way.only !== guarantee)) continue;
        await t.step(label, () => crashAt(label, way, { guarantee, node, twice: false }));
      }
    });
  }

  Deno.test(`${guarantee}: two crashes in a row at the same step lose nothing`, async (t) => {
    for (const [label, way] of Object.entries(WAYS) as [StepLabel, Way | null][]) {
      if (way === null || (way.only !== undefined && way.only !== guarantee)) continue;
      await t.step(label, () => crashAt(label, way, { guarantee, node: "new", twice: true }));
    }
  });
}

Deno.test("every step has a way to be reached, or a reason why another test does it", () => {
  const missing = Object.entries(WAYS).filter(([, way]) => way === null).map(([label]) => label);
  assert(missing.length === 1, `only 'time:jumped' is reached elsewhere: ${missing}`);
});
