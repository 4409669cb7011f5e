import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  CheckpointIncompatibleError,
  OffsetOutOfRangeError,
  RecoveryImpossibleError,
  type StreamError,
} from "../base/errors.ts";
import { type CommitMetadata, encodeCommitMetadata } from "./commit_metadata.ts";
import { witnessOf } from "./commit_witness.ts";
import type { DecisionEntry } from "./decision_entry.ts";
import { DecisionJournal } from "./decision_journal.ts";
import type { TaskPosition } from "./position.ts";
import type { RecoveryInput } from "./recovery_input.ts";
import { recoveryPlan } from "./recovery_plan.ts";

const IN = { topic: "in", partition: 0 };
const JUMP: DecisionEntry = { offset: 60n, kind: "jump", value: 777 };

/** A position whose sequence is a tenth of its offset, unless given. */
function at(offset: bigint, more: Partial<TaskPosition> = {}): TaskPosition {
  return {
    offsets: [{ ...IN, offset, leaderEpoch: 5 }],
    taskTimeMs: Number(offset) * 10,
    commitSequence: Number(offset) / 10,
    lineage: "L",
    origin: 0n,
    ownerToken: 3,
    journal: new DecisionJournal(0n, offset > JUMP.offset ? [JUMP] : []),
    ...more,
  };
}

function committed(offset: bigint, more: Partial<CommitMetadata> = {}) {
  const metadata = encodeCommitMetadata({
    lineage: "L",
    origin: 0n,
    ownerToken: 3,
    commitSequence: Number(offset) / 10,
    taskTimeMs: Number(offset) * 10,
    journal: new DecisionJournal(0n, [JUMP]),
    transactionalId: null,
    ...more,
  });
  return { offset, metadata };
}

/** A task committed at 100, of a log [0, 200], with nothing else; change what the rule is about. */
function plan(more: Partial<RecoveryInput> = {}) {
  return recoveryPlan({
    task: "sums/0",
    guarantee: "exactly-once",
    committed: committed(100n),
    log: { ...IN, logStart: 0n, logEnd: 200n },
    local: "absent",
    checkpoints: [],
    damagedCheckpoints: 0,
    hasState: true,
    onCrashRecovery: "fail",
    topicId: "id-1",
    startOffset: 150n,
    newLineage: "N",
    ownerToken: 4,
    ...more,
  });
}

const candidates = (...positions: TaskPosition[]) => positions.map((position, i) => ({ id: `c${i}`, position }));
const log = (logStart: bigint, logEnd = 200n) => ({ ...IN, logStart, logEnd });
const GUARANTEES = ["at-least-once", "exactly-once"] as const;

for (const guarantee of GUARANTEES) {
  Deno.test(`recoveryPlan(), ${guarantee}: the greatest position at or below the committed offset, live there`, () => {
    const found = plan({ guarantee, local: at(40n), checkpoints: candidates(at(70n), at(90n), at(20n)) });
    assertEquals(found.candidate, { kind: "checkpoint", id: "c1" });
    assertEquals([found.replayFrom, found.liveFrom, found.isCommitNeeded], [90n, 100n, false]);
    assertEquals([found.taskTimeMs, found.taskTimeAtLiveMs], [900, 1_000]);
    assertEquals([found.lineage, found.isLineageNew, found.commitSequence, found.ownerToken], ["L", false, 10, 4]);
    assertEquals(found.witness, witnessOf(committed(100n)));
    assertEquals(found.journal.entries, [JUMP]);
    assertEquals(found.warnings, []);
  });

  Deno.test(`recoveryPlan(), ${guarantee}: of equal positions the local store, then the newest owner's checkpoint`, () => {
    const two = candidates(at(90n, { ownerToken: 2 }), at(90n, { ownerToken: 9 }), at(90n, { ownerToken: 1 }));
    assertEquals(plan({ guarantee, local: at(90n), checkpoints: two }).candidate, { kind: "local" });
    assertEquals(plan({ guarantee, checkpoints: two }).candidate, { kind: "checkpoint", id: "c1" });
  });

  Deno.test(`recoveryPlan(), ${guarantee}: of equal offsets the greater commit sequence, as time may have moved alone`, () => {
    const checkpoints = candidates(at(90n, { commitSequence: 10 }));
    assertEquals(plan({ guarantee, local: at(90n), checkpoints }).candidate.kind, "checkpoint");
  });

  Deno.test(`recoveryPlan(), ${guarantee}: other lineages are not restored`, () => {
    const found = plan({ guarantee, local: at(90n, { lineage: "K" }), checkpoints: candidates(at(30n)) });
    assertEquals([found.candidate.kind, found.replayFrom], ["checkpoint", 30n]);
  });

  Deno.test(`recoveryPlan(), ${guarantee}: empty state at the origin is a candidate while log and journal reach it`, () => {
    const found = plan({ guarantee });
    assertEquals([found.candidate.kind, found.replayFrom, found.liveFrom, found.taskTimeMs], ["empty", 0n, 100n, null]);
    assertEquals([found.isLineageNew, found.lineage], [false, "L"]);
    assertThrows(() => plan({ guarantee, log: log(1n) }), RecoveryImpossibleError);
    const journal = new DecisionJournal(50n, [JUMP]);
    assertThrows(() => plan({ guarantee, committed: committed(100n, { journal }) }), RecoveryImpossibleError);
  });

  Deno.test(`recoveryPlan(), ${guarantee}: positions below the journal's start or the log's start are passed over`, () => {
    const journal = new DecisionJournal(50n, [JUMP]);
    const checkpoints = candidates(at(30n), at(50n));
    assertEquals(plan({ guarantee, committed: committed(100n, { journal }), checkpoints }).replayFrom, 50n);
    assertThrows(
      () => plan({ guarantee, committed: committed(100n, { journal }), checkpoints: candidates(at(30n)) }),
      RecoveryImpossibleError,
    );
    assertEquals(plan({ guarantee, log: log(40n), local: at(30n), checkpoints }).replayFrom, 50n);
  });

  Deno.test(`recoveryPlan(), ${guarantee}: a state whose replay is no longer in the log stops loudly`, () => {
    assertThrows(() => plan({ guarantee, log: log(60n), local: at(50n) }), OffsetOutOfRangeError, "[60, 200]");
  });

  Deno.test(`recoveryPlan(), ${guarantee}: a committed offset outside of the log is never reset silently`, () => {
    for (const onCrashRecovery of ["fail", "rebuild-from-earliest", "resume-empty"] as const) {
      for (const hasState of [true, false]) {
        const more = { guarantee, onCrashRecovery, hasState, local: at(100n) };
        assertThrows(() => plan({ ...more, log: log(101n) }), OffsetOutOfRangeError, "committed offset 100");
        assertThrows(() => plan({ ...more, log: log(0n, 99n) }), OffsetOutOfRangeError, "committed offset 100");
      }
    }
  });

  Deno.test(`recoveryPlan(), ${guarantee}: without state nothing is restored or replayed`, () => {
    const found = plan({ guarantee, hasState: false, local: at(40n), log: log(90n) });
    assertEquals([found.candidate.kind, found.replayFrom, found.liveFrom], ["empty", 100n, 100n]);
    assertEquals([found.taskTimeMs, found.isCommitNeeded, found.lineage], [1_000, false, "L"]);
  });

  Deno.test(`recoveryPlan(), ${guarantee}: rebuild-from-earliest replays the whole log into a new lineage`, () => {
    const found = plan({ guarantee, log: log(50n), local: "corrupt", onCrashRecovery: "rebuild-from-earliest" });
    assertEquals([found.candidate.kind, found.replayFrom, found.liveFrom], ["empty", 50n, 100n]);
    assertEquals([found.lineage, found.isLineageNew, found.origin, found.commitSequence], ["N", true, 50n, 0]);
    assertEquals([found.isCommitNeeded, found.taskTimeMs, found.taskTimeAtLiveMs], [true, null, undefined]);
    assertEquals([found.journal.from, found.journal.entries], [50n, [JUMP]]);
    assertEquals(found.warnings.length, 2);
    assert(found.warnings[1]!.includes("rebuilt from offset 50"));
  });

  Deno.test(`recoveryPlan(), ${guarantee}: resume-empty begins a new lineage at the committed offset and keeps task time`, () => {
    const found = plan({ guarantee, log: log(50n), onCrashRecovery: "resume-empty" });
    assertEquals([found.replayFrom, found.liveFrom, found.origin, found.lineage], [100n, 100n, 100n, "N"]);
    assertEquals(found.journal.entries, [{ offset: 100n, kind: "jump", value: 1_000 }]);
    const timeless = committed(100n, { taskTimeMs: null });
    assertEquals(
      plan({ guarantee, committed: timeless, log: log(50n), onCrashRecovery: "resume-empty" }).journal.entries,
      [],
    );
  });

  Deno.test(`recoveryPlan(), ${guarantee}: lost state without an option stops, and the message names what was found`, () => {
    const error = assertThrows(() => plan({ guarantee, log: log(50n), local: "corrupt" }), RecoveryImpossibleError);
    assertEquals(
      error.message,
      "Cannot recover sums/0 as neither its local store nor a usable checkpoint reaches the committed offset 100 (log [50, " +
        "200], 0 checkpoints, local store corrupt): set 'onCrashRecovery' to \"rebuild-from-earliest\" or " +
        '"resume-empty", or restore the checkpoints: current value is "fail"',
    );
    assertEquals((error as StreamError).context.committed, 100n);
  });

  Deno.test(`recoveryPlan(), ${guarantee}: state of another input stops`, () => {
    const other = at(90n, { offsets: [{ topic: "other", partition: 2, offset: 90n, leaderEpoch: 0 }] });
    assertThrows(
      () => plan({ guarantee, local: other }),
      CheckpointIncompatibleError,
      "the local store is of another input",
    );
    assertThrows(
      () => plan({ guarantee, checkpoints: candidates(other) }),
      CheckpointIncompatibleError,
      "found other-2",
    );
  });

  Deno.test(`recoveryPlan(), ${guarantee}: state of a topic that was created again stops, when it would be used`, () => {
    const stale = at(90n, { offsets: [{ ...IN, offset: 90n, leaderEpoch: 5, topicId: "id-0" }] });
    const error = assertThrows(() => plan({ guarantee, local: stale }), CheckpointIncompatibleError, "id-1");
    assert(error.message.startsWith("Cannot use the local store of sums/0: 'topics[in].topicId'"), error.message);
    const context = { task: "sums/0", field: "topics[in].topicId", expected: "id-1", found: "id-0" };
    assertEquals((error as StreamError).context, context);
    assertThrows(
      () => plan({ guarantee, local: at(90n), checkpoints: candidates(stale) }),
      CheckpointIncompatibleError,
      "checkpoint c0",
    );
    const foreign = at(90n, { lineage: "K", offsets: stale.offsets });
    assertEquals(plan({ guarantee, local: foreign, checkpoints: candidates(at(30n)) }).replayFrom, 30n);
    const reset = plan({ guarantee, committed: { offset: 0n, metadata: "" }, local: stale });
    assertEquals([reset.candidate.kind, reset.liveFrom, reset.lineage], ["empty", 0n, "N"]);
  });

  Deno.test(`recoveryPlan(), ${guarantee}: state of the present topic, or of one that is not known, is used`, () => {
    const other = { topic: "rates", partition: 0, offset: 1n, leaderEpoch: 0, topicId: "id-9" };
    for (const known of [{}, { topicId: "id-1" }]) {
      const local = at(90n, { offsets: [{ ...IN, offset: 90n, leaderEpoch: 5, ...known }, other] });
      assertEquals(plan({ guarantee, local }).candidate.kind, "local");
    }
  });

  Deno.test(`recoveryPlan(), ${guarantee}: a fresh task starts where it is told, and commits that at once`, () => {
    for (const hasState of [true, false]) {
      const found = plan({ guarantee, committed: undefined, hasState });
      assertEquals([found.candidate.kind, found.replayFrom, found.liveFrom, found.origin], ["empty", 150n, 150n, 150n]);
      assertEquals([found.lineage, found.isLineageNew, found.isCommitNeeded, found.taskTimeMs], [
        "N",
        true,
        true,
        null,
      ]);
      assertEquals(found.witness, { offset: null, text: "" });
      assertEquals(found.warnings, []);
    }
  });

  Deno.test(`recoveryPlan(), ${guarantee}: metadata of a newer version stops`, () => {
    const newer = { offset: 100n, metadata: "turbine:3:whatever" };
    assertThrows(
      () => plan({ guarantee, committed: newer, local: at(100n) }),
      CheckpointIncompatibleError,
      "newer version",
    );
  });

  Deno.test(`recoveryPlan(), ${guarantee}: an operator's reset begins a new lineage without task time`, () => {
    for (const metadata of ["", "reset by hand"]) {
      const reset = { offset: 80n, metadata };
      for (const more of [{}, { hasState: false, local: at(90n) }, { local: at(90n), log: log(80n) }]) {
        const found = plan({ guarantee, committed: reset, ...more });
        assertEquals([found.candidate.kind, found.replayFrom, found.liveFrom, found.origin], ["empty", 80n, 80n, 80n]);
        assertEquals([found.lineage, found.taskTimeMs, found.isCommitNeeded], ["N", null, true]);
        assertEquals(found.witness, { offset: 80n, text: metadata });
        assert(found.warnings[0]!.includes("was set by somebody else"));
      }
    }
  });

  Deno.test(`recoveryPlan(), ${guarantee}: a reset into the middle of the log, with state, is the option's to decide`, () => {
    const reset = { offset: 80n, metadata: "" };
    for (const local of [at(80n), "corrupt" as const]) {
      assertThrows(() => plan({ guarantee, committed: reset, local }), RecoveryImpossibleError, "onCrashRecovery");
    }
    const rebuilt = plan({ guarantee, committed: reset, local: at(80n), onCrashRecovery: "rebuild-from-earliest" });
    assertEquals([rebuilt.replayFrom, rebuilt.liveFrom, rebuilt.journal.entries.length], [0n, 80n, 0]);
    const empty = plan({ guarantee, committed: reset, local: at(80n), onCrashRecovery: "resume-empty" });
    assertEquals([empty.replayFrom, empty.liveFrom, empty.journal.entries.length], [80n, 80n, 0]);
  });
}

Deno.test("recoveryPlan(), exactly-once: a store ahead of the committed offset is never used (I-03)", () => {
  for (const ahead of [at(110n), at(100n, { commitSequence: 11 })]) {
    const found = plan({ local: ahead, checkpoints: candidates(at(120n), at(60n)) });
    assertEquals([found.candidate, found.liveFrom], [{ kind: "checkpoint", id: "c1" }, 100n]);
    assertEquals(found.warnings.length, 1);
    assert(found.warnings[0]!.includes("ahead of the committed offset"));
  }
});

Deno.test("recoveryPlan(), at-least-once: a state ahead of the committed offset is legal: live there, commit again", () => {
  const journal = new DecisionJournal(0n, [JUMP, { offset: 105n, kind: "jump", value: 1_055 }]);
  for (const ahead of [at(110n, { journal }), at(100n, { journal, commitSequence: 11 })]) {
    const found = plan({ guarantee: "at-least-once", local: ahead, checkpoints: candidates(at(60n)) });
    const offset = ahead.offsets[0]!.offset;
    assertEquals([found.candidate.kind, found.replayFrom, found.liveFrom], ["local", offset, offset]);
    assertEquals([found.isCommitNeeded, found.commitSequence, found.leaderEpoch], [true, 11, 5]);
    assertEquals(found.journal, journal, "the group's journal is older");
    assertEquals([found.taskTimeMs, found.taskTimeAtLiveMs], [ahead.taskTimeMs, ahead.taskTimeMs]);
    assert(found.warnings[0]!.includes("committing it again"));
  }
});

Deno.test("recoveryPlan(), at-least-once: a state above the log's end is not used", () => {
  const found = plan({ guarantee: "at-least-once", local: at(210n), checkpoints: candidates(at(60n)) });
  assertEquals(found.replayFrom, 60n);
});

Deno.test("recoveryPlan(), at-least-once: without a committed offset it goes on from the newest owner's lineage, loudly", () => {
  const checkpoints = candidates(
    at(120n, { lineage: "K", ownerToken: 2 }),
    at(90n),
    at(95n, { ownerToken: 1, commitSequence: 10 }),
    at(210n),
  );
  const found = plan({ guarantee: "at-least-once", committed: undefined, local: "corrupt", checkpoints });
  assertEquals([found.candidate, found.replayFrom, found.liveFrom], [{ kind: "checkpoint", id: "c2" }, 95n, 95n]);
  assertEquals([found.lineage, found.isLineageNew, found.isCommitNeeded, found.leaderEpoch], ["L", false, true, 5]);
  assertEquals([found.commitSequence, found.taskTimeMs, found.taskTimeAtLiveMs, found.origin], [10, 950, 950, 0n]);
  assertEquals(found.warnings.length, 2);
  assert(found.warnings[1]!.includes("no committed offset"));
});

Deno.test("recoveryPlan(), at-least-once: without a committed offset, state of a topic that was created again is not gone on from", () => {
  const local = at(90n, { offsets: [{ ...IN, offset: 90n, leaderEpoch: 5, topicId: "id-0" }] });
  const more = { guarantee: "at-least-once", committed: undefined, local } as const;
  assertThrows(() => plan(more), CheckpointIncompatibleError, "is id-0");
  for (const [onCrashRecovery, liveFrom] of [["rebuild-from-earliest", 0n], ["resume-empty", 150n]] as const) {
    const found = plan({ ...more, onCrashRecovery });
    assertEquals([found.candidate.kind, found.liveFrom, found.lineage], ["empty", liveFrom, "N"]);
  }
});

Deno.test("recoveryPlan(), exactly-once: without a committed offset, state stops it unless the option says otherwise", () => {
  for (const more of [{ local: at(90n) }, { checkpoints: candidates(at(90n)) }, { local: "corrupt" as const }]) {
    assertThrows(() => plan({ committed: undefined, ...more }), RecoveryImpossibleError, "no committed offset");
    const rebuilt = plan({ committed: undefined, ...more, log: log(50n), onCrashRecovery: "rebuild-from-earliest" });
    assertEquals([rebuilt.replayFrom, rebuilt.liveFrom, rebuilt.lineage], [50n, 50n, "N"]);
    const empty = plan({ committed: undefined, ...more, onCrashRecovery: "resume-empty" });
    assertEquals([empty.replayFrom, empty.liveFrom, empty.lineage], [150n, 150n, "N"]);
    assert(empty.warnings.at(-1)!.includes("starting anew at 150"));
  }
});

for (const guarantee of GUARANTEES) {
  Deno.test(`recoveryPlan(), ${guarantee}: damaged checkpoints alone are a sign of state, too`, () => {
    const lost = { guarantee, damagedCheckpoints: 2 } as const;
    assertThrows(() => plan({ ...lost, committed: undefined }), RecoveryImpossibleError, "0 checkpoints, 2 damaged");
    assertThrows(() => plan({ ...lost, committed: { offset: 100n, metadata: "" } }), RecoveryImpossibleError);
    assertEquals(plan({ ...lost, committed: undefined, hasState: false }).liveFrom, 150n);
    const rebuilt = plan({ ...lost, committed: undefined, onCrashRecovery: "rebuild-from-earliest" });
    assertEquals([rebuilt.candidate.kind, rebuilt.liveFrom, rebuilt.lineage], ["empty", 0n, "N"]);
    assertEquals(plan({ guarantee, committed: undefined, damagedCheckpoints: 0 }).liveFrom, 150n);
  });
}

Deno.test("recoveryPlan(), at-least-once: without a committed offset and with its states outside of the log, it stops", () => {
  const more = { guarantee: "at-least-once", committed: undefined, local: at(40n), log: log(50n) } as const;
  assertThrows(() => plan(more), OffsetOutOfRangeError, "every position of its state");
  assertEquals(plan({ ...more, onCrashRecovery: "resume-empty" }).liveFrom, 150n);
  assertThrows(() => plan({ ...more, local: "corrupt" }), RecoveryImpossibleError);
});
