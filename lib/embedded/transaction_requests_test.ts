import { assert, assertEquals } from "@std/assert";
import { spansOf } from "../columns/spans.ts";
import { EmbeddedCluster } from "./cluster.ts";
import type { Reply } from "./reply.ts";
import { PRODUCER_EPOCH_MAX, type ProducerSession } from "./transaction_requests.ts";

const T0 = { wallMs: 1_000, monotonicMs: 0 };
const ID = "app.copy.0.0";

function valueOf<T>(reply: Reply<T>): T {
  assert(reply.kind === "done", reply.kind === "refused" ? reply.message : "");
  return reply.value;
}

function codeOf(reply: Reply<unknown>): string {
  assert(reply.kind === "refused", "expected a refusal");
  return reply.code;
}

function made(version: 1 | 2): EmbeddedCluster {
  const cluster = new EmbeddedCluster();
  cluster.setTransactionVersion(version);
  cluster.createTopic({ topic: "t", partitions: 2, topicId: "id" }, T0);
  return cluster;
}

function initialized(cluster: EmbeddedCluster, timeoutMs = 1_000): ProducerSession {
  return valueOf(cluster.initializeTransactions({ transactionalId: ID, timeoutMs }, T0));
}

function send(cluster: EmbeddedCluster, session: ProducerSession, sequence = 0, partition = 0): Reply<unknown> {
  if (cluster.state.transactionVersion === 1) {
    const partitions = [["t", partition] as const];
    const added = cluster.addTransactionPartitions({ transactionalId: ID, ...session, partitions }, T0);
    if (added.kind === "refused") return added;
  }
  const records = { count: 1, keys: null, values: spansOf(["v"]), timestamps: null, headers: null };
  const producer = { ...session, sequence, transactionalId: ID };
  return cluster.produce({ topic: "t", partition, records, rows: null, producer }, T0);
}

function end(cluster: EmbeddedCluster, session: ProducerSession, isCommit: boolean): Reply<ProducerSession> {
  return cluster.endTransaction({ transactionalId: ID, ...session, isCommit }, T0);
}

function visible(cluster: EmbeddedCluster, partition = 0): number {
  const options = { from: 0, maxRecords: 100, maxBytes: 10_000, isCommitted: true };
  return valueOf(cluster.fetch({ topic: "t", partition }, options))?.records.count ?? 0;
}

Deno.test("first generation: a delayed end of an earlier transaction ends a later one of the same epoch", () => {
  const cluster = made(1);
  const session = initialized(cluster);
  valueOf(send(cluster, session));
  valueOf(end(cluster, session, false));
  valueOf(send(cluster, session, 1));
  assertEquals(visible(cluster), 0);
  // The commit that was sent for the first transaction lands now.
  valueOf(end(cluster, session, true));
  assertEquals(visible(cluster), 1);
});

Deno.test("second generation: a delayed end of an earlier transaction is fenced", () => {
  const cluster = made(2);
  const session = initialized(cluster);
  valueOf(send(cluster, session));
  const next = valueOf(end(cluster, session, false));
  assertEquals(next, { producerId: session.producerId, producerEpoch: session.producerEpoch + 1 });
  valueOf(send(cluster, next));
  assertEquals(codeOf(end(cluster, session, true)), "producer-fenced");
  assertEquals(codeOf(end(cluster, session, false)), "producer-fenced");
  assertEquals(visible(cluster), 0);
  assertEquals(cluster.transactionStatus(ID), "Ongoing");
});

Deno.test("second generation: a delayed batch of an earlier transaction is fenced", () => {
  const cluster = made(2);
  const session = initialized(cluster);
  valueOf(send(cluster, session));
  const next = valueOf(end(cluster, session, true));
  valueOf(send(cluster, next));
  assertEquals(codeOf(send(cluster, session, 1)), "producer-fenced");
});

for (const version of [1, 2] as const) {
  Deno.test(`generation ${version}: a repeated end is answered as the first one and changes nothing`, () => {
    const cluster = made(version);
    const session = initialized(cluster);
    valueOf(send(cluster, session));
    const first = valueOf(end(cluster, session, true));
    const kinds: string[] = [];
    cluster.onChange(({ kind }) => kinds.push(kind));
    assertEquals(valueOf(end(cluster, session, true)), first);
    assertEquals(kinds, []);
  });

  Deno.test(`generation ${version}: an abort after a commit is refused`, () => {
    const cluster = made(version);
    const session = initialized(cluster);
    valueOf(send(cluster, session));
    valueOf(end(cluster, session, true));
    assert(end(cluster, session, false).kind === "refused");
    assertEquals(visible(cluster), 1);
  });

  Deno.test(`generation ${version}: initialize() aborts the open transaction and fences its producer`, () => {
    const cluster = made(version);
    const old = initialized(cluster);
    valueOf(send(cluster, old));
    const session = initialized(cluster);
    assert(session.producerEpoch > old.producerEpoch + 1, "the abort has an epoch of its own");
    assertEquals(cluster.transactionStatus(ID), "Empty");
    assertEquals(codeOf(end(cluster, old, true)), "producer-fenced");
    assertEquals(codeOf(send(cluster, old, 1)), "producer-fenced");
    assertEquals(visible(cluster), 0);
  });

  Deno.test(`generation ${version}: while markers are held, the next request is to be tried again`, () => {
    const cluster = made(version);
    const session = initialized(cluster);
    valueOf(send(cluster, session));
    cluster.holdMarkers(true);
    const next = valueOf(end(cluster, session, true));
    assertEquals(cluster.transactionStatus(ID), "PrepareCommit");
    assertEquals(visible(cluster), 0);
    assertEquals(codeOf(send(cluster, next, version === 1 ? 1 : 0)), "concurrent-transactions");
    const again = cluster.initializeTransactions({ transactionalId: ID, timeoutMs: 1_000 }, T0);
    assertEquals(codeOf(again), "concurrent-transactions");
    cluster.holdMarkers(false);
    cluster.tick(T0);
    assertEquals(cluster.transactionStatus(ID), "CompleteCommit");
    assertEquals(visible(cluster), 1);
    valueOf(send(cluster, next, version === 1 ? 1 : 0));
  });

  Deno.test(`generation ${version}: a transaction past its timeout is aborted under a new epoch`, () => {
    const cluster = made(version);
    const session = initialized(cluster, 500);
    valueOf(send(cluster, session));
    assertEquals(cluster.nextDeadlineMs(), 500);
    cluster.tick({ wallMs: 0, monotonicMs: 499 });
    assertEquals(cluster.transactionStatus(ID), "Ongoing");
    cluster.tick({ wallMs: 0, monotonicMs: 500 });
    assertEquals(cluster.transactionStatus(ID), "CompleteAbort");
    assertEquals(codeOf(send(cluster, session, 1)), "producer-fenced");
    if (version === 1) {
      assertEquals(codeOf(end(cluster, session, true)), "producer-fenced");
      assertEquals(codeOf(end(cluster, session, false)), "producer-fenced");
    } else {
      // The epoch tells that nobody has taken over: the producer may abort what timed out, and go on.
      assertEquals(codeOf(end(cluster, session, true)), "invalid-transaction-state");
      const next = valueOf(end(cluster, session, false));
      assertEquals(next.producerEpoch, session.producerEpoch + 1);
      valueOf(send(cluster, next));
      valueOf(end(cluster, next, true));
      assertEquals(visible(cluster), 1);
      assertEquals(codeOf(end(cluster, session, false)), "producer-fenced");
    }
    assertEquals(cluster.nextDeadlineMs(), Infinity);
  });

  Deno.test(`generation ${version}: the other end of a transaction that has ended is refused as such`, () => {
    const cluster = made(version);
    const session = initialized(cluster);
    for (const isCommit of [true, false]) {
      const first = cluster.state.transactions.get(ID)!;
      const current = { producerId: first.producerId, producerEpoch: first.producerEpoch };
      valueOf(send(cluster, current, version === 1 && !isCommit ? 1 : 0));
      valueOf(end(cluster, current, isCommit));
      assertEquals(codeOf(end(cluster, current, !isCommit)), "invalid-transaction-state");
    }
    const newer = initialized(cluster);
    assert(newer.producerEpoch > session.producerEpoch);
    assertEquals(codeOf(end(cluster, session, true)), "producer-fenced");
    assertEquals(visible(cluster), 1);
  });

  Deno.test(`generation ${version}: used up epochs give the producer a new id`, () => {
    const cluster = made(version);
    const first = initialized(cluster);
    let session = first;
    for (let i = 0; i < PRODUCER_EPOCH_MAX - 1; i++) session = initialized(cluster);
    assertEquals(session.producerId, first.producerId);
    assertEquals(session.producerEpoch, PRODUCER_EPOCH_MAX - 1);
    valueOf(send(cluster, session));
    session = initialized(cluster);
    assert(session.producerId > first.producerId);
    valueOf(send(cluster, session));
    valueOf(end(cluster, session, true));
    assertEquals(visible(cluster), 1);
  });
}

Deno.test("first generation: a partition must be added before records go to it", () => {
  const cluster = made(1);
  const session = initialized(cluster);
  const records = { count: 1, keys: null, values: spansOf(["v"]), timestamps: null, headers: null };
  const producer = { ...session, sequence: 0, transactionalId: ID };
  const reply = cluster.produce({ topic: "t", partition: 0, records, rows: null, producer }, T0);
  assertEquals(codeOf(reply), "invalid-transaction-state");
});

Deno.test("first generation: a commit of nothing is refused", () => {
  const cluster = made(1);
  assertEquals(codeOf(end(cluster, initialized(cluster), true)), "invalid-transaction-state");
});

Deno.test("a transaction timeout past the bound is refused", () => {
  const cluster = made(2);
  const reply = cluster.initializeTransactions({ transactionalId: ID, timeoutMs: 900_001 }, T0);
  assertEquals(codeOf(reply), "invalid-transaction-timeout");
});

Deno.test("an expired transactional id is dead, and its producer unknown", () => {
  const cluster = made(2);
  const session = initialized(cluster);
  valueOf(send(cluster, session));
  assertEquals(codeOf(cluster.expireTransactionalId(ID)), "invalid-transaction-state");
  const next = valueOf(end(cluster, session, true));
  valueOf(cluster.expireTransactionalId(ID));
  assertEquals(cluster.transactionStatus(ID), "Dead");
  assertEquals(codeOf(send(cluster, next)), "unknown-producer");
});

Deno.test("a deleted topic leaves open transactions without harm", () => {
  const cluster = made(2);
  const session = initialized(cluster);
  valueOf(send(cluster, session));
  cluster.deleteTopic("t", T0);
  cluster.createTopic({ topic: "t", partitions: 1, topicId: "other" }, T0);
  valueOf(end(cluster, session, true));
  assertEquals(cluster.transactionStatus(ID), "CompleteCommit");
  assertEquals(visible(cluster), 0);
});

Deno.test("a marker closes each partition of the transaction once", () => {
  const cluster = made(2);
  const session = initialized(cluster);
  valueOf(send(cluster, session, 0, 0));
  valueOf(send(cluster, session, 0, 1));
  const markers: number[] = [];
  cluster.onChange((change) => change.kind === "marker-appended" && markers.push(change.partition));
  valueOf(end(cluster, session, true));
  assertEquals(markers, [0, 1]);
  assertEquals(valueOf(cluster.bounds({ topic: "t", partition: 1 })).lastStableOffset, 2);
});
