/** A plain offset commit that lands late takes the group back; an input that is idle has no next commit to put that right. */
import { assert, assertEquals } from "@std/assert";
import { MemoryBlobStore } from "../adapters/memory/memory_blob_store.ts";
import { tallyApp, TallyRun } from "./protocol_fixture_test.ts";

const GROUP = "tally.events";

const groupOf = ({ driver }: TallyRun) => driver.broker.cluster.state.groups.get(GROUP)!;

Deno.test("at-least-once: a commit that lands late on an idle input is put right without new records", async () => {
  const run = await TallyRun.start(tallyApp("at-least-once"), { blobs: new MemoryBlobStore() });
  const { driver } = run;
  const { cluster } = driver.broker;
  run.feed(10);
  await run.check();
  const late = [...groupOf(run).offsets.values()][0]!;
  run.feed(10);
  await run.check();
  const [memberId] = groupOf(run).members.keys();
  const fence = { groupId: GROUP, generation: groupOf(run).generation, memberId: memberId!, instanceId: null };
  const reply = cluster.commitOffsets({ fence, offsets: [late] }, driver.broker.times());
  assertEquals([reply.kind, run.uncommitted], ["done", 10]);
  driver.trace.length = 0;
  await driver.advanceClock(25_000);
  assertEquals(run.uncommitted, 0);
  assert(driver.trace.some(({ message }) => message?.includes("taken the group back")));
  assertEquals(driver.trace.filter(({ label }) => label === "batch:fetched"), [], "nothing is processed again");
  // Once it is right nothing more is committed.
  driver.trace.length = 0;
  await driver.advanceClock(60_000);
  assertEquals(driver.trace.filter(({ label }) => label === "commit:before"), []);
  await run.probe();
  await run.close();
});
