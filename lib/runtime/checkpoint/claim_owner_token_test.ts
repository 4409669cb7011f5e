import { assertEquals, assertRejects } from "@std/assert";
import { MemoryBlobStore } from "../../adapters/memory/memory_blob_store.ts";
import {
  BlobDeniedError,
  BlobPreconditionError,
  BlobTimeoutError,
  CheckpointConflictError,
} from "../../base/errors.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { type ClaimOptions, claimOwnerToken } from "./claim_owner_token.ts";
import { FaultyBlobs, keyOf, NAMES, namesIn, Recorder, TASK, text } from "./fixtures_test.ts";

function optionsOf(seed = 1): ClaimOptions {
  const environment = Object.assign(new Recorder(), { random: new SeededRandom(seed) });
  return { environment, instance: `instance-${seed}` };
}

Deno.test("claimOwnerToken() gives each claimer a greater token than all before", async () => {
  const blobs = new MemoryBlobStore();
  for (let token = 1; token <= 12; token++) assertEquals(await claimOwnerToken(blobs, TASK, optionsOf(token)), token);
  assertEquals(await claimOwnerToken(blobs, { ...TASK, partition: 9 }, optionsOf()), 1);
  assertEquals((await namesIn(blobs)).length, 13);
});

Deno.test("claimOwnerToken() goes past tokens that only files show", async () => {
  const blobs = new MemoryBlobStore();
  await blobs.create(NAMES.segment(keyOf(7, 1, "elsewhere"), "base", 0), text("x"));
  assertEquals(await claimOwnerToken(blobs, TASK, optionsOf()), 8);
});

Deno.test("claimOwnerToken() goes past a token that was used for a commit, though its claim is lost", async () => {
  const blobs = new MemoryBlobStore();
  assertEquals(await claimOwnerToken(blobs, TASK, { ...optionsOf(), above: 4 }), 5);
  assertEquals(await claimOwnerToken(blobs, TASK, { ...optionsOf(), above: 4 }), 6);
});

Deno.test("claimOwnerToken() takes the next token when the store reports a conflict for a name", async () => {
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  let conflicts = 2;
  blobs.plan = (_, verb) =>
    verb === "create" && conflicts-- > 0 ? { before: new BlobPreconditionError("conflict") } : undefined;
  assertEquals(await claimOwnerToken(blobs, TASK, optionsOf()), 3);
  blobs.plan = (_, verb) => verb === "create" ? { before: new BlobPreconditionError("for ever") } : undefined;
  const error = await assertRejects(
    () => claimOwnerToken(blobs, TASK, { ...optionsOf(), claimsMax: 5 }),
    CheckpointConflictError,
  );
  assertEquals((error.cause as Error).message, "for ever");
});

Deno.test("claimOwnerToken() has one winner for each token among claimers at the same time", async () => {
  const blobs = new MemoryBlobStore();
  const claims = [...Array(20).keys()].map((seed) => claimOwnerToken(blobs, TASK, optionsOf(seed)));
  const tokens = (await Promise.all(claims)).sort((a, b) => a - b);
  assertEquals(tokens, [...Array(20).keys()].map((i) => i + 1));
});

Deno.test("claimOwnerToken() knows its own claim again after a lost reply", async () => {
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  const isCreate = (verb: string) => verb === "create";
  let faults = 1;
  blobs.plan = (_, verb) => isCreate(verb) && faults-- > 0 ? { after: new BlobTimeoutError("late") } : undefined;
  assertEquals(await claimOwnerToken(blobs, TASK, optionsOf(1)), 1);
  assertEquals(await claimOwnerToken(blobs, TASK, optionsOf(2)), 2);
  assertEquals(await namesIn(blobs), [NAMES.owner(1), NAMES.owner(2)]);
});

Deno.test("claimOwnerToken() stays monotone over a crash at any call", async () => {
  for (const isApplied of [false, true]) {
    for (const dieAt of [0, 1]) {
      const disk = new MemoryBlobStore();
      await claimOwnerToken(disk, TASK, optionsOf(1));
      const blobs = new FaultyBlobs(disk);
      blobs.plan = (index) => index === dieAt ? { isApplied } : undefined;
      const outcome = await Promise.race([claimOwnerToken(blobs, TASK, optionsOf(2)), blobs.death]);
      assertEquals(outcome, "dead");
      assertEquals(await claimOwnerToken(disk, TASK, optionsOf(3)), dieAt === 1 && isApplied ? 3 : 2);
    }
  }
});

Deno.test("claimOwnerToken() ends when others are always faster, and when the store refuses", async () => {
  const blobs = new FaultyBlobs(new MemoryBlobStore());
  const taken = { isCreated: false as const, existing: text("somebody else") };
  blobs.create = () => Promise.resolve(taken);
  const error = await assertRejects(
    () => claimOwnerToken(blobs, TASK, { ...optionsOf(), claimsMax: 3 }),
    CheckpointConflictError,
    "tokens 1 to 3 were all taken",
  );
  assertEquals(error.context["first"], 1);
  blobs.plan = () => ({ before: new BlobDeniedError("no") });
  await assertRejects(() => claimOwnerToken(blobs, TASK, optionsOf()), BlobDeniedError);
});
