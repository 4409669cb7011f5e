import { assert, assertEquals } from "@std/assert";
import { EmbeddedCluster } from "./cluster.ts";
import { at, codeOf, end, ID, initialized, made, PLACE, put, reopened, seen, valueOf } from "./cluster_fixture_test.ts";
import { snapshotChanges } from "./snapshot_changes.ts";

Deno.test("compact: the newest record of each key stays, at its offset", () => {
  const cluster = made();
  put(cluster, ["a=1", "b=1", "a=2"]);
  put(cluster, ["c=1", "b=2"]);
  put(cluster, ["z=1"]);
  assertEquals(valueOf(cluster.compact(PLACE)), 2);
  assertEquals(seen(cluster), { rows: ["2:a=2", "3:c=1", "4:b=2", "5:z=1"], to: 6 });
  assertEquals(seen(reopened(cluster)), seen(cluster));
});

Deno.test("compact: the newest batch is not cleaned, nor what is above the clean point", () => {
  const cluster = made();
  put(cluster, ["a=1"]);
  put(cluster, ["a=2"]);
  put(cluster, ["a=3", "a=4"]);
  assertEquals(valueOf(cluster.compact(PLACE, { upTo: 1 })), 0);
  assertEquals(valueOf(cluster.compact(PLACE)), 1);
  assertEquals(seen(cluster).rows, ["1:a=2", "2:a=3", "3:a=4"]);
});

Deno.test("compact: tombstones stay, records without a key go", () => {
  const cluster = made();
  put(cluster, ["a=1", "=x", "a="]);
  put(cluster, ["z=1"]);
  assertEquals(valueOf(cluster.compact(PLACE)), 2);
  assertEquals(seen(cluster).rows, ["2:a=", "3:z=1"]);
});

Deno.test("compact: records of aborted transactions go, open ones hold the clean point back, markers stay", () => {
  const cluster = made();
  put(cluster, ["k=0"]);
  const session = initialized(cluster);
  valueOf(put(cluster, ["k=1"], { ...session, sequence: 0, transactionalId: ID }));
  put(cluster, ["k=2", "k=3"]);
  put(cluster, ["z=1"]);
  assertEquals(valueOf(cluster.compact(PLACE)), 0);
  valueOf(end(cluster, session, false));
  put(cluster, ["z=2"]);
  assertEquals(valueOf(cluster.compact(PLACE)), 3);
  assertEquals(seen(cluster), { rows: ["3:k=3", "4:z=1", "6:z=2"], to: 7 });
});

Deno.test("fetch: a gap at whose end nothing is left still moves the position", () => {
  const cluster = made();
  put(cluster, ["a=1"]);
  put(cluster, ["a=2"]);
  const session = initialized(cluster);
  valueOf(put(cluster, ["a=3"], { ...session, sequence: 0, transactionalId: ID }));
  valueOf(end(cluster, session, true));
  const options = { from: 0, maxRecords: 10, maxBytes: 1_000, isCommitted: true };
  assertEquals(valueOf(cluster.compact(PLACE)), 2);
  assertEquals(valueOf(cluster.truncate(PLACE, 2)), 2);
  const slab = valueOf(cluster.fetch(PLACE, options))!;
  assertEquals([slab.records.count, slab.from, slab.to], [0, 0n, 2n]);
  assertEquals(valueOf(cluster.fetch(PLACE, { ...options, from: 2 })), null);
  assertEquals(seen(reopened(cluster)), { rows: [], to: 2 });
  put(cluster, ["b=1"]);
  assertEquals(seen(cluster).rows, ["2:b=1"]);
});

Deno.test("compact: times, retention and idempotence know the log as before", () => {
  const cluster = made({ retentionRecords: 6 });
  const producer = { producerId: 9, producerEpoch: 0, sequence: 0 };
  valueOf(put(cluster, ["a=1", "a=2"], producer));
  valueOf(put(cluster, ["a=3"], { ...producer, sequence: 2 }));
  put(cluster, ["z=1"]);
  assertEquals(valueOf(cluster.compact(PLACE)), 2);
  assertEquals(valueOf(cluster.offsetAt(PLACE, 0)), 2);
  assertEquals(valueOf(put(cluster, ["a=1", "a=2"], producer)), { firstOffset: 0, isDuplicate: true });
  assertEquals(codeOf(put(reopened(cluster), ["a=9"], { ...producer, sequence: 4 })), "out-of-order-sequence");
  valueOf(put(cluster, ["a=4"], { ...producer, sequence: 3 }));
  put(cluster, ["y=1", "y=2"]);
  assertEquals(valueOf(cluster.bounds(PLACE)).logStart, 3);
  assertEquals(seen(cluster, 3).rows, ["3:z=1", "4:a=4", "5:y=1", "6:y=2"]);
});

Deno.test("truncate: batches from an offset on are lost, and a new leader goes on there", () => {
  const cluster = made();
  put(cluster, ["a=1"]);
  put(cluster, ["b=1", "b=2"]);
  assertEquals(valueOf(cluster.truncate(PLACE, 2)), 1);
  assertEquals(valueOf(cluster.bounds(PLACE)).logEnd, 1);
  put(cluster, ["c=1"]);
  assertEquals(seen(cluster).rows, ["0:a=1", "1:c=1"]);
  assertEquals(cluster.state.topics.get("t")!.logs[0]!.leaderEpoch, 1);
  assertEquals(codeOf(cluster.truncate(PLACE, 3)), "offset-out-of-range");
  valueOf(cluster.deleteRecordsBefore(PLACE, 1));
  assertEquals(codeOf(cluster.truncate(PLACE, 0)), "offset-out-of-range");
});

Deno.test("truncate: a repeated batch that was lost is appended again, one that comes after it is out of order", () => {
  const cluster = made();
  const producer = (sequence: number) => ({ producerId: 9, producerEpoch: 0, sequence });
  valueOf(put(cluster, ["a=1"], producer(0)));
  valueOf(put(cluster, ["a=2"], producer(1)));
  valueOf(cluster.truncate(PLACE, 1));
  assertEquals(codeOf(put(cluster, ["a=3"], producer(2))), "out-of-order-sequence");
  assertEquals(valueOf(put(cluster, ["a=1"], producer(0))), { firstOffset: 0, isDuplicate: true });
  assertEquals(valueOf(put(cluster, ["a=2"], producer(1))), { firstOffset: 1, isDuplicate: false });
});

Deno.test("truncate: a producer is known by older batches than the last five when those are lost", () => {
  const cluster = made();
  const send = (sequence: number) => put(cluster, ["v=1"], { producerId: 9, producerEpoch: 0, sequence });
  for (let sequence = 0; sequence < 12; sequence++) valueOf(send(sequence));
  valueOf(cluster.truncate(PLACE, 4));
  assertEquals(codeOf(send(12)), "out-of-order-sequence");
  assertEquals(valueOf(send(3)), { firstOffset: 3, isDuplicate: true });
  assertEquals(valueOf(send(4)), { firstOffset: 4, isDuplicate: false });
});

Deno.test("truncate: a transaction that lost records commits what is left of it", () => {
  const cluster = made();
  const session = { ...initialized(cluster), transactionalId: ID };
  valueOf(put(cluster, ["a=1"], { ...session, sequence: 0 }));
  valueOf(put(cluster, ["a=2"], { ...session, sequence: 1 }));
  valueOf(cluster.truncate(PLACE, 1));
  valueOf(end(cluster, session, true));
  assertEquals(seen(cluster), { rows: ["0:a=1"], to: 2 });
});

Deno.test("truncate: a transaction that lost its marker is open again until the producer's next marker", () => {
  const cluster = made();
  const first = initialized(cluster);
  valueOf(put(cluster, ["a=1"], { ...first, sequence: 0, transactionalId: ID }));
  const second = valueOf(end(cluster, first, false));
  valueOf(cluster.truncate(PLACE, 1));
  put(cluster, ["x=1"]);
  assertEquals(seen(cluster), { rows: [], to: 0 });
  assertEquals(cluster.transactionStatus(ID), "CompleteAbort");
  valueOf(put(cluster, ["b=1"], { ...second, sequence: 0, transactionalId: ID }));
  valueOf(end(cluster, second, true));
  // The broker cannot tell the two apart: what was aborted is committed with what came later.
  assertEquals(seen(cluster).rows, ["0:a=1", "1:x=1", "2:b=1"]);
});

Deno.test("abortHanging: ends what no coordinator knows, and nothing else", () => {
  const cluster = made();
  const first = initialized(cluster);
  valueOf(put(cluster, ["a=1"], { ...first, sequence: 0, transactionalId: ID }));
  assertEquals(valueOf(cluster.abortHanging(PLACE, at(0))), 0);
  valueOf(end(cluster, first, true));
  valueOf(cluster.truncate(PLACE, 1));
  put(cluster, ["x=1"]);
  assertEquals(valueOf(reopened(cluster).abortHanging(PLACE, at(0))), 1);
  assertEquals(valueOf(cluster.abortHanging(PLACE, at(0))), 1);
  assertEquals(seen(cluster), { rows: ["1:x=1"], to: 3 });
  assertEquals(valueOf(cluster.abortHanging(PLACE, at(0))), 0);
});

Deno.test("truncate: what groups committed stays, beyond the new end too", () => {
  const cluster = made();
  put(cluster, ["a=1", "b=1"]);
  const fence = { groupId: "g", memberId: "", generation: -1, instanceId: null };
  const offsets = [{ ...PLACE, offset: 2, leaderEpoch: 0, metadata: "m" }];
  valueOf(cluster.commitOffsets({ fence, offsets }, at(0)));
  valueOf(cluster.truncate(PLACE, 0));
  assertEquals(
    valueOf(cluster.committedOffsets({ groupId: "g", partitions: [["t", 0]], isStable: true })),
    offsets,
  );
  const options = { from: 2, maxRecords: 10, maxBytes: 100, isCommitted: true };
  assertEquals(codeOf(cluster.fetch(PLACE, options)), "offset-out-of-range");
});

Deno.test("fetch: a reader that was ahead of an unclean election is told where the logs part", () => {
  const cluster = made();
  put(cluster, ["a=1"]);
  put(cluster, ["b=1", "c=1"]);
  valueOf(cluster.truncate(PLACE, 1));
  put(cluster, ["d=1", "e=1", "f=1"]);
  const options = { from: 3, maxRecords: 10, maxBytes: 100, isCommitted: true };
  const reply = cluster.fetch(PLACE, { ...options, lastEpoch: 0 });
  assert(reply.kind === "refused");
  assertEquals(reply.code, "log-truncated");
  const { position, divergedAt, lastEpoch, leaderEpoch } = reply.context;
  assertEquals([position, divergedAt, lastEpoch, leaderEpoch], [3, 1, 0, 1]);
  assertEquals(codeOf(reopened(cluster).fetch(PLACE, { ...options, lastEpoch: 0 })), "log-truncated");
  valueOf(cluster.fetch(PLACE, { ...options, lastEpoch: 1 }));
  valueOf(cluster.fetch(PLACE, { ...options, from: 1, lastEpoch: 0 }));
  valueOf(cluster.fetch(PLACE, options));
});

Deno.test("fetch: a leader epoch that the log never had is refused, as after a topic was created again", () => {
  const cluster = made();
  put(cluster, ["a=1"]);
  const options = { from: 1, maxRecords: 10, maxBytes: 100, isCommitted: true, lastEpoch: 3 };
  assertEquals(codeOf(cluster.fetch(PLACE, options)), "log-truncated");
});

Deno.test("fetch: a slab ends where the leader epoch changes", () => {
  const cluster = made();
  put(cluster, ["a=1"]);
  valueOf(cluster.bumpLeaderEpoch(PLACE));
  put(cluster, ["b=1"]);
  const options = { from: 0, maxRecords: 10, maxBytes: 100, isCommitted: true };
  const first = valueOf(cluster.fetch(PLACE, options))!;
  const second = valueOf(cluster.fetch(PLACE, { ...options, from: 1 }))!;
  assertEquals([first.to, first.leaderEpoch, second.to, second.leaderEpoch], [1n, 0, 2n, 1]);
});

Deno.test("deleteRecordsBefore: the last stable offset is never before the log's start", () => {
  const cluster = made();
  const session = initialized(cluster);
  valueOf(put(cluster, ["a=1", "b=1"], { ...session, sequence: 0, transactionalId: ID }));
  valueOf(cluster.deleteRecordsBefore(PLACE, 1));
  assertEquals(valueOf(cluster.bounds(PLACE)), { logStart: 1, lastStableOffset: 1, logEnd: 2 });
  assertEquals(seen(cluster, 1), { rows: [], to: 1 });
  valueOf(end(cluster, session, true));
  assertEquals(seen(cluster, 1), { rows: ["1:b=1"], to: 3 });
});

Deno.test("log-restored: a snapshot of an older release tells no epochs, the batches do", () => {
  const cluster = made();
  put(cluster, ["a=1"]);
  valueOf(cluster.bumpLeaderEpoch(PLACE));
  put(cluster, ["b=1"]);
  const other = new EmbeddedCluster();
  for (const change of snapshotChanges(cluster)) {
    if (change.kind !== "log-restored") other.apply(change);
    else {
      const { epochs: _, ...older } = change;
      other.apply(older);
    }
  }
  const { epochs } = other.state.topics.get("t")!.logs[0]!;
  assertEquals(epochs.starts(), [[0, 0], [1, 1]]);
  valueOf(other.truncate(PLACE, 1));
  put(other, ["c=1", "d=1"]);
  const options = { from: 2, maxRecords: 10, maxBytes: 100, isCommitted: true };
  assertEquals(codeOf(other.fetch(PLACE, { ...options, lastEpoch: 1 })), "log-truncated");
});
