import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import type { DecisionEntry } from "./decision_entry.ts";
import { DecisionJournal, JOURNAL_BYTES_MAX } from "./decision_journal.ts";

const jump = (offset: bigint, value: number): DecisionEntry => ({ offset, kind: "jump", value });
const skip = (offset: bigint, value: number): DecisionEntry => ({ offset, kind: "skip-range", value });
const drop = (offset: bigint, value = 1): DecisionEntry => ({ offset, kind: "drop", value });

function journalOf(...entries: DecisionEntry[]): DecisionJournal {
  return entries.reduce((journal, entry) => journal.with(entry), new DecisionJournal(0n));
}

Deno.test("DecisionJournal.with() collapses jumps at one offset to the last", () => {
  assertEquals(journalOf(jump(5n, 100), jump(5n, 200), jump(6n, 300)).entries, [jump(5n, 200), jump(6n, 300)]);
});

Deno.test("DecisionJournal.with() joins drops of consecutive rows", () => {
  assertEquals(journalOf(drop(5n), drop(6n), drop(8n), drop(9n, 3)).entries, [drop(5n, 2), drop(8n, 4)]);
});

Deno.test("DecisionJournal.with() keeps a drop behind a jump at the same offset", () => {
  assertEquals(journalOf(jump(5n, 100), drop(5n)).entries, [jump(5n, 100), drop(5n)]);
});

Deno.test("DecisionJournal.with() leaves the old journal as it was: undo forgets the new one", () => {
  const before = journalOf(jump(5n, 100));
  before.with(jump(5n, 200));
  assertEquals(before.entries, [jump(5n, 100)]);
});

Deno.test("DecisionJournal.with() refuses to go back, in offset and in task time", () => {
  for (
    const entries of [
      [jump(5n, 100), jump(4n, 200)],
      [jump(5n, 100), jump(6n, 99)],
      [drop(5n), jump(5n, 100)],
      [skip(5n, 3), drop(7n)],
      [drop(5n), drop(5n)],
    ]
  ) assertThrows(() => journalOf(...entries), InvariantError);
  assertThrows(() => new DecisionJournal(3n, [drop(2n)]), InvariantError);
});

Deno.test("DecisionJournal refuses values that mean nothing", () => {
  for (const entry of [jump(0n, NaN), jump(0n, Infinity), drop(0n, 0), skip(0n, 1.5), skip(0n, -1)]) {
    assertThrows(() => journalOf(entry), InvariantError, "cannot have the value");
    assertThrows(() => new DecisionJournal(0n, [entry]), InvariantError, "cannot have the value");
  }
});

Deno.test("DecisionJournal.entriesAt() gives the decisions at exactly one offset", () => {
  const journal = journalOf(jump(5n, 100), drop(5n), jump(7n, 200));
  assertEquals(journal.entriesAt(5n), [jump(5n, 100), drop(5n)]);
  assertEquals(journal.entriesAt(6n), []);
});

Deno.test("DecisionJournal.entriesFrom() gives what a replay still has to take, and a range that reaches into it", () => {
  const journal = journalOf(jump(2n, 100), skip(5n, 4), jump(9n, 200));
  assertEquals(journal.entriesFrom(2n).length, 3);
  assertEquals(journal.entriesFrom(7n), [skip(5n, 4), jump(9n, 200)]);
  assertEquals(journal.entriesFrom(9n), [jump(9n, 200)]);
});

Deno.test("DecisionJournal.entriesFrom() refuses a position that the journal does not reach back to", () => {
  const journal = journalOf(jump(5n, 100)).trimmed(3n);
  assertEquals(journal.entriesFrom(3n), [jump(5n, 100)]);
  assertThrows(() => journal.entriesFrom(2n), InvariantError, "reaches back to 3 only");
});

Deno.test("DecisionJournal.nextOffset() is where a replayed batch must be cut", () => {
  const journal = journalOf(jump(5n, 100), drop(7n));
  assertEquals([4n, 5n, 7n].map((at) => journal.nextOffset(at)), [5n, 7n, undefined]);
});

Deno.test("DecisionJournal.omittedIn() gives dropped and skipped rows, cut to the batch", () => {
  const journal = journalOf(jump(2n, 100), drop(2n, 2), skip(6n, 10));
  assertEquals(journal.omittedIn(0n, 20n), [{ from: 2n, to: 4n }, { from: 6n, to: 16n }]);
  assertEquals(journal.omittedIn(3n, 8n), [{ from: 3n, to: 4n }, { from: 6n, to: 8n }]);
  assertEquals(journal.omittedIn(4n, 6n), []);
});

Deno.test("DecisionJournal.trimmed() forgets what lies below, and keeps the rest of a range", () => {
  const journal = journalOf(jump(2n, 100), drop(3n), skip(5n, 10), jump(20n, 200));
  const trimmed = journal.trimmed(8n);
  assertEquals(trimmed.entries, [skip(8n, 7), jump(20n, 200)]);
  assertEquals(trimmed.from, 8n);
  assertEquals(journal.trimmed(20n).entries, [jump(20n, 200)]);
  assert(trimmed.trimmed(8n) === trimmed && trimmed.trimmed(1n) === trimmed, "a journal grows no longer by trimming");
});

Deno.test("DecisionJournal.canHold() is asked before each entry, so that the bound is never passed", () => {
  let journal = new DecisionJournal(0n);
  let offset = 0n;
  while (journal.canHold(jump(offset, 1_700_000_000_000 + Number(offset) * 60_000))) {
    journal = journal.with(jump(offset, 1_700_000_000_000 + Number(offset) * 60_000));
    offset += 1_000n;
  }
  assert(journal.bytes <= JOURNAL_BYTES_MAX && journal.bytes > JOURNAL_BYTES_MAX - 20);
  assert(journal.entries.length > 200, `only ${journal.entries.length} jumps fit`);
  // A jump at the offset of the last one takes its place, so that an idle input does not fill the journal.
  assert(journal.canHold(jump(offset - 1_000n, 1_700_000_000_001 + Number(offset) * 60_000)));
  assertFalse(journal.canHold(drop(offset)));
  assert(journal.trimmed(offset / 2n).canHold(drop(offset)), "a checkpoint makes room");
});

Deno.test("DecisionJournal.canHold() takes another bound", () => {
  assertFalse(new DecisionJournal(0n).canHold(drop(0n), 3));
  assert(new DecisionJournal(0n).canHold(drop(0n), 4));
});
