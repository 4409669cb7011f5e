import { assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import { encodeCommitMetadata } from "./commit_metadata.ts";
import { DecisionJournal } from "./decision_journal.ts";
import { comparePositions, type TaskPosition } from "./position.ts";
import { recoveryPlan } from "./recovery_plan.ts";

/** A position of a task with several inputs. */
const POSITION: TaskPosition = {
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

Deno.test("recoveryPlan() takes offset and leader epoch of its own partition from a position of several", () => {
  const plan = recoveryPlan({
    task: "sums/0",
    guarantee: "at-least-once",
    committed: undefined,
    log: { topic: "in", partition: 0, logStart: 0n, logEnd: 200n },
    local: POSITION,
    checkpoints: [],
    damagedCheckpoints: 0,
    hasState: true,
    onCrashRecovery: "fail",
    topicId: "id-1",
    startOffset: 0n,
    newLineage: "N",
    ownerToken: 4,
  });
  assertEquals([plan.candidate.kind, plan.liveFrom, plan.leaderEpoch], ["local", 90n, 5]);
});

Deno.test("comparePositions() gives positions of several inputs no order, on either side", () => {
  const single: TaskPosition = { ...POSITION, offsets: POSITION.offsets.slice(2) };
  assertThrows(() => comparePositions(POSITION, single), InvariantError, "only positions of one input");
  assertThrows(() => comparePositions(single, POSITION), InvariantError, "only positions of one input");
  assertEquals(comparePositions(single, single), 0);
});

Deno.test("recoveryPlan() goes on with the leader epoch that was committed, or with none", () => {
  const metadata = encodeCommitMetadata({
    lineage: "L",
    origin: 0n,
    ownerToken: 3,
    commitSequence: 9,
    taskTimeMs: null,
    journal: new DecisionJournal(0n),
    transactionalId: null,
  });
  for (const [committed, expected] of [[{ leaderEpoch: 6 }, 6], [{}, -1]] as const) {
    const plan = recoveryPlan({
      task: "sums/0",
      guarantee: "exactly-once",
      committed: { offset: 90n, metadata, ...committed },
      log: { topic: "in", partition: 0, logStart: 0n, logEnd: 200n },
      local: POSITION,
      checkpoints: [],
      damagedCheckpoints: 0,
      hasState: true,
      onCrashRecovery: "fail",
      topicId: "id-1",
      startOffset: 0n,
      newLineage: "N",
      ownerToken: 4,
    });
    assertEquals([plan.candidate.kind, plan.liveFrom, plan.leaderEpoch], ["local", 90n, expected]);
  }
});
