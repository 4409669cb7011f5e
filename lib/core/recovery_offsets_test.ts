import { assertEquals } from "@std/assert";
import { DecisionJournal } from "./decision_journal.ts";
import type { TaskPosition } from "./position.ts";
import { recoveryPlan } from "./recovery_plan.ts";

Deno.test("recoveryPlan() takes offset and leader epoch of its own partition from a position of several", () => {
  const position: TaskPosition = {
    offsets: [
      { topic: "in", partition: 1, offset: 7n, leaderEpoch: 70 },
      { topic: "rates", partition: 0, offset: 8n, leaderEpoch: 80 },
      { topic: "in", partition: 0, offset: 90n, leaderEpoch: 5 },
    ],
    taskTimeMs: 900,
    commitSequence: 9,
    lineage: "L",
    origin: 0n,
    ownerToken: 3,
    journal: new DecisionJournal(0n),
  };
  const plan = recoveryPlan({
    task: "sums/0",
    guarantee: "at-least-once",
    committed: undefined,
    log: { topic: "in", partition: 0, logStart: 0n, logEnd: 200n },
    local: position,
    checkpoints: [],
    hasState: true,
    onCrashRecovery: "fail",
    startOffset: 0n,
    newLineage: "N",
    ownerToken: 4,
  });
  assertEquals([plan.candidate.kind, plan.liveFrom, plan.leaderEpoch], ["local", 90n, 5]);
});
