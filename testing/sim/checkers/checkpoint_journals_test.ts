import { assertEquals, assertStringIncludes } from "@std/assert";
import { CheckpointBook } from "./checkpoint_book.ts";
import { CheckpointJournals } from "./checkpoint_journals.ts";
import { CommitHistory } from "./commit_history.ts";
import { loseObject, metadata, PlayedRun, writeCheckpoint } from "./fixtures_test.ts";

function played(retainedCheckpoints = 2): PlayedRun {
  const run = new PlayedRun();
  run.options = { ...run.options, retainedCheckpoints };
  const history = new CommitHistory(run);
  const book = new CheckpointBook(run);
  run.watch(history, book, new CheckpointJournals(run, { book, history }));
  run.fill(20);
  return run;
}

Deno.test("I-18 is kept by a journal that reaches back to the oldest checkpoint that is retained", async () => {
  const run = played();
  await writeCheckpoint(run, { sequence: 1, offset: 2 });
  await writeCheckpoint(run, { sequence: 2, offset: 4 });
  await writeCheckpoint(run, { sequence: 3, offset: 6 });
  run.commit({ offset: 8, metadata: metadata(4, { journalFrom: 4n }) });
  assertEquals(run.violations, []);
});

Deno.test("I-18: a journal that begins at the newest checkpoint alone is found", async () => {
  const run = played();
  const { name } = await writeCheckpoint(run, { sequence: 1, offset: 4 });
  await writeCheckpoint(run, { sequence: 2, offset: 6 });
  run.commit({ offset: 8, metadata: metadata(3, { journalFrom: 6n }) });
  assertStringIncludes(run.violations[0]!, "I-18 the commit of in:0 of group 'app.in' at 8 by owner 1 carries no");
  assertStringIncludes(run.violations[0]!, `the checkpoint '${name}' at 4, one of the newest 2`);
});

Deno.test("I-18: a checkpoint that is damaged, another owner's or another lineage's needs no journal", async () => {
  const run = played(4);
  const { file } = await writeCheckpoint(run, { sequence: 1, offset: 1 });
  await loseObject(run, file);
  await writeCheckpoint(run, { sequence: 2, offset: 2, ownerToken: 2 });
  await writeCheckpoint(run, { sequence: 3, offset: 3, lineage: "second" });
  await writeCheckpoint(run, { sequence: 4, offset: 6 });
  run.commit({ offset: 8, metadata: metadata(5, { journalFrom: 6n }) });
  assertEquals(run.violations, []);
});
