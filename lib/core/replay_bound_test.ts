import { assert, assertEquals, assertFalse } from "@std/assert";
import fc from "fast-check";
import { type ReplayBounds, replayDueInMs, type ReplayExposure, replayVerdict } from "./replay_bound.ts";

const BOUNDS: ReplayBounds = {
  stateFlushIntervalMs: 1_000,
  stateFlushBytes: 5_000,
  checkpointIntervalMs: 30_000,
  replayRowsMax: 1_000,
  replayMsMax: 10_000,
};

function verdict(more: Partial<ReplayExposure>) {
  return replayVerdict({
    sinceFlushMs: 0,
    dirtyBytes: 1,
    sinceCheckpointMs: 0,
    rowsSinceCheckpoint: 1,
    processingMsSinceCheckpoint: 1,
    hasNewCommits: true,
    committed: 100n,
    checkpointed: 99n,
    logStart: 0n,
    isJournalFull: false,
    forcedFailures: 0,
    ...more,
  }, BOUNDS);
}

Deno.test("replayVerdict() asks for nothing while every bound is far", () => {
  assertEquals(verdict({}), { isFlushDue: false, checkpoint: "none", reason: undefined, isCommitHeld: false });
});

Deno.test("replayVerdict() flushes by time or size, if there is anything to flush", () => {
  assert(verdict({ sinceFlushMs: 1_000 }).isFlushDue);
  assert(verdict({ dirtyBytes: 5_000 }).isFlushDue);
  assertFalse(verdict({ sinceFlushMs: 999, dirtyBytes: 4_999 }).isFlushDue);
  assertFalse(verdict({ sinceFlushMs: 1_000, dirtyBytes: 0 }).isFlushDue);
  assert(verdict({ sinceFlushMs: 1_000, hasNewCommits: false }).isFlushDue);
});

Deno.test("replayVerdict() takes a checkpoint by time, if anything was committed since the last", () => {
  assertEquals(verdict({ sinceCheckpointMs: 30_000 }).checkpoint, "due");
  assertEquals(verdict({ sinceCheckpointMs: 30_000, hasNewCommits: false }).checkpoint, "none");
});

Deno.test("replayVerdict() forces a checkpoint at each bound of replay, with its reason", () => {
  const forced = (more: Partial<ReplayExposure>) => {
    const { checkpoint, reason, isCommitHeld } = verdict(more);
    assertEquals([checkpoint, isCommitHeld], ["forced", false]);
    return reason;
  };
  assertEquals(forced({ rowsSinceCheckpoint: 1_000 }), "rows");
  assertEquals(forced({ processingMsSinceCheckpoint: 10_000 }), "time");
  assertEquals(forced({ logStart: 50n, checkpointed: 70n }), "log-start");
  assertEquals(forced({ isJournalFull: true }), "journal");
  assertEquals(verdict({ rowsSinceCheckpoint: 999, processingMsSinceCheckpoint: 9_999 }).checkpoint, "none");
});

Deno.test("replayVerdict() is near the log's start when that is no farther than the committed offset", () => {
  assertEquals(verdict({ logStart: 50n, checkpointed: 76n }).checkpoint, "none");
  assertEquals(verdict({ logStart: 50n, checkpointed: 75n }).reason, "log-start");
  assertEquals(verdict({ logStart: 0n, checkpointed: 0n }).checkpoint, "none", "nothing was removed from this log");
  assertEquals(verdict({ logStart: 100n, checkpointed: 100n }).checkpoint, "none", "only time moved");
  assertEquals(verdict({ logStart: 90n, checkpointed: 80n }).reason, "log-start", "already too late, but said");
});

Deno.test("replayVerdict() near a log's start that stands still, forces few checkpoints", () => {
  let checkpointed = 1_000n, forced = 0;
  for (let committed = 1_000n; committed < 100_000n; committed += 10n) {
    const { checkpoint } = verdict({ committed, checkpointed, logStart: 1_000n });
    if (checkpoint !== "forced") continue;
    checkpointed = committed;
    forced++;
  }
  assert(forced > 3 && forced < 20, `${forced} forced checkpoints`);
});

Deno.test("replayVerdict() holds commits when a forced checkpoint fails and the exposure is twice the bound", () => {
  for (
    const more of [
      { rowsSinceCheckpoint: 2_000 },
      { processingMsSinceCheckpoint: 20_000 },
      { committed: 100n, checkpointed: 60n, logStart: 40n },
    ]
  ) {
    assertFalse(verdict(more).isCommitHeld, "the first attempt is still to come");
    assert(verdict({ ...more, forcedFailures: 1 }).isCommitHeld);
  }
  assertFalse(verdict({ rowsSinceCheckpoint: 1_999, forcedFailures: 3 }).isCommitHeld);
  assertFalse(verdict({ rowsSinceCheckpoint: 2_000, forcedFailures: 3, hasNewCommits: false }).isCommitHeld);
});

Deno.test("replayVerdict() never holds commits without forcing a checkpoint", () => {
  const count = fc.nat({ max: 4_000 });
  fc.assert(fc.property(count, count, count, count, count, (rows, ms, committed, behind, room) => {
    const checkpointed = BigInt(committed);
    const { checkpoint, isCommitHeld } = verdict({
      rowsSinceCheckpoint: rows,
      processingMsSinceCheckpoint: ms * 8,
      committed: checkpointed + BigInt(behind),
      checkpointed,
      logStart: checkpointed > BigInt(room) ? checkpointed - BigInt(room) : 0n,
      forcedFailures: 1,
    });
    assert(!isCommitHeld || checkpoint === "forced");
  }));
});

Deno.test("replayDueInMs() is the moment from which something is due by time alone, and not before", () => {
  const ms = fc.integer({ min: 0, max: 40_000 });
  const exposures = fc.record<ReplayExposure>({
    sinceFlushMs: ms,
    dirtyBytes: fc.integer({ min: 0, max: 6_000 }),
    sinceCheckpointMs: ms,
    rowsSinceCheckpoint: fc.integer({ min: 0, max: 1_100 }),
    processingMsSinceCheckpoint: ms,
    hasNewCommits: fc.boolean(),
    committed: fc.constant(100n),
    checkpointed: fc.constant(99n),
    logStart: fc.constantFrom(0n, 10n, 98n),
    isJournalFull: fc.boolean(),
    forcedFailures: fc.constant(0),
  });
  const isDueAfter = (exposure: ReplayExposure, passedMs: number): boolean => {
    const { isFlushDue, checkpoint } = replayVerdict({
      ...exposure,
      sinceFlushMs: exposure.sinceFlushMs + passedMs,
      sinceCheckpointMs: exposure.sinceCheckpointMs + passedMs,
      processingMsSinceCheckpoint: exposure.processingMsSinceCheckpoint + passedMs,
    }, BOUNDS);
    return isFlushDue || checkpoint !== "none";
  };
  fc.assert(fc.property(exposures, (exposure) => {
    const dueInMs = replayDueInMs(exposure, BOUNDS);
    if (dueInMs === Infinity) return assertFalse(isDueAfter(exposure, 1e9));
    assert(isDueAfter(exposure, dueInMs));
    if (dueInMs > 0) assertFalse(isDueAfter(exposure, dueInMs - 1));
  }));
});
