import { assert, assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import { DecisionJournal } from "../core/decision_journal.ts";
import { recordsOf } from "../../testing/record_rows.ts";
import { OpenWork } from "./open_work.ts";

/** A state that remembers what it was told. */
function work() {
  const told: string[] = [];
  const state = {
    begin: () => void told.push("begin"),
    applyOldest: () => void told.push("apply"),
    abortAll: () => void told.push("abort"),
  };
  const journal = new DecisionJournal(0n);
  return { told, work: new OpenWork(state, { offset: 10n, leaderEpoch: 1, sequence: 4, taskTimeMs: null, journal }) };
}

const rows = (to: bigint, count: number) => ({ to, rows: count, taskTimeMs: null });
const records = recordsOf([{ key: "k", value: "value", timestampMs: 1 }]);

Deno.test("OpenWork.begin() opens one layer of state and one set of outputs for each commit", () => {
  const { work: open, told } = work();
  const outputs = open.begin();
  open.extend(rows(12n, 2));
  assert(open.begin() === outputs, "the same commit takes another batch");
  open.extend(rows(15n, 3));
  assertEquals([told, open.rows, open.head.offset, open.committed.offset], [["begin"], 5, 15n, 10n]);
  const sealed = open.seal()!;
  assert(sealed.outputs === outputs && sealed.commit.sequence === 5);
  assert(open.begin() !== outputs, "what comes after a seal is another commit");
  open.extend(rows(16n, 1));
  assertEquals([told, open.rows], [["begin", "begin"], 6]);
});

Deno.test("OpenWork.bytes counts outputs until their commit has happened", () => {
  const { work: open } = work();
  open.begin().add({ topic: "out", partitions: 0, records });
  open.extend(rows(11n, 1));
  assertEquals(open.bytes, records.values.bytes.length);
  open.seal();
  open.apply(5);
  assertEquals([open.bytes, open.rows, open.committed.offset, open.oldest], [0, 0, 11n, undefined]);
});

Deno.test("OpenWork.apply() takes commits in their order only", () => {
  const { work: open, told } = work();
  for (const to of [11n, 12n]) {
    open.begin();
    open.extend(rows(to, 1));
    open.seal();
  }
  assertThrows(() => open.apply(6), InvariantError, "I-03: commit 6 was applied out of order");
  assertEquals(told, ["begin", "begin"], "state was not touched");
});

Deno.test("OpenWork.abortAll() drops commits, outputs and layers together, once", () => {
  const { work: open, told } = work();
  assertEquals(open.abortAll(), undefined);
  open.begin().add({ topic: "out", partitions: 0, records });
  open.extend(rows(11n, 1));
  open.seal();
  open.begin();
  open.extend(rows(12n, 1));
  assertEquals(open.abortAll()?.offset, 10n);
  assertEquals([told, open.bytes, open.rows, open.oldest], [["begin", "begin", "abort"], 0, 0, undefined]);
  assertEquals(open.abortAll(), undefined);
});

Deno.test("OpenWork.extend() refuses a batch whose commit was sealed while it was processed", () => {
  const { work: open } = work();
  assertThrows(() => open.extend(rows(11n, 1)), InvariantError, "begun before it was processed");
  open.begin();
  open.extend(rows(11n, 1));
  open.seal();
  assertThrows(() => open.extend(rows(12n, 1)), InvariantError, "begun before it was processed");
});

Deno.test("OpenWork.trimJournal() forgets what lies below, in what is open too", () => {
  const { work: open } = work();
  open.begin();
  open.extend({ ...rows(12n, 2), decisions: [{ offset: 10n, kind: "jump", value: 5 }], taskTimeMs: 5 });
  open.trimJournal(7n);
  assertEquals([open.committed.journal.from, open.head.journal.from, open.head.journal.entries.length], [7n, 7n, 1]);
});
