import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { setImmediate } from "node:timers";
import { BrokerUnavailableError, DiskFullError, JournalCorruptError, StateLockedError } from "../../base/errors.ts";
import { encodeChange } from "../../embedded/change_codec.ts";
import { snapshotChanges } from "../../embedded/snapshot_changes.ts";
import type { Environment } from "../../seams/adapter.ts";
import type { Broker, CommittedPosition, TransactionalProducer } from "../../seams/broker.ts";
import { FakeClock } from "../../../testing/fake_clock.ts";
import { recordsOf } from "../../../testing/record_rows.ts";
import { SeededRandom } from "../../../testing/seeded_random.ts";
import { MemoryDisk } from "../memory/memory_disk.ts";
import type { EmbeddedBroker } from "./embedded_broker.ts";
import { FileBroker, type FileBrokerOptions } from "./file_broker.ts";
import { RecordingObserver } from "./journal_fixture_test.ts";

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

function environment(seed = 1): Environment {
  return { clock: new FakeClock(), random: new SeededRandom(seed), observer: new RecordingObserver() };
}

function brokerOn(disk: MemoryDisk, options: FileBrokerOptions = {}): FileBroker {
  return new FileBroker(disk, environment(), options);
}

/** Everything durable that the broker knows, in a comparable form. */
async function stateOf(broker: FileBroker): Promise<string[]> {
  const { cluster } = await broker.connect() as EmbeddedBroker;
  return [...snapshotChanges(cluster)].map(encodeChange)
    .map(({ meta, payload }) => JSON.stringify([meta, payload === null ? null : [...payload]]));
}

async function produce(broker: Broker, topic: string, ...values: string[]): Promise<void> {
  const producer = await broker.producer();
  const outcome = await producer.produce({ topic, records: recordsOf(values), partitions: 0 });
  assertEquals(outcome.kind, "applied");
  await producer.close();
}

async function endOf(broker: Broker, topic: string): Promise<bigint> {
  const admin = await broker.admin();
  const [offsets] = await admin.offsets([{ topic, partition: 0 }]);
  await admin.close();
  return offsets!.logEnd;
}

async function begunTransaction(broker: Broker, value: string): Promise<TransactionalProducer> {
  const producer = await broker.transactionalProducer({ transactionalId: "app.sub.0.0" });
  assertEquals((await producer.initialize()).kind, "applied");
  producer.begin();
  const outcome = await producer.produce({ topic: "orders", records: recordsOf([value]), partitions: 0 });
  assertEquals(outcome.kind, "applied");
  return producer;
}

Deno.test("FileBroker gives back topics, records, transactions, offsets and its identity after a restart", async () => {
  const disk = new MemoryDisk();
  const broker = brokerOn(disk);
  const admin = await broker.admin();
  const clusterId = await admin.clusterId();
  await admin.createTopics([{ topic: "orders", partitions: 3 }]);
  await produce(broker, "orders", "a", "b");
  await (await begunTransaction(broker, "c")).commit();
  await (await begunTransaction(broker, "d")).abort();
  const position: CommittedPosition = { topic: "orders", partition: 0, offset: 2n, leaderEpoch: 0, metadata: "m" };
  await admin.setGroupOffsets("group", [position]);
  const state = await stateOf(broker);
  await broker.close();

  const next = brokerOn(disk);
  assertEquals(await stateOf(next), state);
  const nextAdmin = await next.admin();
  assertEquals(await nextAdmin.clusterId(), clusterId);
  assertEquals([...await nextAdmin.groupOffsets("group", [position])], [position]);
  assertEquals((await nextAdmin.describeTopics(["orders"]))[0]!.partitions, 3);
  await next.close();
});

Deno.test("FileBroker keeps what was acknowledged when the process ends without a goodbye", async () => {
  const disk = new MemoryDisk();
  const broker = brokerOn(disk);
  await produce(broker, "orders", "a");
  await begunTransaction(broker, "open");
  const state = await stateOf(broker);
  const next = brokerOn(disk.crash());
  assertEquals(await stateOf(next), state);
  await next.close();
});

Deno.test("FileBroker does not acknowledge what is not durable", async () => {
  const disk = new MemoryDisk();
  const broker = brokerOn(disk);
  await produce(broker, "orders", "a");
  let isStuck = false;
  disk.inject = ({ kind }) => kind === "sync" ? (isStuck = true, "crash") : undefined;
  let isAcknowledged = false;
  produce(broker, "orders", "b").then(() => isAcknowledged = true);
  await turn();
  assert(isStuck && !isAcknowledged);
  const next = brokerOn(disk.crash());
  assertEquals(await endOf(next, "orders"), 1n);
  await next.close();
});

Deno.test("FileBroker recovers the same state from a compacted journal", async () => {
  const disk = new MemoryDisk();
  const cluster = { retentionRecords: 20 };
  const broker = brokerOn(disk, { cluster, journal: { compactBytesMin: 6_000, segmentBytesMax: 3_000 } });
  for (let n = 0; n < 60; n++) {
    await produce(broker, "orders", `value ${n}`, "x".repeat(50));
    const producer = await begunTransaction(broker, `in transaction ${n}`);
    if (n % 3 > 0) await producer.commit();
    await turn();
  }
  const state = await stateOf(broker);
  await broker.close();
  const generations = (await disk.list("")).filter((name) => name.startsWith("generation-"));
  assert(generations.length === 1 && generations[0]! > "generation-000003", `${generations}`);
  const next = brokerOn(disk, { cluster });
  assertEquals(await stateOf(next), state);
  await next.close();
});

Deno.test("FileBroker refuses a directory that is open and can be opened when that one is closed", async () => {
  const disk = new MemoryDisk();
  const first = brokerOn(disk, { holder: "the first" });
  await first.open();
  const second = brokerOn(disk);
  await assertRejects(() => second.open(), StateLockedError, "held by 'the first'");
  await first.close();
  await second.open();
  await second.close();
});

Deno.test("FileBroker on a full disk refuses further work, loses nothing and goes on when there is space", async () => {
  const disk = new MemoryDisk();
  const broker = brokerOn(disk);
  await produce(broker, "orders", "a");
  const producer = await broker.producer();
  await turn();
  disk.capacityBytes = disk.usedBytes + 20;
  const outcome = await producer.produce({ topic: "orders", records: recordsOf(["b"]), partitions: 0 });
  assert(outcome.kind === "unknown" || outcome.kind === "not-applied");
  assertStringIncludes(fullText(outcome.error), "no space left");
  const again = await producer.produce({ topic: "orders", records: recordsOf(["c"]), partitions: 0 });
  assert(again.kind !== "applied");
  await broker.close().catch(() => {});
  disk.capacityBytes = Infinity;
  const next = brokerOn(disk);
  assertEquals(await endOf(next, "orders"), 1n);
  await produce(next, "orders", "b");
  await next.close();
});

/** Messages of an error and of its causes. */
function fullText(error: unknown): string {
  return error instanceof Error ? `${error.message} <- ${fullText(error.cause)}` : "";
}

Deno.test("FileBroker after a failed sync accepts nothing, also when later syncs would succeed", async () => {
  const disk = new MemoryDisk();
  const broker = brokerOn(disk);
  await produce(broker, "orders", "a");
  const producer = await broker.producer();
  let failures = 1;
  disk.inject = ({ kind }) => kind === "sync" && failures-- > 0 ? new Error("input/output error") : undefined;
  const request = { topic: "orders", records: recordsOf(["b"]), partitions: 0 };
  assertEquals((await producer.produce(request)).kind, "unknown");
  assert((await producer.produce(request)).kind !== "applied");
  await broker.close().catch(() => {});
  const next = brokerOn(disk.crash());
  assertEquals(await endOf(next, "orders"), 1n);
  await next.close();
});

Deno.test("FileBroker can be opened again after it could not, and not after close()", async () => {
  const disk = new MemoryDisk({ inject: ({ index }) => index === 0 ? new DiskFullError("full") : undefined });
  const broker = brokerOn(disk);
  await assertRejects(() => broker.open(), DiskFullError);
  await broker.open();
  await broker.close();
  await broker.close();
  await assertRejects(() => broker.open(), BrokerUnavailableError, "it was closed");
  await assertRejects(() => broker.producer(), BrokerUnavailableError, "it was closed");
});

Deno.test("FileBroker.close() without open() touches nothing", async () => {
  const disk = new MemoryDisk();
  await brokerOn(disk).close();
  assertEquals(disk.operationCount, 0);
});

Deno.test("FileBroker refuses a journal with a change of a newer release", async () => {
  const disk = new MemoryDisk();
  const { FileJournal } = await import("./file_journal.ts");
  const { observer, random } = environment();
  const journal = await FileJournal.open({ disk, holder: "x", observer, random, replay: () => {}, snapshot: () => [] });
  journal.append({ meta: { kind: "something-new" }, payload: null });
  await journal.close();
  await assertRejects(() => brokerOn(disk).open(), JournalCorruptError, "something-new");
});

for (
  const [how, journal] of [["journal", {}], ["snapshot", {
    segmentBytesMax: 500,
    compactBytesMin: 1,
    compactRatio: 1,
  }]] as const
) {
  Deno.test(`FileBroker remembers gaps, lost ends of logs and used up epochs, from its ${how}`, async () => {
    const disk = new MemoryDisk();
    const broker = brokerOn(disk, { journal });
    await (await broker.admin()).createTopics([{ topic: "orders", partitions: 1 }]);
    const place = { topic: "orders", partition: 0 };
    const { cluster } = await broker.connect() as EmbeddedBroker;
    for (const key of ["a", "a", "b", "a", "c"]) {
      const producer = await broker.producer();
      await producer.produce({ topic: "orders", records: recordsOf([{ key, value: key }]), partitions: 0 });
    }
    assertEquals(cluster.compact(place), { kind: "done", value: 2 });
    const producer = await begunTransaction(broker, "d");
    assertEquals(cluster.exhaustEpochs("app.sub.0.0").kind, "done");
    assertEquals((await producer.commit()).kind, "applied");
    assertEquals(cluster.exhaustEpochs("app.sub.0.0").kind, "done");
    assertEquals(cluster.truncate(place, 4), { kind: "done", value: 4 });
    await produce(broker, "orders", "e");
    const state = await stateOf(broker);
    await broker.close();

    const next = brokerOn(disk);
    assertEquals(await stateOf(next), state);
    const consumer = await next.consumer({ groupId: "group" });
    const quiet = {
      assigned: () => Promise.resolve(),
      revoked: () => Promise.resolve(),
      lost: () => Promise.resolve(),
    };
    await consumer.subscribe(["orders"], quiet);
    const [slab] = await consumer.poll({ maxRecords: 10, maxBytes: 1_000, timeoutMs: 0 });
    assertEquals([[...slab!.offsets], slab!.to], [[2, 3], 4n]);
    const [rest] = await consumer.poll({ maxRecords: 10, maxBytes: 1_000, timeoutMs: 0 });
    assertEquals([[...rest!.offsets], rest!.leaderEpoch], [[4], 1]);
    await next.close();
  });
}
