import { assertEquals, assertStringIncludes } from "@std/assert";
import { CheckpointBook } from "./checkpoint_book.ts";
import { CommitHistory } from "./commit_history.ts";
import { loseObject, metadata, PlayedRun, writeCheckpoint } from "./fixtures_test.ts";
import { Restores } from "./restores.ts";
import { SeamHandles } from "./seam_handles.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  const history = new CommitHistory(run);
  const handles = new SeamHandles();
  const book = new CheckpointBook(run);
  run.watch(history, handles, book, new Restores(run, { book, history, handles }));
  run.fill(20);
  run.join(0);
  return run;
}

interface Choice {
  readonly candidate: "local" | "checkpoint" | "empty";
  readonly from: number;
  readonly live?: number;
  readonly isLineageNew?: boolean;
}

function restore(run: PlayedRun, choice: Choice): void {
  const { candidate, from, live = 8, isLineageNew = false } = choice;
  run.step(0, "restore:begin", { partition: 0 });
  run.step(0, "restore:begin", { application: "app", partition: 0, lineage: "first" });
  const lineage = isLineageNew ? "other" : "first";
  const more = { candidate, from: BigInt(from), live: BigInt(live), lineage, isLineageNew };
  run.step(0, "restore:candidate-chosen", { partition: 0, ...more });
}

const live = (run: PlayedRun) => run.step(0, "restore:live", { partition: 0, offset: 8n });

Deno.test("I-18 is kept by the newest intact checkpoint that is not above what is committed, and by a better store", async () => {
  const run = played();
  run.commit({ offset: 8, metadata: metadata(3) });
  await writeCheckpoint(run, { sequence: 1, offset: 2 });
  await writeCheckpoint(run, { sequence: 2, offset: 6 });
  await writeCheckpoint(run, { sequence: 9, offset: 12 });
  restore(run, { candidate: "checkpoint", from: 6 });
  restore(run, { candidate: "local", from: 8 });
  assertEquals(run.violations, []);
});

Deno.test("I-18: a restore of older state than there is is found", async () => {
  const run = played();
  run.commit({ offset: 8, metadata: metadata(3) });
  await writeCheckpoint(run, { sequence: 1, offset: 2 });
  const { name } = await writeCheckpoint(run, { sequence: 2, offset: 6 });
  restore(run, { candidate: "checkpoint", from: 2 });
  assertEquals(run.violations, [
    `I-18 the task of in:0 in process 0.1 takes older state than it could: expected the checkpoint '${name}' at 6, found ` +
    `'checkpoint' at 2; committed is 8, the log begins at 0`,
  ]);
});

Deno.test("I-18: what is damaged, of another lineage or of another topic need not be taken", async () => {
  const run = played();
  run.commit({ offset: 8, metadata: metadata(3) });
  await writeCheckpoint(run, { sequence: 1, offset: 2 });
  const damaged = await writeCheckpoint(run, { sequence: 2, offset: 3 });
  await writeCheckpoint(run, { sequence: 3, offset: 4, lineage: "second" });
  await writeCheckpoint(run, { sequence: 4, offset: 5, topicId: "another" });
  await loseObject(run, damaged.file);
  restore(run, { candidate: "checkpoint", from: 2 });
  assertEquals(run.violations, []);
});

Deno.test("I-17: damage that was there before the load, and is not found by it, is found here", async () => {
  const run = played();
  const good = await writeCheckpoint(run);
  const bad = await writeCheckpoint(run, { sequence: 2 });
  run.nowMs = 5;
  await loseObject(run, bad.file);
  for (const { name } of [good, bad]) {
    run.nowMs += 5;
    run.step(0, "restore:candidate-chosen", { name, bytes: 1, rows: 1 });
    run.step(0, "restore:checkpoint-loaded", { name, bytes: 1, rows: 1 });
  }
  assertEquals(run.violations, [
    `I-17 process 0.1 has loaded the checkpoint '${bad.name}' though its file '${bad.file}' was damaged by S13: expected ` +
    `it to be refused`,
  ]);
});

Deno.test("I-17: a file that was misread and not read again is found", async () => {
  for (const isReadAgain of [true, false]) {
    const run = played();
    const { name, file } = await writeCheckpoint(run);
    const blobs = run.blobs.handle({ who: "process-0" });
    run.blobs.arm({ kind: "S5", atMs: 0, process: 0, durationMs: 0, draw: 0 });
    run.step(0, "restore:candidate-chosen", { name, bytes: 1, rows: 1 });
    await blobs.get(file);
    if (isReadAgain) await blobs.get(file);
    run.step(0, "restore:checkpoint-loaded", { name, bytes: 1, rows: 1 });
    assertEquals(run.violations.length, isReadAgain ? 0 : 1);
    if (!isReadAgain) assertStringIncludes(run.violations[0]!, "was misread by S5");
  }
});

Deno.test("I-22: a checkpoint of another topic that is loaded is found", async () => {
  const run = played();
  const { name } = await writeCheckpoint(run, { topicId: "another" });
  run.step(0, "restore:checkpoint-loaded", { name, bytes: 1, rows: 1 });
  assertStringIncludes(run.violations[0]!, `I-22 process 0.1 has loaded the checkpoint '${name}' of another input`);
});

Deno.test("I-22: whoever refuses a checkpoint deletes nothing", async () => {
  const run = played();
  const first = await writeCheckpoint(run);
  const second = await writeCheckpoint(run, { sequence: 2 });
  run.log(0, "error", "Cannot use checkpoint", { partition: 0, error: "CheckpointIncompatibleError" });
  await run.blobs.handle({ who: "process-1" }).delete(first.name);
  assertEquals(run.violations, []);
  await run.blobs.handle({ who: "process-0" }).delete(second.name);
  assertStringIncludes(run.violations[0]!, "expected nothing to be deleted");
});

Deno.test("I-23: empty state away from the lineage's origin, and a replay of what is gone, are found", () => {
  const good = played();
  good.commit({ offset: 8, metadata: metadata(3) });
  restore(good, { candidate: "empty", from: 0 });
  assertEquals(good.violations, []);
  const empty = played();
  empty.commit({ offset: 8, metadata: metadata(3) });
  restore(empty, { candidate: "empty", from: 8 });
  assertStringIncludes(empty.violations[0]!, "I-23 the task of in:0 in process 0.1 begins with empty state at 8");
  const gone = played();
  gone.commit({ offset: 8, metadata: metadata(3) });
  gone.broker.deleteRecordsBefore("in", 0, 5);
  restore(gone, { candidate: "local", from: 4 });
  assertStringIncludes(gone.violations[0]!, "which the log no longer holds: expected an error, as the log begins at 5");
});

Deno.test("I-23: state that is left behind without a word is found", async () => {
  for (const word of [undefined, "starting anew at 0, as 'onCrashRecovery' says"]) {
    const run = played();
    await writeCheckpoint(run);
    restore(run, { candidate: "empty", from: 0, live: 0, isLineageNew: true });
    if (word !== undefined) run.log(0, "warn", word, { partition: 0 });
    live(run);
    assertEquals(run.violations.length, word === undefined ? 1 : 0);
  }
  const fresh = played();
  restore(fresh, { candidate: "empty", from: 0, live: 0, isLineageNew: true });
  live(fresh);
  assertEquals(fresh.violations, []);
});

Deno.test("I-17: a manifest that was misread and gone by is found, one that was read again is not", async () => {
  for (const isReadAgain of [true, false]) {
    const run = played();
    const { name } = await writeCheckpoint(run);
    const blobs = run.blobs.handle({ who: "process-0" });
    run.blobs.arm({ kind: "S6", atMs: 0, process: 0, durationMs: 0, draw: 0 });
    await blobs.get(name);
    if (isReadAgain) await blobs.get(name);
    run.step(0, "restore:candidate-chosen", { name, bytes: 1, rows: 1 });
    assertEquals(run.violations.length, isReadAgain ? 0 : 1);
    if (!isReadAgain) {
      assertStringIncludes(run.violations[0]!, `I-17 process 0.1 goes by the manifest '${name}' though S6`);
    }
  }
});

Deno.test("I-18: a task that goes live on a checkpoint which it could not load is found", async () => {
  for (const isLoaded of [true, false]) {
    const run = played();
    run.commit({ offset: 8, metadata: metadata(3) });
    const { name } = await writeCheckpoint(run, { sequence: 2, offset: 6 });
    restore(run, { candidate: "checkpoint", from: 6 });
    run.step(0, "restore:candidate-chosen", { name, bytes: 1, rows: 1 });
    if (isLoaded) run.step(0, "restore:checkpoint-loaded", { name, bytes: 1, rows: 1 });
    live(run);
    assertEquals(run.violations.length, isLoaded ? 0 : 1);
    if (!isLoaded) assertStringIncludes(run.violations[0]!, "goes live on a checkpoint at 6 that was not loaded");
  }
});

Deno.test("I-18: a checkpoint of a future that an operator has abandoned is none that can be taken, and is found when it is", async () => {
  const run = played();
  const abandoned = await writeCheckpoint(run, { sequence: 1, offset: 6, jumps: [[3, 70]] });
  const { name } = await writeCheckpoint(run, { ownerToken: 2, sequence: 1, offset: 5, jumps: [[4, 50]] });
  run.commit({ offset: 8, metadata: metadata(3, { ownerToken: 2, jumps: [[4, 50]] }) });
  restore(run, { candidate: "checkpoint", from: 5 });
  run.step(0, "restore:checkpoint-loaded", { name });
  assertEquals(run.violations, []);
  restore(run, { candidate: "checkpoint", from: 6 });
  run.step(0, "restore:checkpoint-loaded", { name: abandoned.name });
  assertEquals(run.violations, [
    `I-18 process 0.1 has loaded the checkpoint '${abandoned.name}' at 6 though something else was decided on the way to ` +
    `the committed offset 8: expected one of the same history`,
  ]);
});
