import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import type { DecisionEntry } from "./decision_entry.ts";
import { DecisionJournal } from "./decision_journal.ts";
import { OpenCommits } from "./open_commits.ts";

const JUMP: DecisionEntry = { offset: 10n, kind: "jump", value: 500 };

function open(): OpenCommits {
  const committed = {
    offset: 10n,
    leaderEpoch: 3,
    sequence: 7,
    taskTimeMs: 100,
    journal: new DecisionJournal(0n, [{ offset: 2n, kind: "jump", value: 50 }]),
  };
  return new OpenCommits(committed);
}

Deno.test("OpenCommits.extend() gathers batches in one commit until it is sealed", () => {
  const commits = open();
  commits.extend({ to: 12n, rows: 2, taskTimeMs: 120, leaderEpoch: 4 });
  const commit = commits.extend({ to: 15n, rows: 1, taskTimeMs: 120 });
  assertEquals(
    [
      commit.sequence,
      commit.from,
      commit.to,
      commit.rows,
      commit.taskTimeBeforeMs,
      commit.taskTimeAfterMs,
      commit.state,
    ],
    [8, 10n, 15n, 3, 100, 120, "open"],
  );
  assertEquals(commits.head.leaderEpoch, 4);
  assertStrictEquals(commits.accumulating, commit);
  assertEquals(commits.seal()?.state, "sealed");
  assertEquals(commits.accumulating, undefined);
  assertEquals(commits.seal(), undefined);
  const next = commits.extend({ to: 15n, rows: 0, taskTimeMs: 130 });
  assertEquals([next.sequence, next.from, next.to], [9, 15n, 15n]);
  assertEquals(commits.commits.map((one) => one.sequence), [8, 9]);
});

Deno.test("OpenCommits.resolveOldest() moves the committed point, in order only", () => {
  const commits = open();
  commits.extend({ to: 12n, rows: 2, taskTimeMs: 120 });
  assertThrows(() => commits.resolveOldest("applied"), InvariantError, "before it was sealed");
  commits.seal();
  commits.extend({ to: 14n, rows: 2, taskTimeMs: 140 });
  assertEquals(commits.resolveOldest("applied").sequence, 8);
  assertEquals([commits.committed.offset, commits.committed.sequence, commits.committed.taskTimeMs], [12n, 8, 120]);
  assertEquals(commits.head.offset, 14n);
  assertThrows(() => commits.resolveOldest("applied"), InvariantError, "commit 9 was resolved before");
  assertThrows(() => open().resolveOldest("applied"), InvariantError, "not open");
});

Deno.test("OpenCommits.abortAll() drops every open commit, newest first, and rewinds to the committed point", () => {
  const commits = open();
  for (const to of [12n, 14n, 16n]) {
    commits.extend({ to, rows: 2, taskTimeMs: 120, decisions: to === 12n ? [JUMP] : [] });
    if (to < 16n) commits.seal();
  }
  const { committed } = commits;
  const { rewindTo, dropped } = commits.abortAll();
  assertStrictEquals(rewindTo, committed);
  assertEquals(dropped.map((one) => one.sequence), [10, 9, 8]);
  assertEquals([commits.head.offset, commits.oldest, commits.head.journal.entries.length], [10n, undefined, 1]);
  assertEquals(commits.extend({ to: 11n, rows: 1, taskTimeMs: 100 }).sequence, 8, "the sequence is used again");
});

Deno.test("OpenCommits.extend() takes decisions along with their commit", () => {
  const commits = open();
  commits.extend({ to: 10n, rows: 0, taskTimeMs: 500, decisions: [JUMP] });
  const commit = commits.extend({
    to: 12n,
    rows: 1,
    taskTimeMs: 500,
    decisions: [{ offset: 11n, kind: "drop", value: 1 }],
  });
  assertEquals(commit.decisions.length, 2);
  assertEquals(commit.after.journal.entries.length, 3);
  assertEquals(commits.committed.journal.entries.length, 1);
  commits.seal();
  commits.resolveOldest("applied");
  assertEquals(commits.committed.journal.entries.length, 3);
});

Deno.test("OpenCommits.extend() never goes back: offset, task time, decisions", () => {
  const extend = (more: Partial<Parameters<OpenCommits["extend"]>[0]>) => () =>
    open().extend({ to: 12n, rows: 1, taskTimeMs: 100, ...more });
  assertThrows(extend({ to: 9n }), InvariantError, "I-08");
  assertThrows(extend({ taskTimeMs: 99 }), InvariantError, "task time");
  assertThrows(extend({ taskTimeMs: null }), InvariantError, "task time");
  assertThrows(extend({ decisions: [{ ...JUMP, offset: 9n }] }), InvariantError, "outside of its commit");
  assertThrows(extend({ decisions: [{ ...JUMP, offset: 13n }] }), InvariantError, "outside of its commit");
  assertThrows(
    extend({ decisions: [{ offset: 12n, kind: "drop", value: 1 }] }),
    InvariantError,
    "outside of its commit",
  );
  extend({ decisions: [{ ...JUMP, offset: 12n }] })();
});

Deno.test("OpenCommits.trimJournal() makes room in every commit, but not past what is committed", () => {
  const commits = open();
  commits.extend({ to: 12n, rows: 2, taskTimeMs: 500, decisions: [JUMP] });
  commits.seal();
  commits.trimJournal(5n);
  assertEquals(commits.committed.journal.entries, []);
  assertEquals(commits.head.journal.entries, [JUMP]);
  commits.resolveOldest("applied");
  assertEquals([commits.committed.journal.from, commits.committed.journal.entries.length], [5n, 1]);
  assertThrows(() => commits.trimJournal(13n), InvariantError, "past the committed offset");
});
