import { assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import { BrokerTimeoutError } from "../base/errors.ts";
import { applied, type Outcome, unknown } from "../base/outcome.ts";
import type { CommitReplies, CommittingTask, GroupReading } from "./commit_commands.ts";
import { CommitProtocol, type CommitVariant } from "./commit_protocol.ts";
import { witnessOf } from "./commit_witness.ts";
import { DecisionJournal } from "./decision_journal.ts";
import { OpenCommits } from "./open_commits.ts";

const AFTER = { offset: 5n, text: "the commit" };
const TASK: CommittingTask = {
  id: "a",
  lineage: "L",
  sequence: 1,
  from: 0n,
  to: 5n,
  before: witnessOf(undefined),
  after: AFTER,
};
const FENCE = { groupId: "g", generation: 1, memberId: "m", instanceId: null };

/** The first commit of a group: its outcome stays unknown, and what the group holds decides. */
function firstCommit(reading: GroupReading, variant?: CommitVariant): string {
  const protocol = new CommitProtocol("transactional", variant === undefined ? {} : { variant });
  protocol.start([TASK]);
  for (;;) {
    const command = protocol.next();
    if (command.kind === "done") return command.result.kind;
    const values: Partial<Record<keyof CommitReplies, Outcome<unknown>>> = {
      "begin": applied(FENCE),
      "end-transaction": unknown(new BrokerTimeoutError("No answer")),
      "read-group-offset": applied([reading]),
    };
    protocol.report(command.kind, (values[command.kind] ?? applied()) as Outcome<never>);
  }
}

Deno.test("CommitProtocol: the first commit of a group is known to be missing when the group still has no offset", () => {
  assertEquals(firstCommit(undefined), "aborted");
  assertEquals(firstCommit(undefined, { witness: "offset-reached-to" }), "aborted");
});

Deno.test("CommitProtocol: an offset that is not where it was is no witness, least of all when there never was one", () => {
  assertEquals(
    firstCommit(undefined, { witness: "offset-left-from" }),
    "committed",
    "the hole that this variant shows",
  );
});

Deno.test("CommitProtocol is created with a whole number of attempts only", () => {
  for (const attemptsMax of [0, 1.5, NaN, Infinity]) {
    assertThrows(() => new CommitProtocol("plain", { attemptsMax }), RangeError, `current value is ${attemptsMax}`);
  }
});

Deno.test("OpenCommits.resolveOldest() takes nothing but a commit that was applied (I-03)", () => {
  const committed = { offset: 0n, leaderEpoch: 1, sequence: 0, taskTimeMs: null, journal: new DecisionJournal(0n) };
  const commits = new OpenCommits(committed);
  commits.extend({ to: 5n, rows: 5, taskTimeMs: 1 });
  commits.seal();
  for (const outcome of ["unknown", "not-applied"]) {
    assertThrows(() => commits.resolveOldest(outcome as "applied"), InvariantError, `I-03: a commit joins`);
  }
  assertEquals([commits.committed.offset, commits.resolveOldest("applied").to], [0n, 5n]);
});

Deno.test("OpenCommits.extend() takes no more rows than there are offsets", () => {
  const committed = { offset: 0n, leaderEpoch: 1, sequence: 0, taskTimeMs: null, journal: new DecisionJournal(0n) };
  const commits = new OpenCommits(committed);
  assertThrows(
    () => commits.extend({ to: 5n, rows: 6, taskTimeMs: 1 }),
    InvariantError,
    "6 rows do not stand in 5 offsets",
  );
  assertThrows(() => commits.extend({ to: 5n, rows: -1, taskTimeMs: 1 }), InvariantError, "-1 rows");
  assertEquals(commits.extend({ to: 5n, rows: 5, taskTimeMs: 1 }).rows, 5);
});
