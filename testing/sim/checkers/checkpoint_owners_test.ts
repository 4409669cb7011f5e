import { assertEquals, assertStringIncludes } from "@std/assert";
import { CheckpointBook } from "./checkpoint_book.ts";
import { CheckpointOwners } from "./checkpoint_owners.ts";
import { loseObject, NAMES, PlayedRun, writeCheckpoint } from "./fixtures_test.ts";

const TASK = { application: "app", partition: 0 };

function played(): PlayedRun {
  const run = new PlayedRun();
  const book = new CheckpointBook(run);
  run.watch(book, new CheckpointOwners(run, book));
  return run;
}

const begin = (run: PlayedRun, process: number, ownerToken: number, lineage = "first") =>
  run.step(process, "checkpoint:begin", { ...TASK, lineage, ownerToken, sequence: 1 });

Deno.test("I-21 is kept by a token for each opening of a task", () => {
  const run = played();
  begin(run, 0, 1);
  begin(run, 1, 2);
  begin(run, 0, 1);
  begin(run, 1, 1, "second");
  assertEquals(run.violations, []);
});

Deno.test("I-21: two owners with one token are found, unless a fault has lost the claim", async () => {
  const run = played();
  begin(run, 0, 1);
  begin(run, 1, 1);
  assertEquals(run.violations, [
    "I-21 two owners of task app/in/0 have the token 1: expected one for each, found process 0.1 and process 1.1",
  ]);
  const lost = played();
  await lost.blobs.create(NAMES.owner(1), new Uint8Array(1));
  await loseObject(lost, NAMES.owner(1));
  begin(lost, 0, 1);
  begin(lost, 1, 1);
  assertEquals(lost.violations, []);
});

Deno.test("I-21: a deletion of something that a later owner has written is found", () => {
  const name = (ownerToken: number) => NAMES.manifest({ lineage: "first", ownerToken, sequence: 1 });
  const run = played();
  run.step(0, "retention:begin", { ...TASK, ownerToken: 2 });
  run.step(0, "retention:manifest-deleted", { kind: "manifest", name: name(1) });
  run.step(0, "retention:file-deleted", { kind: "owner", name: NAMES.owner(2) });
  assertEquals(run.violations, []);
  run.step(0, "retention:manifest-deleted", { kind: "manifest", name: name(3) });
  assertStringIncludes(run.violations[0]!, `process 0.1 deleted '${name(3)}' as owner 2`);
});

const claim = (run: PlayedRun, ownerToken: number) =>
  run.blobs.handle({ who: "process-1" }).create(NAMES.owner(ownerToken), bytesOf(`claim ${ownerToken}`));
const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("I-21: a manifest of an owner that could see a later claim is found", async () => {
  for (const when of ["before", "while it uploads", "after"] as const) {
    const run = played();
    if (when === "before") await claim(run, 2);
    begin(run, 0, 1);
    const { file } = await writeCheckpoint(run, { flaw: "no manifest" });
    if (when === "while it uploads") await claim(run, 2);
    run.step(0, "checkpoint:segment-uploaded", { name: file, bytes: 1, rows: 1 });
    if (when === "after") await claim(run, 2);
    const { name } = await writeCheckpoint(run, { flaw: "no file" });
    assertEquals(run.violations.length, when === "after" ? 0 : 1);
    if (when !== "after") {
      assertStringIncludes(
        run.violations[0]!,
        `I-21 'process-0' created the manifest '${name}' as owner 1 though owner 2`,
      );
    }
  }
});

Deno.test("I-21: a later claim that a fault has hidden or lost need not be seen", async () => {
  const run = played();
  await claim(run, 2);
  await loseObject(run, NAMES.owner(2));
  begin(run, 0, 1);
  await writeCheckpoint(run);
  assertEquals(run.violations, []);
});

Deno.test("I-21: a zombie that deletes what is its own is found, if it could see the later claim", async () => {
  const name = NAMES.manifest({ lineage: "first", ownerToken: 1, sequence: 1 });
  for (const isClaimedBefore of [true, false]) {
    const run = played();
    if (isClaimedBefore) await claim(run, 2);
    run.step(0, "retention:begin", { ...TASK, ownerToken: 1 });
    if (!isClaimedBefore) await claim(run, 2);
    run.step(0, "retention:manifest-deleted", { kind: "manifest", name });
    assertEquals(run.violations.length, isClaimedBefore ? 1 : 0);
    if (isClaimedBefore) assertStringIncludes(run.violations[0]!, "expected a zombie to delete nothing");
  }
});
