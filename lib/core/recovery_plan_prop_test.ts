import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { StreamError } from "../base/errors.ts";
import { encodeCommitMetadata } from "./commit_metadata.ts";
import { DecisionJournal } from "./decision_journal.ts";
import type { TaskPosition } from "./position.ts";
import type { RecoveryInput, RecoveryPlan } from "./recovery_input.ts";
import { recoveryPlan } from "./recovery_plan.ts";

const IN = { topic: "in", partition: 0 };

const small = () => fc.bigInt({ min: 0n, max: 8n });
const lineage = () => fc.constantFrom("L", "M");

const position = (): fc.Arbitrary<TaskPosition> =>
  fc.record({ offset: small(), lineage: lineage(), ownerToken: fc.nat({ max: 3 }), idle: fc.nat({ max: 1 }) }).map((
    one,
  ) => ({
    offsets: [{ ...IN, offset: one.offset, leaderEpoch: -1 }],
    taskTimeMs: 1,
    commitSequence: Number(one.offset) * 2 + one.idle,
    lineage: one.lineage,
    origin: 0n,
    ownerToken: one.ownerToken,
    journal: new DecisionJournal(0n),
  }));

const committed = () =>
  fc.option(
    fc.record({
      offset: small(),
      lineage: lineage(),
      from: small(),
      origin: small(),
      form: fc.constantFrom("ours", "", "x"),
    })
      .map((one) => {
        const { lineage, offset, origin } = one;
        const journal = new DecisionJournal(one.from < offset ? one.from : offset);
        const commitSequence = Number(offset) * 2;
        const content = { lineage, commitSequence, journal, ownerToken: 1, taskTimeMs: 9, transactionalId: null };
        const isOurs = one.form === "ours";
        const begun = origin < offset ? origin : offset;
        return { offset, metadata: isOurs ? encodeCommitMetadata({ ...content, origin: begun }) : one.form };
      }),
    { nil: undefined },
  );

const input = (): fc.Arbitrary<RecoveryInput> =>
  fc.record({
    task: fc.constant("t"),
    guarantee: fc.constantFrom("at-least-once", "exactly-once"),
    committed: committed(),
    log: fc.tuple(small(), small()).map(([a, b]) => ({ ...IN, logStart: a < b ? a : b, logEnd: a < b ? b : a })),
    local: fc.oneof(fc.constantFrom("absent", "corrupt"), position()),
    checkpoints: fc.array(position(), { maxLength: 4 }).map((all) =>
      all.map((one, at) => ({ id: `${at}`, position: one }))
    ),
    damagedCheckpoints: fc.nat({ max: 1 }),
    hasState: fc.boolean(),
    onCrashRecovery: fc.constantFrom("fail", "rebuild-from-earliest", "resume-empty"),
    topicId: fc.constant("id-1"),
    startOffset: fc.constant(0n),
    newLineage: fc.constant("N"),
    ownerToken: fc.constant(4),
  }).map((made) => ({ ...made, startOffset: made.log.logStart })) as fc.Arbitrary<RecoveryInput>;

function planOf(given: RecoveryInput): RecoveryPlan | StreamError {
  try {
    return recoveryPlan(given);
  } catch (error) {
    assert(error instanceof StreamError, `${error}`);
    return error;
  }
}

/** The state that a plan names. */
function stateOf(given: RecoveryInput, { candidate }: RecoveryPlan): TaskPosition | undefined {
  if (candidate.kind === "local") return given.local as TaskPosition;
  if (candidate.kind === "checkpoint") return given.checkpoints[Number(candidate.id)]!.position;
  return undefined;
}

Deno.test("recoveryPlan() gives a plan that can be done, or an error of the table, whatever it finds", () => {
  fc.assert(
    fc.property(input(), (given) => {
      const plan = planOf(given);
      if (plan instanceof StreamError) {
        return assert(["OffsetOutOfRange", "RecoveryImpossible"].includes(plan.code), plan.code);
      }
      const { replayFrom, liveFrom } = plan;
      assert(given.log.logStart <= replayFrom && replayFrom <= liveFrom && liveFrom <= given.log.logEnd);
      assert(plan.origin <= replayFrom || plan.candidate.kind !== "empty");
      assert(plan.journal.from <= replayFrom, "the journal reaches back to where replay begins");
      assertEquals(plan.isLineageNew, plan.lineage === "N");
      assert(!plan.isLineageNew || (plan.isCommitNeeded && plan.commitSequence === 0 && plan.taskTimeMs === null));
      const state = stateOf(given, plan);
      if (state === undefined) return;
      assert(given.hasState);
      assertEquals([state.offsets[0]!.offset, state.lineage, state.taskTimeMs], [
        replayFrom,
        plan.lineage,
        plan.taskTimeMs,
      ]);
      assert(state.commitSequence <= plan.commitSequence);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("recoveryPlan() goes live exactly at the committed offset, and only at-least-once above it", () => {
  fc.assert(
    fc.property(input(), (given) => {
      const plan = planOf(given);
      if (plan instanceof StreamError || given.committed === undefined) return;
      assert(plan.liveFrom >= given.committed.offset, "nothing committed is published again");
      if (plan.liveFrom === given.committed.offset) return;
      assert(given.guarantee === "at-least-once" && plan.isCommitNeeded && plan.warnings.length > 0);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("recoveryPlan() takes the greatest usable position: no other one would replay less", () => {
  fc.assert(
    fc.property(input(), (given) => {
      const plan = planOf(given);
      if (plan instanceof StreamError || plan.isLineageNew || !given.hasState || given.committed === undefined) return;
      const all = [
        ...given.checkpoints.map((one) => one.position),
        ...(typeof given.local === "string" ? [] : [given.local]),
      ];
      for (const one of all) {
        const { offset } = one.offsets[0]!;
        const isUsable = one.lineage === plan.lineage && offset >= given.log.logStart && offset <= plan.liveFrom &&
          one.commitSequence <= plan.commitSequence;
        if (isUsable) assert(offset <= plan.replayFrom);
        if (isUsable && offset === plan.replayFrom && one === given.local) {
          assert(one.commitSequence < (stateOf(given, plan)?.commitSequence ?? 0) || plan.candidate.kind === "local");
        }
      }
    }),
    { numRuns: 2_000 },
  );
});
