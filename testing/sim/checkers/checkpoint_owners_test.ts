import { assertEquals, assertStringIncludes } from "@std/assert";
import { CheckpointBook } from "./checkpoint_book.ts";
import { CheckpointOwners } from "./checkpoint_owners.ts";
import { loseObject, NAMES, PlayedRun } from "./fixtures_test.ts";

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
