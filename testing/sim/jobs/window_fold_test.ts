import { assertEquals } from "@std/assert";
import { encodeCommitMetadata } from "../../../lib/core/commit_metadata.ts";
import { DecisionJournal } from "../../../lib/core/decision_journal.ts";
import { TimeJumps } from "./time_jumps.ts";
import { type ClosedWindow, WindowFold } from "./window_fold.ts";

const LENGTHS = { sizeMs: 10, allowedLatenessMs: 5, outOfOrdernessMs: 3 };

function folded(times: readonly (number | { jump: number } | { dropped: number })[]): [string[], number] {
  const closed: string[] = [];
  const fold = new WindowFold(
    LENGTHS,
    (each: ClosedWindow) => closed.push(`${each.key}@${each.startMs}:${each.count}`),
  );
  for (const [offset, time] of times.entries()) {
    if (typeof time === "number") fold.record({ offset, eventTimeMs: time, key: "a" });
    else if ("jump" in time) fold.jump(time.jump);
    else fold.record({ offset, eventTimeMs: time.dropped, key: undefined });
  }
  return [closed, fold.lateRows];
}

Deno.test("WindowFold closes a window when the watermark has passed its end and the lateness", () => {
  assertEquals(folded([1, 2, 17]), [[], 0]);
  assertEquals(folded([1, 2, 18]), [["a@0:2"], 0]);
  assertEquals(folded([1, 18, 28, { jump: 100 }]), [["a@0:1", "a@10:1", "a@20:1"], 0]);
});

Deno.test("WindowFold judges lateness by the time before a row, and by rows that are dropped", () => {
  assertEquals(folded([1, 17, 2, { jump: 18 }]), [["a@0:2"], 0]);
  assertEquals(folded([1, 18, 2]), [["a@0:1"], 1]);
  assertEquals(folded([{ dropped: 18 }, 2]), [[], 1]);
  // A row may come in time by itself: time moves after it.
  assertEquals(folded([500]), [[], 0]);
});

Deno.test("WindowFold lets time jump forward only, and negative times have windows too", () => {
  assertEquals(folded([1, { jump: 18 }, { jump: 5 }, 2]), [["a@0:1"], 1]);
  assertEquals(folded([-1, 8]), [["a@-10:1"], 0]);
});

function metadata(from: number, ...jumps: readonly (readonly [number, number])[]): string {
  const entries = jumps.map(([offset, value]) => ({ offset: BigInt(offset), kind: "jump" as const, value }));
  return encodeCommitMetadata({
    lineage: "a",
    origin: 0n,
    ownerToken: 1,
    commitSequence: 7,
    taskTimeMs: 1,
    journal: new DecisionJournal(BigInt(from), entries),
    transactionalId: null,
  });
}

function taken(jumps: TimeJumps): [number, number][] {
  const found: [number, number][] = [];
  for (let next = jumps.next; next !== undefined; next = jumps.next) {
    found.push([next.offset, next.taskTimeMs]);
    jumps.take();
  }
  return found;
}

Deno.test("TimeJumps remembers what the journals of later commits leave out", () => {
  const jumps = new TimeJumps();
  jumps.commit(metadata(0, [1, 10], [3, 30]));
  assertEquals(taken(jumps), [[1, 10], [3, 30]]);
  jumps.commit(metadata(2, [3, 30], [4, 40]));
  assertEquals(taken(jumps), [[4, 40]]);
  jumps.commit("");
  jumps.rewind();
  assertEquals(taken(jumps), [[1, 10], [3, 30], [4, 40]]);
});

Deno.test("TimeJumps takes a jump again that has grown, and forgets those that were taken back", () => {
  const jumps = new TimeJumps();
  jumps.commit(metadata(0, [3, 30]));
  assertEquals(taken(jumps), [[3, 30]]);
  jumps.commit(metadata(0, [3, 35]));
  assertEquals(taken(jumps), [[3, 35]]);
  jumps.commit(metadata(0));
  jumps.rewind();
  assertEquals(taken(jumps), []);
});
