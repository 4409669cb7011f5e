import { assertEquals, assertStringIncludes } from "@std/assert";
import { CommitHistory } from "./commit_history.ts";
import { fence, GROUP, metadata, PlayedRun, TOPIC } from "./fixtures_test.ts";
import { Owners } from "./owners.ts";

async function played(): Promise<PlayedRun> {
  const run = new PlayedRun();
  const history = new CommitHistory(run);
  run.watch(history, new Owners(run, history));
  run.fill(20);
  const consumer = await run.broker.consumer({ groupId: GROUP });
  const quiet = { assigned: async () => {}, revoked: async () => {}, lost: async () => {} };
  await consumer.subscribe([TOPIC], quiet);
  return run;
}

function ask(run: PlayedRun, memberId: string, text: string): void {
  const position = { topic: TOPIC, partition: 0, offset: 4n, leaderEpoch: -1, metadata: text };
  run.seam(0, { kind: "consumer", method: "commit", args: [[position], fence(memberId)] });
}

Deno.test("I-11 is kept by the member that holds the partition, and by an operator while there is none", async () => {
  const run = await played();
  const [member] = run.broker.members(GROUP);
  ask(run, member!.memberId, metadata(1));
  run.commit({ offset: 4, metadata: metadata(1) });
  run.broker.expireMember(GROUP, member!.memberId);
  run.commit({ offset: 4, metadata: metadata(1) });
  assertEquals(run.violations, []);
  await run.broker.close();
});

Deno.test("I-11: a commit of somebody who does not hold the partition is found", async () => {
  const run = await played();
  ask(run, "zombie", metadata(1));
  run.commit({ offset: 4, metadata: metadata(1) });
  assertEquals(run.violations, [
    "I-11 process 0.1 committed offset 4 of in:0 of group 'app.in' as member 'zombie': expected the member that holds it, " +
    "found one that holds nothing",
  ]);
  await run.broker.close();
});

Deno.test("I-11: an owner token that goes back is found, unless the commit is a late one", async () => {
  const run = await played();
  run.commit({ offset: 4, metadata: metadata(4, { ownerToken: 2 }) });
  run.commit({ offset: 3, metadata: metadata(3, { ownerToken: 1 }) });
  run.commit({ offset: 4, metadata: metadata(4, { ownerToken: 2 }) });
  assertEquals(run.violations, []);
  run.commit({ offset: 5, metadata: metadata(5, { ownerToken: 1 }) });
  assertStringIncludes(run.violations[0]!, "expected owner 2 or a later one, found offset 5, sequence 5");
  await run.broker.close();
});

Deno.test("I-11: what was asked in a generation that is over must not come to anything, though its member is still there", async () => {
  const run = await played();
  const [member] = run.broker.members(GROUP);
  ask(run, member!.memberId, metadata(1));
  const group = run.broker.cluster.state.groups.get(GROUP)!;
  group.generation++;
  run.commit({ offset: 4, metadata: metadata(1) });
  assertStringIncludes(run.violations[0]!, "I-11 process 0.1 committed offset 4 of in:0 of group 'app.in'");
  assertStringIncludes(run.violations[0]!, "found it in generation 2");
  await run.broker.close();
});
