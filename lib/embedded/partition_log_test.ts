import { assert, assertEquals } from "@std/assert";
import { spansOf } from "../columns/spans.ts";
import type { Records } from "../columns/records.ts";
import { EmbeddedCluster } from "./cluster.ts";
import { REMEMBERED_BATCHES, REMEMBERED_PRODUCERS } from "./partition_producers.ts";
import type { Reply } from "./reply.ts";

const T0 = { wallMs: 5_000, monotonicMs: 0 };
const PLACE = { topic: "t", partition: 0 };

function valueOf<T>(reply: Reply<T>): T {
  assert(reply.kind === "done", reply.kind === "refused" ? reply.message : "");
  return reply.value;
}

function made(options: ConstructorParameters<typeof EmbeddedCluster>[0] = {}): EmbeddedCluster {
  const cluster = new EmbeddedCluster(options);
  cluster.createTopic({ topic: "t", partitions: 1, topicId: "id" }, T0);
  return cluster;
}

function records(...values: string[]): Records {
  return { count: values.length, keys: null, values: spansOf(values), timestamps: null, headers: null };
}

interface Identity {
  producerId: number;
  producerEpoch: number;
  sequence: number;
}

function put(cluster: EmbeddedCluster, values: string[], identity: Identity | null = null) {
  const producer = identity === null ? null : { ...identity, transactionalId: null };
  return cluster.produce({ ...PLACE, records: records(...values), rows: null, producer }, T0);
}

function read(cluster: EmbeddedCluster, from: number, maxRecords = 100, maxBytes = 10_000) {
  return valueOf(cluster.fetch(PLACE, { from, maxRecords, maxBytes, isCommitted: true }));
}

Deno.test("produce: a repeated batch is answered with its first offset and written once", () => {
  const cluster = made();
  const identity = { producerId: 7, producerEpoch: 0, sequence: 0 };
  put(cluster, ["a", "b"], identity);
  put(cluster, ["c"], { ...identity, sequence: 2 });
  assertEquals(valueOf(put(cluster, ["a", "b"], identity)), { firstOffset: 0, isDuplicate: true });
  assertEquals(valueOf(cluster.bounds(PLACE)).logEnd, 3);
});

Deno.test("produce: the last five batches of a producer are remembered, older ones are out of order", () => {
  const cluster = made();
  const send = (sequence: number) => put(cluster, ["v"], { producerId: 7, producerEpoch: 0, sequence });
  for (let sequence = 0; sequence <= REMEMBERED_BATCHES; sequence++) valueOf(send(sequence));
  const old = send(0);
  assert(old.kind === "refused" && old.code === "out-of-order-sequence");
  for (let sequence = 1; sequence <= REMEMBERED_BATCHES; sequence++) {
    assertEquals(valueOf(send(sequence)), { firstOffset: sequence, isDuplicate: true });
  }
});

Deno.test("produce: a gap and an old epoch are refused", () => {
  const cluster = made();
  valueOf(put(cluster, ["a"], { producerId: 7, producerEpoch: 1, sequence: 0 }));
  const gap = put(cluster, ["b"], { producerId: 7, producerEpoch: 1, sequence: 2 });
  assert(gap.kind === "refused" && gap.code === "out-of-order-sequence");
  const old = put(cluster, ["b"], { producerId: 7, producerEpoch: 0, sequence: 1 });
  assert(old.kind === "refused" && old.code === "invalid-producer-epoch");
  const high = put(cluster, ["b"], { producerId: 7, producerEpoch: 2, sequence: 1 });
  assert(high.kind === "refused" && high.code === "out-of-order-sequence");
  valueOf(put(cluster, ["b"], { producerId: 7, producerEpoch: 2, sequence: 0 }));
});

Deno.test("produce: a partition remembers a bounded number of producers, the silent ones go first", () => {
  const cluster = made();
  for (let producerId = 1; producerId <= REMEMBERED_PRODUCERS + 1; producerId++) {
    valueOf(put(cluster, ["v"], { producerId, producerEpoch: 0, sequence: 0 }));
  }
  const forgotten = put(cluster, ["v"], { producerId: 1, producerEpoch: 0, sequence: 1 });
  assert(forgotten.kind === "refused");
  valueOf(put(cluster, ["v"], { producerId: 2, producerEpoch: 0, sequence: 1 }));
});

Deno.test("fetch: one batch is handed out without a copy, several are joined", () => {
  const cluster = made();
  put(cluster, ["aa", "bb"]);
  put(cluster, ["cc"]);
  const log = cluster.state.topics.get("t")!.logs[0]!;
  assert(read(cluster, 0, 2)!.records === log.batchAt(0).records);
  assert(read(cluster, 1, 1)!.records.values.bytes === log.batchAt(0).records!.values.bytes);
  const joined = read(cluster, 1)!;
  assertEquals([...joined.offsets], [1, 2]);
  assertEquals([joined.from, joined.to, joined.highWatermark], [1n, 3n, 3n]);
});

Deno.test("fetch: bytes are bounded, but one record always comes", () => {
  const cluster = made();
  put(cluster, ["x".repeat(50), "y".repeat(50), "z".repeat(50)]);
  put(cluster, ["w".repeat(50)]);
  assertEquals(read(cluster, 0, 100, 1)!.records.count, 1);
  assertEquals(read(cluster, 0, 100, 100)!.records.count, 2);
  assertEquals(read(cluster, 0, 100, 160)!.records.count, 3);
  assertEquals(read(cluster, 0, 100, 200)!.records.count, 4);
});

Deno.test("fetch: a position outside of the log is refused with its bounds", () => {
  const cluster = made();
  put(cluster, ["a", "b", "c"]);
  valueOf(cluster.deleteRecordsBefore(PLACE, 2));
  for (const from of [1, 4]) {
    const reply = cluster.fetch(PLACE, { from, maxRecords: 1, maxBytes: 1, isCommitted: true });
    assert(reply.kind === "refused" && reply.code === "offset-out-of-range");
    assertEquals([reply.context.logStart, reply.context.logEnd], [2, 3]);
  }
  assertEquals(read(cluster, 3), null);
  assertEquals(read(cluster, 2)!.logStart, 2n);
});

Deno.test("retention: by bytes and by records, whole batches, never the newest, never past an open transaction", () => {
  const byBytes = made({ retentionBytes: 100 });
  for (let i = 0; i < 10; i++) put(byBytes, ["x".repeat(40)]);
  assertEquals(valueOf(byBytes.bounds(PLACE)).logStart, 8);
  const byRecords = made({ retentionRecords: 5 });
  for (let i = 0; i < 5; i++) put(byRecords, ["a", "b"]);
  assertEquals(valueOf(byRecords.bounds(PLACE)).logStart, 6);
  const open = made({ retentionRecords: 2 });
  const session = valueOf(open.initializeTransactions({ transactionalId: "x", timeoutMs: 100 }, T0));
  const producer = { ...session, sequence: 0, transactionalId: "x" };
  open.produce({ ...PLACE, records: records("open"), rows: null, producer }, T0);
  for (let i = 0; i < 5; i++) put(open, ["v"]);
  assertEquals(valueOf(open.bounds(PLACE)).logStart, 0);
});

Deno.test("timestamps: given ones are kept, others are stamped with wall time", () => {
  const cluster = made();
  put(cluster, ["a"]);
  const given = { ...records("b"), timestamps: Float64Array.of(1) };
  cluster.produce({ ...PLACE, records: given, rows: null, producer: null }, T0);
  assertEquals([...read(cluster, 0)!.records.timestamps!], [5_000, 1]);
  assertEquals(valueOf(cluster.offsetAt(PLACE, 2)), 0);
  assertEquals(valueOf(cluster.offsetAt(PLACE, 5_001)), 2);
});

Deno.test("topics: illegal names and counts are refused, changes are none", () => {
  const cluster = made();
  const kinds: string[] = [];
  cluster.onChange(({ kind }) => kinds.push(kind));
  for (const topic of ["", ".", "..", "a b", "a:b", "x".repeat(250)]) {
    const reply = cluster.createTopic({ topic, partitions: 1, topicId: "i" }, T0);
    assert(reply.kind === "refused" && reply.code === "invalid-topic", topic);
  }
  for (const partitions of [0, -1, 1.5, NaN]) {
    assert(cluster.createTopic({ topic: "u", partitions, topicId: "i" }, T0).kind === "refused");
    assert(cluster.addPartitions({ topic: "t", partitions }, T0).kind === "refused");
  }
  assert(cluster.deleteTopic("absent", T0).kind === "refused");
  assert(cluster.deleteRecordsBefore(PLACE, 1).kind === "refused");
  assertEquals(kinds, []);
});

Deno.test("EmbeddedCluster: a bound that is not above zero is a RangeError", () => {
  for (const retentionBytes of [0, -1, NaN]) {
    let thrown: unknown;
    try {
      new EmbeddedCluster({ retentionBytes });
    } catch (error) {
      thrown = error;
    }
    assert(thrown instanceof RangeError);
    const rule = "Cannot create cluster as 'retentionBytes' must be a number > 0: current value is ";
    assertEquals(thrown.message, rule + retentionBytes);
  }
});
