import { assertEquals, assertStringIncludes } from "@std/assert";
import { CommitHistory } from "./commit_history.ts";
import { CommittedOffsets } from "./committed_offsets.ts";
import { metadata, PlayedRun } from "./fixtures_test.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  const history = new CommitHistory(run);
  run.watch(history, new CommittedOffsets(run, history));
  run.fill(20);
  return run;
}

Deno.test("I-08 is kept by commits that follow each other, under both guarantees", () => {
  for (const how of ["commit", "transact"] as const) {
    const run = played();
    run[how]({ offset: 3, metadata: metadata(1) });
    run[how]({ offset: 3, metadata: metadata(2) });
    run[how]({ offset: 9, metadata: metadata(3) });
    run.quiet();
    assertEquals(run.violations, []);
  }
});

Deno.test("I-08: exactly-once, an offset that goes back, a sequence left out and one used twice are found", () => {
  for (const [offset, sequence] of [[2, 2], [5, 3], [5, 1]] as const) {
    const run = played();
    run.transact({ offset: 4, metadata: metadata(1) });
    run.transact({ offset, metadata: metadata(sequence) });
    assertEquals(run.violations.length, 1);
    assertStringIncludes(run.violations[0]!, "I-08 the commits of in:0 of group 'app.in' do not follow each other");
    assertStringIncludes(run.violations[0]!, `found offset ${offset}, sequence ${sequence}`);
  }
});

Deno.test("I-08: an aborted transaction commits nothing", () => {
  const run = played();
  run.transact({ offset: 4, metadata: metadata(1) });
  run.transact({ offset: 8, metadata: metadata(2) }, false);
  run.transact({ offset: 6, metadata: metadata(2) });
  assertEquals(run.violations, []);
});

Deno.test("I-08: at-least-once, a late commit may take the offset back, and the next one has to heal it", () => {
  const healed = played();
  healed.commit({ offset: 4, metadata: metadata(1) });
  healed.commit({ offset: 8, metadata: metadata(2) });
  healed.commit({ offset: 4, metadata: metadata(1) });
  healed.commit({ offset: 9, metadata: metadata(3) });
  healed.quiet();
  assertEquals(healed.violations, []);
  assertEquals(healed.marks, ["a late offset commit has landed"]);

  const left = played();
  left.commit({ offset: 8, metadata: metadata(2) });
  left.commit({ offset: 4, metadata: metadata(1) });
  left.quiet();
  assertStringIncludes(left.violations[0]!, "never healed: expected at least offset 8");

  const wrong = played();
  wrong.commit({ offset: 8, metadata: metadata(2) });
  wrong.commit({ offset: 4, metadata: metadata(3) });
  assertStringIncludes(wrong.violations[0]!, "expected the same offset or above");
});

Deno.test("I-08: another lineage needs a reset, deleted offsets, or a word of the task", () => {
  const other = { lineage: "second" };
  const silent = played();
  silent.commit({ offset: 4, metadata: metadata(1) });
  silent.commit({ offset: 4, metadata: metadata(1, other) });
  assertStringIncludes(silent.violations[0]!, "expected the same lineage, as nobody has reset it");

  const reset = played();
  reset.commit({ offset: 4, metadata: metadata(1) });
  reset.commit({ offset: 0 });
  reset.commit({ offset: 0, metadata: metadata(1, other) });
  const expired = played();
  expired.commit({ offset: 4, metadata: metadata(1) });
  expired.change({ kind: "offsets-deleted", groupId: "app.in", partitions: [["in", 0]] });
  expired.commit({ offset: 2, metadata: metadata(1, other) });
  const told = played();
  told.commit({ offset: 4, metadata: metadata(1) });
  told.log(0, "warn", "The state of in/0 was lost and begins empty, as 'onCrashRecovery' says", { partition: 0 });
  told.commit({ offset: 4, metadata: metadata(1, other) });
  for (const run of [reset, expired, told]) assertEquals(run.violations, []);
});

Deno.test("I-03: no more is committed than a reader can have read", () => {
  const run = played();
  run.commit({ offset: 20, metadata: metadata(1) });
  assertEquals(run.violations, []);
  run.commit({ offset: 21, metadata: metadata(2) });
  assertStringIncludes(run.violations[0]!, "I-03 more of in:0 of group 'app.in' was committed than can be read");
  const excused = played();
  excused.excused.set("in:0", "its log was truncated");
  excused.commit({ offset: 21, metadata: metadata(1) });
  assertEquals(excused.violations, []);
});
