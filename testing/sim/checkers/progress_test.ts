import { assertEquals, assertStringIncludes } from "@std/assert";
import { CommitHistory } from "./commit_history.ts";
import { metadata, PlayedRun } from "./fixtures_test.ts";
import { Progress } from "./progress.ts";
import { SeamHandles } from "./seam_handles.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  const history = new CommitHistory(run);
  const handles = new SeamHandles();
  run.watch(history, handles, new Progress(run, { history, handles }));
  run.join(0);
  return run;
}

const ID = { transactionalId: "writer" };

/** A transaction that is opened, and aborted or left open. */
function write(run: PlayedRun, isEnded: boolean): void {
  const { cluster } = run.broker;
  const times = run.broker.times();
  const reply = cluster.initializeTransactions({ ...ID, timeoutMs: 60_000 }, times);
  if (reply.kind === "refused") throw new Error(reply.message);
  const identity = { ...ID, ...reply.value };
  cluster.addTransactionPartitions({ ...identity, partitions: [["in", 0]] }, times);
  if (isEnded) cluster.endTransaction({ ...identity, isCommit: false }, times);
}

Deno.test("I-24 is kept when all records are committed, also behind control records and in excused partitions", () => {
  const run = played();
  run.fill(5);
  run.fill(3, 1);
  run.excused.set("in:1", "its topic was deleted");
  run.commit({ offset: 5, metadata: metadata(1) });
  write(run, true);
  run.quiet();
  assertEquals(run.violations, []);
});

Deno.test("I-24: records that nobody has processed are found", () => {
  const run = played();
  run.fill(5);
  run.quiet();
  assertStringIncludes(run.violations[0]!, "I-24 records of in:0 of group 'app.in' are not processed");
  run.commit({ offset: 4, metadata: metadata(1) });
  run.quiet();
  assertStringIncludes(run.violations[1]!, "found 4; the log holds [0, 5)");
});

Deno.test("I-24: a transaction that nobody has finished is found", () => {
  const run = played();
  write(run, false);
  run.quiet();
  assertEquals(run.violations, [
    "I-24 the transaction of 'writer' is not finished: expected none to be open when all is quiet, found Ongoing",
  ]);
});
