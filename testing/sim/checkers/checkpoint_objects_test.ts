import { assertEquals, assertStringIncludes } from "@std/assert";
import { CheckpointBook } from "./checkpoint_book.ts";
import { CheckpointObjects } from "./checkpoint_objects.ts";
import { loseObject, NAMES, PlayedRun, writeCheckpoint } from "./fixtures_test.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  const book = new CheckpointBook(run);
  run.watch(book, new CheckpointObjects(run, book));
  return run;
}

const bytes = (value: string) => new TextEncoder().encode(value);

Deno.test("I-15 is kept by manifests that come last, and by what faults have done to files since", async () => {
  const run = played();
  await writeCheckpoint(run);
  const { file } = await writeCheckpoint(run, { sequence: 2 });
  await loseObject(run, file);
  run.quiet();
  assertEquals(run.violations, []);
});

Deno.test("I-15: a manifest whose file is missing, short or another one is found", async () => {
  for (
    const [flaw, found] of [
      ["no file", "is not there"],
      ["short file", "bytes instead of"],
      ["other content", "does not have its checksum"],
    ] as const
  ) {
    const run = played();
    const { name } = await writeCheckpoint(run, { flaw });
    assertStringIncludes(run.violations[0]!, `I-15 the manifest '${name}' is visible without all its files: `);
    assertStringIncludes(run.violations[0]!, found);
  }
});

Deno.test("I-15: a file that goes while its manifest stays is found at the end", async () => {
  const run = played();
  const { file } = await writeCheckpoint(run);
  await run.blobs.handle({ who: "process-0" }).delete(file);
  run.quiet();
  assertEquals(run.violations.length, 1);
});

Deno.test("I-15 is kept by a manifest that a fault has taken away, when retention then deletes its files and its name", async () => {
  const run = played();
  const { file, name } = await writeCheckpoint(run);
  await loseObject(run, name);
  const blobs = run.blobs.handle({ who: "process-0" });
  await blobs.delete(name);
  await blobs.delete(file);
  run.quiet();
  assertEquals(run.violations, []);
});

Deno.test("I-16: a name that stands for two contents is found; the same upload once more is not", async () => {
  const name = NAMES.segment({ lineage: "first", ownerToken: 1, sequence: 1 }, "base", 0);
  const run = played();
  const blobs = run.blobs.handle({ who: "process-0" });
  await blobs.create(name, bytes("a"));
  await blobs.delete(name);
  await blobs.create(name, bytes("a"));
  await blobs.create(name, bytes("b"));
  assertEquals(run.violations, []);
  await blobs.delete(name);
  await blobs.create(name, bytes("b"));
  assertStringIncludes(run.violations[0]!, `I-16 the name '${name}' was used twice`);
  const other = played();
  await other.blobs.handle({ who: "process-0" }).create(name, bytes("a"));
  await other.blobs.handle({ who: "process-0" }).delete(name);
  await other.blobs.handle({ who: "process-1" }).create(name, bytes("a"));
  assertStringIncludes(
    other.violations[0]!,
    "found one that 'process-0' had created, now by 'process-1' with the same",
  );
});

Deno.test("I-16: a name may be used again after an operator has deleted it, or a fault has lost it", async () => {
  const name = NAMES.owner(1);
  const run = played();
  await run.blobs.handle({ who: "process-0" }).create(name, bytes("a"));
  await run.blobs.delete(name);
  await run.blobs.handle({ who: "process-1" }).create(name, bytes("b"));
  await loseObject(run, name);
  await run.blobs.handle({ who: "process-0" }).create(name, bytes("c"));
  assertEquals(run.violations, []);
});

Deno.test("I-16: a name that no checkpoint has is found", async () => {
  const run = played();
  await run.blobs.handle({ who: "process-0" }).create("app/in/0/lineage-x/latest.json", bytes("a"));
  assertStringIncludes(run.violations[0]!, "expected a name as checkpoints have it");
});

Deno.test("I-15: a zombie's manifest whose files a later owner has collected is passed over, no other one is", async () => {
  for (const hasLaterOwner of [true, false]) {
    const run = played();
    const { file } = await writeCheckpoint(run, { flaw: "no manifest" });
    if (hasLaterOwner) await run.blobs.handle({ who: "process-1" }).create(NAMES.owner(2), bytes("claim"));
    await run.blobs.handle({ who: "process-1" }).delete(file);
    await writeCheckpoint(run, { flaw: "no file" });
    assertEquals(run.violations.length, hasLaterOwner ? 0 : 1);
  }
});

Deno.test("I-15: a manifest over a file that was lost in its upload is found, over one that was lost later it is not", async () => {
  for (const isLostInUpload of [true, false]) {
    const run = played();
    if (isLostInUpload) run.blobs.arm({ kind: "S11", atMs: 0, process: 0, durationMs: 0, draw: 0 });
    const { file } = await writeCheckpoint(run, { flaw: "no manifest" });
    if (!isLostInUpload) await loseObject(run, file);
    const { name } = await writeCheckpoint(run, { flaw: "no file" });
    assertEquals(run.violations.length, isLostInUpload ? 1 : 0);
    if (isLostInUpload) {
      assertStringIncludes(
        run.violations[0]!,
        `I-15 the manifest '${name}' was created though S11 has struck the upload`,
      );
    }
  }
});
