import { assertStrictEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import { checkedPlan } from "./checked_plan.ts";
import { DecisionJournal } from "./decision_journal.ts";
import type { RecoveryInput, RecoveryPlan } from "./recovery_input.ts";

const INPUT: RecoveryInput = {
  task: "sums/0",
  guarantee: "exactly-once",
  committed: { offset: 100n, metadata: "" },
  log: { topic: "in", partition: 0, logStart: 50n, logEnd: 200n },
  local: "absent",
  checkpoints: [],
  damagedCheckpoints: 0,
  hasState: true,
  onCrashRecovery: "fail",
  topicId: "id-1",
  startOffset: 50n,
  newLineage: "N",
  ownerToken: 4,
};
const PLAN: RecoveryPlan = {
  candidate: { kind: "local" },
  replayFrom: 60n,
  liveFrom: 100n,
  leaderEpoch: 1,
  taskTimeMs: null,
  taskTimeAtLiveMs: null,
  journal: new DecisionJournal(55n),
  lineage: "L",
  isLineageNew: false,
  origin: 0n,
  ownerToken: 4,
  commitSequence: 7,
  witness: { offset: null, text: "" },
  isCommitNeeded: false,
  warnings: [],
};

Deno.test("checkedPlan() lets no plan pass that would lose or repeat something", () => {
  const wrong: [Partial<RecoveryPlan>, string][] = [
    [{ replayFrom: 101n }, "I-03: state at 101 leads the position 100"],
    [{ liveFrom: 99n }, "I-03: exactly-once goes on at 100, not at 99"],
    [{ liveFrom: 110n }, "I-03: exactly-once goes on at 100, not at 110"],
    [{ replayFrom: 49n }, "a replay from 49 is not in the log, which begins at 50"],
    [{ replayFrom: 54n }, "a replay from 54 has no decisions before 55"],
  ];
  for (const [change, message] of wrong) {
    assertThrows(() => checkedPlan(INPUT, { ...PLAN, ...change }), InvariantError, message);
  }
});

Deno.test("checkedPlan() gives back a plan that holds: where nothing is replayed, log and journal do not matter", () => {
  const free: RecoveryInput = { ...INPUT, guarantee: "at-least-once" };
  const { committed: _, ...without } = INPUT;
  const right: [RecoveryInput, Partial<RecoveryPlan>][] = [
    [INPUT, {}],
    [INPUT, { replayFrom: 100n, journal: new DecisionJournal(100n) }],
    [free, { replayFrom: 120n, liveFrom: 120n, isCommitNeeded: true }],
    [{ ...without, committed: undefined }, { replayFrom: 10n, liveFrom: 10n }],
  ];
  for (const [input, change] of right) {
    const plan = { ...PLAN, ...change };
    assertStrictEquals(checkedPlan(input, plan), plan);
  }
});
