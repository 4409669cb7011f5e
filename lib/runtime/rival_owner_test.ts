/** A process that lost a partition before it claimed the task's owner token outranks the owner that commits. */
import { assert, assertEquals } from "@std/assert";
import { MemoryBlobStore } from "../adapters/memory/memory_blob_store.ts";
import { CheckpointNames } from "../core/checkpoint_names.ts";
import { SeededRandom } from "../../testing/seeded_random.ts";
import { claimOwnerToken } from "./checkpoint/claim_owner_token.ts";
import { GUARANTEES, tallyApp, TallyRun } from "./protocol_fixture_test.ts";

const TASK = { application: "tally", subscription: "events", partition: 0 };

/** Claims as a zombie does. */
async function claim(run: TallyRun, blobs: MemoryBlobStore): Promise<number> {
  const observer = { step: () => {}, log: () => {} };
  const environment = { clock: run.driver.clock, random: new SeededRandom(7), observer };
  return await claimOwnerToken(blobs, TASK, { environment, instance: "zombie" });
}

/** Owner tokens of the manifests that lie there. */
async function manifestTokens(blobs: MemoryBlobStore): Promise<number[]> {
  const names = new CheckpointNames(TASK);
  const found = (await blobs.list(names.prefix)).map(({ name }) => names.parse(name)!);
  return found.filter(({ kind }) => kind === "manifest").map(({ ownerToken }) => ownerToken);
}

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: an owner that still commits claims again above a zombie, and its checkpoints go on`, async () => {
    const blobs = new MemoryBlobStore();
    const run = await TallyRun.start(tallyApp(guarantee), { blobs });
    const { driver } = run;
    await Promise.all([run.keepFeeding({ rounds: 20 }), driver.advanceClock(2_500)]);
    const before = await manifestTokens(blobs);
    assert(before.length > 0);
    const rival = await claim(run, blobs);
    await Promise.all([run.keepFeeding({ rounds: 80 }), driver.advanceClock(10_000)]);
    const after = await manifestTokens(blobs);
    // Retention goes on as well: two are retained, all of them of the new token.
    assertEquals(after, [rival + 1, rival + 1]);
    // A restart on a new node takes the newest of them, and what it commits is of a greater token.
    driver.crash();
    await driver.restart(0, { node: "new" });
    await run.probe();
    assert(driver.trace.some(({ label }) => label === "restore:checkpoint-loaded"));
    await run.close();
  });

  Deno.test(`${guarantee}: an owner whose commits have ended claims nothing above another`, async () => {
    const blobs = new MemoryBlobStore();
    const run = await TallyRun.start(tallyApp(guarantee), { blobs });
    const { driver } = run;
    await Promise.all([run.keepFeeding({ rounds: 20 }), driver.advanceClock(2_500)]);
    const rival = await claim(run, blobs);
    // One more commit makes a checkpoint due, but none begins after the rival was seen.
    run.feed(1);
    await driver.advanceClock(20_000);
    assert(driver.trace.some(({ message }) => message?.includes(`owner ${rival} has taken over`)));
    assertEquals(await claim(run, blobs), rival + 1);
    await run.close();
  });
}
