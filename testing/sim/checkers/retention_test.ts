import { assertEquals, assertStringIncludes } from "@std/assert";
import { CheckpointBook } from "./checkpoint_book.ts";
import { loseObject, PlayedRun, writeCheckpoint } from "./fixtures_test.ts";
import { RetentionRules } from "./retention.ts";

function played(retainedCheckpoints = 2): PlayedRun {
  const run = new PlayedRun();
  run.options = { ...run.options, retainedCheckpoints };
  const book = new CheckpointBook(run);
  run.watch(book, new RetentionRules(run, book));
  return run;
}

const TASK = { application: "app", partition: 0 };
const remove = (run: PlayedRun, name: string) => run.blobs.handle({ who: "process-0" }).delete(name);
const round = (run: PlayedRun, ownerToken = 1) => run.step(0, "retention:begin", { ...TASK, ownerToken });

Deno.test("I-19 is kept when the oldest manifest goes first, and its file after it", async () => {
  const run = played();
  const oldest = await writeCheckpoint(run);
  await writeCheckpoint(run, { sequence: 2 });
  await writeCheckpoint(run, { sequence: 3 });
  await remove(run, oldest.name);
  await remove(run, oldest.file);
  assertEquals(run.violations, []);
});

Deno.test("I-19: a file that goes before its manifest is found, unless the manifest is lost", async () => {
  const run = played();
  const { file, name } = await writeCheckpoint(run);
  await remove(run, file);
  assertEquals(run.violations, [
    `I-19 'process-0' deleted the file '${file}' though '${name}' needs it: expected the manifest to go first`,
  ]);
  const lost = played();
  const checkpoint = await writeCheckpoint(lost);
  await loseObject(lost, checkpoint.name);
  await remove(lost, checkpoint.file);
  assertEquals(lost.violations, []);
});

Deno.test("I-19: a manifest that goes too early is found; an operator's is not", async () => {
  const run = played();
  const oldest = await writeCheckpoint(run);
  const middle = await writeCheckpoint(run, { sequence: 2 });
  await run.blobs.delete(middle.name);
  await writeCheckpoint(run, { sequence: 3 });
  assertEquals(run.violations, []);
  await remove(run, oldest.name);
  assertStringIncludes(run.violations[0]!, "too early: expected 2 intact ones that are newer");
  assertStringIncludes(run.violations[0]!, "found 1 and 0 damaged ones");
});

Deno.test("I-19: the newest checkpoint must not go for older ones", async () => {
  const run = played();
  await writeCheckpoint(run);
  await writeCheckpoint(run, { sequence: 2 });
  const newest = await writeCheckpoint(run, { sequence: 3 });
  await remove(run, newest.name);
  assertEquals(run.violations.length, 1);
});

Deno.test("I-20: a torn upload that is left lying is found, one that is collected is not", async () => {
  for (const isCollected of [true, false]) {
    const run = played();
    const { file } = await writeCheckpoint(run, { flaw: "no manifest" });
    round(run);
    round(run);
    if (isCollected) await remove(run, file);
    round(run);
    round(run);
    assertEquals(run.violations.length, isCollected ? 0 : 1);
    if (!isCollected) assertStringIncludes(run.violations[0]!, `I-20 the torn upload '${file}' was left lying`);
  }
});

Deno.test("I-20: rounds that failed, saw not everything or were another owner's do not count", async () => {
  const run = played();
  await writeCheckpoint(run, { flaw: "no manifest" });
  for (let time = 0; time < 3; time++) {
    round(run);
    round(run, 2);
    run.log(0, "warn", "Checkpoint retention failed, a later round goes on: out", TASK);
    round(run);
    run.fault("S7");
  }
  assertEquals(run.violations, []);
});

Deno.test("I-20: a file whose manifest came is no torn upload", async () => {
  const run = played();
  await writeCheckpoint(run);
  for (let time = 0; time < 6; time++) round(run);
  assertEquals(run.violations, []);
});

Deno.test("I-19: a checkpoint whose file a listing shows to be gone does not count among those that remain", async () => {
  for (const isLostBefore of [true, false]) {
    const run = played();
    const oldest = await writeCheckpoint(run);
    const broken = await writeCheckpoint(run, { sequence: 2 });
    await writeCheckpoint(run, { sequence: 3 });
    if (isLostBefore) await loseObject(run, broken.file);
    round(run);
    if (!isLostBefore) await loseObject(run, broken.file);
    await remove(run, oldest.name);
    assertEquals(run.violations.length, isLostBefore ? 1 : 0);
    if (isLostBefore) assertStringIncludes(run.violations[0]!, "found 1 and 0 damaged ones");
  }
});

Deno.test("I-19: what the owner could restore from must not go for what lies ahead of it, or on another way", async () => {
  for (
    const others of [[{ offset: 8 }, { offset: 9 }], [{ offset: 3, jumps: [[1, 9]] }, {
      offset: 4,
      jumps: [[1, 9]],
    }]] as const
  ) {
    for (const isAbandonedFirst of [true, false]) {
      const run = played();
      const [ahead] = [
        await writeCheckpoint(run, others[0]),
        await writeCheckpoint(run, { ...others[1], sequence: 2 }),
      ];
      const older = await writeCheckpoint(run, { ownerToken: 2, offset: 4 });
      await writeCheckpoint(run, { ownerToken: 2, sequence: 2, offset: 5 });
      round(run, 2);
      await remove(run, (isAbandonedFirst ? ahead : older).name);
      assertEquals(run.violations.length, isAbandonedFirst ? 0 : 1);
    }
  }
});
