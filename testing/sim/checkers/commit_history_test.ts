import { assertEquals } from "@std/assert";
import { CommitHistory, describeCommit } from "./commit_history.ts";
import { GROUP, metadata, PlayedRun, TOPIC } from "./fixtures_test.ts";

Deno.test("CommitHistory knows what is committed now, and what ever was", () => {
  const run = new PlayedRun();
  const history = new CommitHistory(run);
  run.watch(history);
  const place = { groupId: GROUP, topic: TOPIC, partition: 0 };
  run.commit({ offset: 4, metadata: metadata(1) });
  run.transact({ offset: 6, metadata: metadata(2) });
  run.transact({ offset: 9, metadata: metadata(3) }, false);
  assertEquals(history.of(GROUP, TOPIC, 0)?.offset, 6);
  assertEquals(history.of(GROUP, TOPIC, 0)?.via, "transaction");
  const was = (commitSequence: number, offset: number) =>
    history.hasBeen(place, { lineage: "first", commitSequence, offset });
  assertEquals([was(1, 4), was(2, 6), was(3, 9), was(1, 6)], [true, true, false, false]);
});

Deno.test("CommitHistory tells of each commit with the one before, and forgets what is deleted", () => {
  const run = new PlayedRun();
  const history = new CommitHistory(run);
  run.watch(history);
  const told: string[] = [];
  history.onCommit((commit, before) => told.push(`${describeCommit(before)} > ${commit.offset}`));
  run.commit({ offset: 4 });
  run.commit({ offset: 5, metadata: metadata(1) });
  run.change({ kind: "topic-deleted", topic: TOPIC });
  assertEquals(told, ["nothing > 4", "offset 4 with missing metadata > 5"]);
  assertEquals(history.of(GROUP, TOPIC, 0), undefined);
  assertEquals(history.deletions(GROUP, TOPIC, 0), 1);
});
