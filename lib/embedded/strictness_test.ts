import { assertEquals } from "@std/assert";
import { at, codeOf, end, ID, initialized, made, PLACE, put, valueOf } from "./cluster_fixture_test.ts";

const OUTSIDER = { groupId: "g", memberId: "", generation: -1, instanceId: null };

Deno.test("commit: a position that no reader can have is refused, one past the end is taken as a broker takes it", () => {
  const cluster = made();
  const entry = { ...PLACE, offset: 7, leaderEpoch: -1, metadata: "" };
  const commit = (changed: Partial<typeof entry>) =>
    cluster.commitOffsets({ fence: OUTSIDER, offsets: [{ ...entry, ...changed }] }, at(0));
  assertEquals(codeOf(commit({ offset: -1 })), "not-modelled");
  assertEquals(codeOf(commit({ offset: 1.5 })), "not-modelled");
  assertEquals(codeOf(commit({ leaderEpoch: 1 })), "unknown-leader-epoch");
  valueOf(commit({}));
  valueOf(cluster.bumpLeaderEpoch(PLACE));
  valueOf(commit({ leaderEpoch: 1 }));
});

Deno.test("stageOffsets and overwriteOffsets refuse the same positions", () => {
  const cluster = made();
  const session = { ...initialized(cluster), transactionalId: ID };
  const offsets = [{ ...PLACE, offset: 0, leaderEpoch: 4, metadata: "" }];
  assertEquals(codeOf(cluster.stageOffsets({ ...session, fence: OUTSIDER, offsets }, at(0))), "unknown-leader-epoch");
  assertEquals(cluster.transactionStatus(ID), "Empty");
  assertEquals(codeOf(cluster.overwriteOffsets({ groupId: "g", offsets }, at(0))), "unknown-leader-epoch");
});

Deno.test("produce: a producer with an open transaction in a partition writes to it inside the transaction only", () => {
  const cluster = made();
  const session = initialized(cluster);
  valueOf(put(cluster, ["a=1"], { ...session, sequence: 0, transactionalId: ID }));
  assertEquals(codeOf(put(cluster, ["a=2"], { ...session, sequence: 1 })), "invalid-transaction-state");
});

Deno.test("setTransactionVersion: what happens to open transactions is not modelled", () => {
  const cluster = made({ version: 1 });
  const session = initialized(cluster);
  valueOf(put(cluster, ["a=1"], { ...session, sequence: 0, transactionalId: ID }));
  assertEquals(codeOf(cluster.setTransactionVersion(2)), "not-modelled");
  valueOf(end(cluster, session, true));
  valueOf(cluster.setTransactionVersion(2));
});

Deno.test("join: timeouts that no broker accepts are refused", () => {
  const request = { groupId: "g", memberId: "m", instanceId: null, topics: ["t"], isRejoin: false };
  const reply = made().join({ ...request, sessionTimeoutMs: 0, rebalanceTimeoutMs: 10 }, at(0));
  assertEquals(codeOf(reply), "not-modelled");
});

Deno.test("compact: a clean point that is no offset is refused", () => {
  assertEquals(codeOf(made().compact(PLACE, { upTo: NaN })), "not-modelled");
});

Deno.test("handles refuse partitions that do not exist", () => {
  const cluster = made();
  const nowhere = { topic: "t", partition: 9 };
  const asked = [
    () => cluster.compact(nowhere),
    () => cluster.truncate(nowhere, 0),
    () => cluster.abortHanging(nowhere, at(0)),
    () => cluster.setLeaderless(nowhere, true),
    () => cluster.setReplicasShort(nowhere, true),
    () => cluster.bumpLeaderEpoch(nowhere),
    () => cluster.deleteRecordsBefore(nowhere, 0),
    () => cluster.bounds(nowhere),
    () => cluster.offsetAt(nowhere, 0),
  ];
  for (const ask of asked) assertEquals(codeOf(ask()), "unknown-topic");
});
