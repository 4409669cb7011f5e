import { assert, assertEquals } from "@std/assert";
import { at, codeOf, end, ID, initialized, made, PLACE, put, reopened, seen, valueOf } from "./cluster_fixture_test.ts";
import type { EmbeddedCluster } from "./cluster.ts";

const READ = { from: 0, maxRecords: 10, maxBytes: 1_000, isCommitted: true };
const ENTRY = { ...PLACE, offset: 1, leaderEpoch: -1, metadata: "" };

function join(cluster: EmbeddedCluster, memberId: string, instanceId: string | null, ms = 0) {
  const request = { groupId: "g", memberId, instanceId, topics: ["t"], sessionTimeoutMs: 100, rebalanceTimeoutMs: 300 };
  return cluster.join({ ...request, isRejoin: false }, at(ms));
}

function fence(cluster: EmbeddedCluster, memberId: string, instanceId: string | null = null) {
  return { groupId: "g", memberId, instanceId, generation: cluster.state.groups.get("g")!.generation };
}

Deno.test("setLeaderless: nothing is read, written or looked up; the next leader has the next epoch", () => {
  const cluster = made();
  put(cluster, ["a=1"]);
  valueOf(cluster.setLeaderless(PLACE, true));
  assertEquals(codeOf(cluster.fetch(PLACE, READ)), "not-leader");
  assertEquals(codeOf(put(cluster, ["a=2"])), "not-leader");
  assertEquals(codeOf(cluster.bounds(PLACE)), "not-leader");
  assertEquals(codeOf(cluster.offsetAt(PLACE, 0)), "not-leader");
  valueOf(cluster.setLeaderless(PLACE, false));
  put(cluster, ["b=1"]);
  assertEquals(seen(cluster).rows, ["0:a=1", "1:b=1"]);
  assertEquals(cluster.state.topics.get("t")!.logs[0]!.leaderEpoch, 1);
  valueOf(cluster.setLeaderless(PLACE, false));
  assertEquals(cluster.state.topics.get("t")!.logs[0]!.leaderEpoch, 1);
});

Deno.test("setReplicasShort: records are refused and uses no sequence number, reading goes on", () => {
  const cluster = made();
  const producer = { producerId: 9, producerEpoch: 0, sequence: 0 };
  valueOf(cluster.setReplicasShort(PLACE, true));
  assertEquals(codeOf(put(cluster, ["a=1"], producer)), "not-enough-replicas");
  assertEquals(valueOf(cluster.fetch(PLACE, READ)), null);
  valueOf(cluster.setReplicasShort(PLACE, false));
  valueOf(put(cluster, ["a=1"], producer));
});

Deno.test("setRecordBytesMax: a larger record is refused and uses no sequence number, until the bound is lifted", () => {
  const cluster = made();
  const producer = { producerId: 9, producerEpoch: 0, sequence: 0 };
  valueOf(cluster.setRecordBytesMax("t", 2));
  assertEquals(codeOf(put(cluster, ["a=12"], producer)), "record-too-large");
  valueOf(put(cluster, ["a=1"], producer));
  valueOf(cluster.setRecordBytesMax("t", null));
  valueOf(put(cluster, ["a=12"], { ...producer, sequence: 1 }));
  assertEquals(codeOf(cluster.setRecordBytesMax("nowhere", 2)), "unknown-topic");
});

Deno.test("troubles of a topic are gone with it", () => {
  const cluster = made();
  valueOf(cluster.setRecordBytesMax("t", 1));
  valueOf(cluster.setLeaderless(PLACE, true));
  valueOf(cluster.setReplicasShort(PLACE, true));
  valueOf(cluster.deleteTopic("t", at(0)));
  valueOf(cluster.createTopic({ topic: "t", partitions: 1, topicId: "other" }, at(0)));
  valueOf(put(cluster, ["a=1"]));
});

for (const trouble of ["setLeaderless", "setReplicasShort"] as const) {
  Deno.test(`${trouble}: a decided transaction waits for its control record, then completes`, () => {
    const cluster = made();
    const session = initialized(cluster);
    valueOf(put(cluster, ["a=1"], { ...session, sequence: 0, transactionalId: ID }));
    valueOf(cluster[trouble](PLACE, true));
    const next = valueOf(end(cluster, session, true));
    cluster.tick(at(1));
    assertEquals(cluster.transactionStatus(ID), "PrepareCommit");
    assert(cluster.nextDeadlineMs() > 1, "nothing can be done about it now");
    const again = cluster.initializeTransactions({ transactionalId: ID, timeoutMs: 1_000 }, at(1));
    assertEquals(codeOf(again), "concurrent-transactions");
    valueOf(cluster[trouble](PLACE, false));
    assertEquals(cluster.nextDeadlineMs(), -Infinity);
    cluster.tick(at(2));
    assertEquals([cluster.transactionStatus(ID), seen(cluster).rows], ["CompleteCommit", ["0:a=1"]]);
    valueOf(put(cluster, ["a=2"], { ...next, sequence: 0, transactionalId: ID }));
  });
}

Deno.test("moveCoordinator: every request to it is refused, members and their sessions stay", () => {
  const cluster = made();
  valueOf(join(cluster, "m", null));
  const me = fence(cluster, "m");
  valueOf(cluster.sync(me, at(0)));
  cluster.moveCoordinator("g", 500, at(10));
  const session = { ...initialized(cluster), transactionalId: ID };
  const asked = [
    () => cluster.heartbeat(me, at(20)),
    () => cluster.sync(me, at(20)),
    () => join(cluster, "n", null, 20),
    () => cluster.leave(me, at(20)),
    () => cluster.commitOffsets({ fence: me, offsets: [ENTRY] }, at(20)),
    () => cluster.stageOffsets({ ...session, fence: me, offsets: [ENTRY] }, at(20)),
    () => cluster.committedOffsets({ groupId: "g", partitions: [["t", 0]], isStable: true }, at(20)),
    () => cluster.overwriteOffsets({ groupId: "g", offsets: [ENTRY] }, at(20)),
  ];
  for (const ask of asked) assertEquals(codeOf(ask()), "not-coordinator");
  cluster.tick(at(400));
  assertEquals(cluster.nextDeadlineMs(), 510);
  cluster.tick(at(510));
  assertEquals(valueOf(cluster.heartbeat(me, at(600))), "stable");
  valueOf(cluster.commitOffsets({ fence: me, offsets: [ENTRY] }, at(600)));
});

Deno.test("moveCoordinator: a rebalance under way gets its whole time again, and a silent member its session", () => {
  const cluster = made({ partitions: 2 });
  valueOf(join(cluster, "a", null));
  valueOf(join(cluster, "b", null, 10));
  cluster.moveCoordinator("g", 1_000, at(20));
  cluster.tick(at(1_020));
  assertEquals(valueOf(cluster.heartbeat(fence(cluster, "a"), at(1_100))), "rebalance");
  valueOf(cluster.sync(fence(cluster, "b"), at(1_119)));
  cluster.tick(at(1_219));
  assertEquals([...cluster.state.groups.get("g")!.members.keys()], [], "both were silent for their session");
});

Deno.test("moveCoordinator: offsets of a committed transaction stay unstable until it has moved", () => {
  const cluster = made();
  const session = { ...initialized(cluster), transactionalId: ID };
  const outsider = { groupId: "g", memberId: "", generation: -1, instanceId: null };
  valueOf(cluster.stageOffsets({ ...session, fence: outsider, offsets: [ENTRY] }, at(0)));
  cluster.moveCoordinator("g", 100, at(0));
  valueOf(end(cluster, session, true));
  const asked = { groupId: "g", partitions: [["t", 0] as const], isStable: true };
  assertEquals(codeOf(cluster.committedOffsets(asked)), "unstable-offsets");
  assertEquals(cluster.nextDeadlineMs(), 100);
  cluster.tick(at(100));
  assertEquals(valueOf(cluster.committedOffsets(asked)), [ENTRY]);
});

Deno.test("moveTransactionCoordinator: requests are refused, timeouts wait, then a transaction is as old as it is", () => {
  const cluster = made();
  const session = { ...initialized(cluster, 500), transactionalId: ID };
  valueOf(put(cluster, ["a=1"], { ...session, sequence: 0 }));
  cluster.moveTransactionCoordinator(ID, 1_000, at(0));
  assertEquals(codeOf(end(cluster, session, true)), "not-coordinator");
  const outsider = { groupId: "g", memberId: "", generation: -1, instanceId: null };
  const staged = cluster.stageOffsets({ ...session, fence: outsider, offsets: [ENTRY] }, at(0));
  assertEquals(codeOf(staged), "not-coordinator");
  const again = cluster.initializeTransactions({ transactionalId: ID, timeoutMs: 500 }, at(0));
  assertEquals(codeOf(again), "not-coordinator");
  // The partition is in the transaction already, so its leader asks nobody.
  valueOf(put(cluster, ["a=2"], { ...session, sequence: 1 }));
  cluster.tick(at(999));
  assertEquals([cluster.transactionStatus(ID), cluster.nextDeadlineMs()], ["Ongoing", 1_000]);
  cluster.tick(at(1_000));
  assertEquals(cluster.transactionStatus(ID), "CompleteAbort");
});

for (const version of [1, 2] as const) {
  Deno.test(`generation ${version}: a partition cannot join a transaction whose coordinator moves`, () => {
    const cluster = made({ version });
    const session = { ...initialized(cluster), transactionalId: ID };
    cluster.moveTransactionCoordinator(ID, 1_000, at(0));
    assertEquals(codeOf(put(cluster, ["a=1"], { ...session, sequence: 0 })), "not-coordinator");
  });

  Deno.test(`exhaustEpochs: generation ${version}: initialize() gives a new producer id and fences the old one`, () => {
    const cluster = made({ version });
    const old = initialized(cluster);
    valueOf(put(cluster, ["a=1"], { ...old, sequence: 0, transactionalId: ID }));
    valueOf(cluster.exhaustEpochs(ID));
    const after = reopened(cluster);
    for (const each of [cluster, after]) {
      const session = initialized(each);
      assert(session.producerId > old.producerId, "a new id");
      assertEquals(codeOf(end(each, old, true)), "producer-fenced");
      assertEquals(codeOf(put(each, ["a=2"], { ...old, sequence: 1, transactionalId: ID })), "producer-fenced");
      valueOf(put(each, ["b=1"], { ...session, sequence: 0, transactionalId: ID }));
      const next = valueOf(end(each, session, true));
      assertEquals(next.producerId, session.producerId);
      assertEquals(seen(each).rows, ["2:b=1"]);
    }
  });
}

Deno.test("exhaustEpochs: generation 2: the end of a transaction gives a new producer id, for which numbers begin anew", () => {
  const cluster = made({ version: 2 });
  const old = initialized(cluster);
  valueOf(put(cluster, ["a=1"], { ...old, sequence: 0, transactionalId: ID }));
  valueOf(cluster.exhaustEpochs(ID));
  const next = valueOf(end(cluster, old, true));
  assert(next.producerId > old.producerId && next.producerEpoch === 0, "a new id");
  assertEquals(valueOf(end(cluster, old, true)), next, "a repeated end is answered as the first one");
  valueOf(put(cluster, ["a=2"], { ...next, sequence: 0, transactionalId: ID }));
  const after = valueOf(end(cluster, next, true));
  assertEquals(after, { producerId: next.producerId, producerEpoch: 1 });
  assertEquals(seen(cluster).rows, ["0:a=1", "2:a=2"]);
});

Deno.test("exhaustEpochs: generation 1: ends of transactions use no epochs", () => {
  const cluster = made({ version: 1 });
  const session = initialized(cluster);
  valueOf(put(cluster, ["a=1"], { ...session, sequence: 0, transactionalId: ID }));
  valueOf(cluster.exhaustEpochs(ID));
  assertEquals(valueOf(end(cluster, session, true)), session);
});

Deno.test("exhaustEpochs: an unknown transactional id is refused", () => {
  assertEquals(codeOf(made().exhaustEpochs("nobody")), "unknown-producer");
});

Deno.test("restart: dynamic members are gone, static ones have their seats and a fresh session", () => {
  const cluster = made({ partitions: 2 });
  valueOf(join(cluster, "s", "i"));
  valueOf(cluster.sync(fence(cluster, "s", "i"), at(0)));
  cluster.restart(at(90));
  assertEquals(valueOf(cluster.heartbeat(fence(cluster, "s", "i"), at(91))), "stable");
  cluster.tick(at(190));
  assertEquals(valueOf(cluster.heartbeat(fence(cluster, "s", "i"), at(190))), "stable");
  valueOf(join(cluster, "d", null, 190));
  cluster.restart(at(200));
  assertEquals(codeOf(cluster.heartbeat(fence(cluster, "d"), at(200))), "unknown-member");
  assertEquals(valueOf(cluster.heartbeat(fence(cluster, "s", "i"), at(200))), "stable", "the rebalance is forgotten");
});

Deno.test("restart: partitions that dynamic members held are divided anew", () => {
  const cluster = made({ partitions: 2 });
  valueOf(join(cluster, "s", "i"));
  valueOf(join(cluster, "d", null));
  valueOf(join(cluster, "s", "i"));
  cluster.restart(at(10));
  assertEquals(valueOf(cluster.heartbeat(fence(cluster, "s", "i"), at(10))), "rebalance");
});

Deno.test("restart: a static member that followed another one is revived in its place, whatever was under way", () => {
  const cluster = made({ partitions: 2 });
  valueOf(join(cluster, "old", "i"));
  valueOf(cluster.leave(fence(cluster, "old", "i"), at(0)));
  valueOf(join(cluster, "d", null));
  valueOf(join(cluster, "new", "i"));
  cluster.restart(at(10));
  assert(codeOf(cluster.sync(fence(cluster, "new", "i"), at(10))) !== "fenced-instance");
});

Deno.test("restart: an open transaction is as old as the restart, what is durable stays", () => {
  const cluster = made();
  const session = initialized(cluster, 500);
  valueOf(put(cluster, ["a=1"], { ...session, sequence: 0, transactionalId: ID }));
  cluster.restart(at(400));
  assertEquals(cluster.nextDeadlineMs(), 900);
  cluster.tick(at(899));
  assertEquals(cluster.transactionStatus(ID), "Ongoing");
  valueOf(end(cluster, session, true));
  assertEquals(seen(cluster).rows, ["0:a=1"]);
});

Deno.test("expireMember: heartbeats do not bring back a member that was dropped", () => {
  const cluster = made();
  valueOf(join(cluster, "m", null));
  const me = fence(cluster, "m");
  valueOf(cluster.sync(me, at(0)));
  cluster.expireMember(me, at(0));
  for (let ms = 10; ms < 50; ms += 10) assertEquals(codeOf(cluster.heartbeat(me, at(ms))), "unknown-member");
  assertEquals(codeOf(cluster.commitOffsets({ fence: me, offsets: [ENTRY] }, at(50))), "unknown-member");
});
