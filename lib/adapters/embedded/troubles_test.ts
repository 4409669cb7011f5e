import { assert, assertEquals, assertRejects } from "@std/assert";
import { BrokerUnavailableError, OffsetOutOfRangeError } from "../../base/errors.ts";
import type { Consumer } from "../../seams/broker.ts";
import { recordsOf } from "../../../testing/record_rows.ts";
import { kindOf, made, member, NOW, position, text, valuesOf } from "./embedded_fixture_test.ts";

const PLACE = { topic: "t", partition: 0 };

/** What a promise came to so far. */
function watch<T>(promise: Promise<T>): { state: () => T | "waits" } {
  let found: T | "waits" = "waits";
  promise.then((value) => found = value);
  return { state: () => found };
}

Deno.test("produce() to a partition without a leader waits, in order, and is applied once", async () => {
  const { broker, clock, values } = made();
  const producer = await broker.producer();
  broker.setLeaderless(PLACE, true);
  const first = watch(producer.produce(text("a")));
  const second = watch(producer.produce(text("b", "c")));
  await clock.advance(5_000);
  assertEquals([first.state(), second.state(), values()], ["waits", "waits", []]);
  broker.setLeaderless(PLACE, false);
  await clock.advance(200);
  assert(first.state() !== "waits" && second.state() !== "waits");
  assertEquals(values(), ["a", "b", "c"]);
  await broker.close();
});

Deno.test("produce() gives up after 'requestTimeoutMs' as not applied; the same producer goes on later", async () => {
  const { broker, clock, values } = made({ requestTimeoutMs: 1_000 });
  const producer = await broker.transactionalProducer({ transactionalId: "x" });
  await producer.initialize();
  broker.setReplicasShort(PLACE, true);
  producer.begin();
  const sent = [producer.produce(text("a")), producer.produce(text("b"))];
  await clock.advance(3_000);
  for (const each of sent) assertEquals(kindOf(await each), "not-applied BrokerUnavailableError");
  assertEquals(kindOf(await producer.abort()), "applied");
  broker.setReplicasShort(PLACE, false);
  producer.begin();
  assertEquals(kindOf(await producer.produce(text("c"))), "applied");
  assertEquals(kindOf(await producer.commit()), "applied");
  assertEquals(values(), ["c"]);
  await broker.close();
});

Deno.test("produce(): requests that come together after a failure keep their order through the next one", async () => {
  const { broker, clock, values } = made({ requestTimeoutMs: 1_000 });
  const producer = await broker.producer();
  broker.setLeaderless(PLACE, true);
  const refused = producer.produce(text("a"));
  await clock.advance(1_500);
  assertEquals(kindOf(await refused), "not-applied BrokerUnavailableError");
  const sent = [producer.produce(text("a")), producer.produce(text("b"))];
  await clock.advance(50);
  const { nextProducerId } = broker.cluster.state;
  broker.setLeaderless(PLACE, false);
  await clock.advance(200);
  for (const each of sent) assertEquals(kindOf(await each), "applied");
  assertEquals([values(), nextProducerId], [["a", "b"], 3]);
  await broker.close();
});

Deno.test("produce() of which one partition is refused for now sends the rest, and that one later", async () => {
  const { broker, clock, values } = made({}, 2);
  const producer = await broker.producer();
  broker.setLeaderless({ topic: "t", partition: 1 }, true);
  const records = recordsOf(["p0", "p1", "p0"]);
  const sent = producer.produce({ topic: "t", records, partitions: Int32Array.of(0, 1, 0) });
  await clock.advance(100);
  assertEquals(values(), ["p0", "p0"]);
  broker.setLeaderless({ topic: "t", partition: 1 }, false);
  await clock.advance(100);
  const outcome = await sent;
  assert(outcome.kind === "applied");
  assertEquals(outcome.value.map(({ partition, count }) => [partition, count]), [[0, 2], [1, 1]]);
  assertEquals(values(), ["p0", "p0", "p1"]);
  await broker.close();
});

Deno.test("produce() of which one partition is refused for good is unknown", async () => {
  const { broker, clock, values } = made({ requestTimeoutMs: 500 }, 2);
  const producer = await broker.producer();
  broker.setLeaderless({ topic: "t", partition: 1 }, true);
  const sent = producer.produce({ topic: "t", records: recordsOf(["p0", "p1"]), partitions: Int32Array.of(0, 1) });
  await clock.advance(1_000);
  assertEquals(kindOf(await sent), "unknown BrokerUnavailableError");
  assertEquals(values(), ["p0"]);
  await broker.close();
});

Deno.test("poll() reads the partitions that have a leader; without any it is a BrokerUnavailableError", async () => {
  const { broker } = made({}, 2);
  broker.put("t", ["a"], 0);
  broker.put("t", ["b"], 1);
  const { consumer } = await member(broker);
  broker.setLeaderless(PLACE, true);
  assertEquals(await valuesOf(consumer), ["b"]);
  const error = await assertRejects(() => consumer.poll(NOW), BrokerUnavailableError);
  assertEquals(error.outcome, "not-applied");
  broker.setLeaderless(PLACE, false);
  assertEquals(await valuesOf(consumer), ["a"]);
  await broker.close();
});

Deno.test("admin() waits for a leader", async () => {
  const { broker, clock } = made();
  broker.put("t", ["a"]);
  broker.setLeaderless(PLACE, true);
  const asked = watch((await broker.admin()).offsets([PLACE]));
  await clock.advance(1_000);
  assertEquals(asked.state(), "waits");
  broker.setLeaderless(PLACE, false);
  await clock.advance(10);
  assertEquals(asked.state(), [{ ...PLACE, logStart: 0n, logEnd: 1n }]);
  await broker.close();
});

Deno.test("commit() waits for a coordinator that moves; nobody is told of anything", async () => {
  const { broker, clock } = made();
  const { consumer, told } = await member(broker);
  assertEquals(await valuesOf(consumer), []);
  broker.put("t", ["a"]);
  broker.moveCoordinator("g", { forMs: 2_000 });
  assertEquals(await valuesOf(consumer), ["a"], "fetching goes on");
  const commit = watch(consumer.commit([position(1)], consumer.groupMetadata()));
  const committed = watch(consumer.committed([PLACE], { isStable: true }));
  await clock.advance(1_999);
  assertEquals([commit.state(), committed.state()], ["waits", "waits"]);
  await clock.advance(1);
  assertEquals(kindOf(commit.state() as Awaited<ReturnType<Consumer["commit"]>>), "applied");
  assertEquals((committed.state() as readonly { offset: bigint }[]).length, 1);
  assertEquals([told.events, broker.generation("g")], [["assigned 0"], 1]);
  await broker.close();
});

Deno.test("poll() of a partition without a position needs the coordinator: BrokerUnavailableError, tried again", async () => {
  const { broker, clock } = made();
  broker.put("t", ["a"]);
  const { consumer } = await member(broker);
  broker.moveCoordinator("g", { forMs: 1_000 });
  await assertRejects(() => consumer.poll(NOW), BrokerUnavailableError);
  await clock.advance(1_000);
  assertEquals(await valuesOf(consumer), ["a"]);
  await broker.close();
});

Deno.test("commit() and sendOffsets() past 'requestTimeoutMs' are not applied", async () => {
  const { broker, clock } = made({ requestTimeoutMs: 500 });
  const { consumer } = await member(broker);
  const producer = await broker.transactionalProducer({ transactionalId: "x" });
  await producer.initialize();
  broker.moveCoordinator("g", { forMs: 60_000 });
  producer.begin();
  const sent = producer.sendOffsets([position(1)], consumer.groupMetadata());
  const commit = consumer.commit([position(1)], consumer.groupMetadata());
  await clock.advance(600);
  assertEquals(kindOf(await sent), "not-applied BrokerUnavailableError");
  assertEquals(kindOf(await commit), "not-applied BrokerUnavailableError");
  assertEquals(broker.committedOffsets("g"), []);
  await broker.close();
});

Deno.test("subscribe() while the coordinator moves joins with a later poll", async () => {
  const { broker, clock } = made();
  broker.put("t", ["a"]);
  broker.moveCoordinator("g", { forMs: 1_000 });
  const { consumer, told } = await member(broker);
  assertEquals([await valuesOf(consumer), told.events], [[], []]);
  await clock.advance(1_000);
  assertEquals([await valuesOf(consumer), told.events], [["a"], ["assigned 0"]]);
  await broker.close();
});

Deno.test("a goodbye is said again while the coordinator moves, for two seconds; a dirty close says it once", async () => {
  for (const [forMs, isDirty, isGone] of [[1_500, false, true], [2_500, false, false], [10, true, false]] as const) {
    const { broker, clock } = made();
    const { consumer } = await member(broker);
    assertEquals(await valuesOf(consumer), []);
    broker.moveCoordinator("g", { forMs });
    const closing = consumer.close({ isDirty });
    await clock.advance(2_000);
    await closing;
    await clock.advance(forMs);
    assertEquals(broker.members("g").length, isGone ? 0 : 1, `${forMs} ms, dirty: ${isDirty}`);
    await broker.close();
  }
});

Deno.test("a transaction waits for its coordinator that moves", async () => {
  const { broker, clock, values } = made();
  const producer = await broker.transactionalProducer({ transactionalId: "x" });
  broker.moveTransactionCoordinator("x", { forMs: 300 });
  const initialized = watch(producer.initialize());
  await clock.advance(300);
  assert(initialized.state() !== "waits");
  producer.begin();
  await producer.produce(text("a"));
  broker.moveTransactionCoordinator("x", { forMs: 300 });
  const ended = watch(producer.commit());
  await clock.advance(299);
  assertEquals([ended.state(), values()], ["waits", []]);
  await clock.advance(1);
  assertEquals(values(), ["a"]);
  assert(ended.state() !== "waits");
  await broker.close();
});

for (const version of [1, 2] as const) {
  Deno.test(`generation ${version}: a commit is applied before its control record can be written`, async () => {
    const { broker, clock, values } = made({ transactionVersion: version });
    const producer = await broker.transactionalProducer({ transactionalId: "x" });
    await producer.initialize();
    producer.begin();
    await producer.produce(text("a"));
    broker.setReplicasShort(PLACE, true);
    assertEquals(kindOf(await producer.commit()), "applied");
    assertEquals([values(), broker.transactionStatus("x")], [[], "PrepareCommit"]);
    producer.begin();
    const next = watch(producer.produce(text("b")));
    await clock.advance(1_000);
    assertEquals(next.state(), "waits");
    broker.setReplicasShort(PLACE, false);
    await clock.advance(200);
    assert(next.state() !== "waits");
    assertEquals(values(), ["a"]);
    await broker.close();
  });

  Deno.test(`generation ${version}: a producer whose batches an unclean election lost goes on after one abort`, async () => {
    const { broker, values } = made({ transactionVersion: version });
    const producer = await broker.transactionalProducer({ transactionalId: "x" });
    await producer.initialize();
    producer.begin();
    await producer.produce(text("a"));
    await producer.commit();
    producer.begin();
    assertEquals(kindOf(await producer.produce(text("b"))), "applied");
    broker.truncate(PLACE, 0);
    assertEquals(kindOf(await producer.produce(text("c"))), "not-applied TransactionAbortedError");
    assertEquals(kindOf(await producer.abort()), "applied");
    producer.begin();
    assertEquals(kindOf(await producer.produce(text("d"))), "applied");
    // What became of the abort before is of no concern to this commit: it is told as soon as it is decided.
    broker.holdMarkers(true);
    assertEquals(kindOf(await producer.commit()), "applied");
    broker.holdMarkers(false);
    assertEquals(values(), ["d"]);
    await broker.close();
  });

  Deno.test(`generation ${version}: used up epochs are no trouble for a producer, and fence the one before`, async () => {
    const { broker, values } = made({ transactionVersion: version });
    const older = await broker.transactionalProducer({ transactionalId: "x" });
    await older.initialize();
    older.begin();
    await older.produce(text("a"));
    broker.exhaustEpochs("x");
    assertEquals(kindOf(await older.commit()), "applied");
    older.begin();
    assertEquals(kindOf(await older.produce(text("b"))), "applied");
    broker.exhaustEpochs("x");
    const newer = await broker.transactionalProducer({ transactionalId: "x" });
    assertEquals(kindOf(await newer.initialize()), "applied");
    assertEquals(kindOf(await older.commit()), "not-applied FencedError");
    newer.begin();
    await newer.produce(text("c"));
    assertEquals(kindOf(await newer.commit()), "applied");
    assertEquals(values(), ["a", "c"]);
    await broker.close();
  });
}

Deno.test("poll() passes gaps that compaction left, with an empty slab where nothing is left", async () => {
  const { broker } = made();
  broker.put("t", [{ key: "a", value: "1" }]);
  broker.put("t", [{ key: "a", value: "2" }]);
  broker.put("t", [{ key: "b", value: "3" }]);
  assertEquals(broker.compact(PLACE), 1);
  const { consumer } = await member(broker);
  const slabs = await consumer.poll(NOW);
  assertEquals(slabs.map(({ from, to, offsets }) => [from, to, [...offsets]]), [[0n, 3n, [1, 2]]]);
  broker.truncate(PLACE, 1);
  consumer.seek(PLACE, 0n);
  const [empty] = await consumer.poll(NOW);
  assertEquals([empty!.from, empty!.to, empty!.records.count], [0n, 1n, 0]);
  await broker.close();
});

Deno.test("a consumer that was ahead of an unclean election is told where the logs part, and goes nowhere", async () => {
  const { broker } = made();
  broker.put("t", ["a"]);
  broker.put("t", ["b", "c"]);
  const { consumer } = await member(broker);
  assertEquals(await valuesOf(consumer), ["a", "b", "c"]);
  assertEquals(broker.truncate(PLACE, 2), 1);
  const beyond = await assertRejects(() => consumer.poll(NOW), OffsetOutOfRangeError);
  assertEquals([beyond.context.position, beyond.context.logEnd], [3, 1]);
  broker.put("t", ["x", "y", "z"]);
  for (let attempt = 0; attempt < 2; attempt++) {
    const error = await assertRejects(() => consumer.poll(NOW), OffsetOutOfRangeError);
    assertEquals([error.context.position, error.context.divergedAt, error.context.code], [3, 1, "log-truncated"]);
  }
  consumer.seek(PLACE, 1n);
  assertEquals(await valuesOf(consumer), ["x", "y", "z"]);
  await broker.close();
});

Deno.test("a committed position with its leader epoch, and seek() with one, find a truncation too", async () => {
  const { broker } = made();
  broker.put("t", ["a", "b"]);
  const { consumer } = await member(broker);
  const committed = { ...position(2), leaderEpoch: 0 };
  assertEquals(kindOf(await consumer.commit([committed], consumer.groupMetadata())), "applied");
  await consumer.close();
  broker.truncate(PLACE, 0);
  broker.put("t", ["x", "y", "z"]);
  const { consumer: next } = await member(broker);
  await assertRejects(() => next.poll(NOW), OffsetOutOfRangeError);
  next.seek(PLACE, 2n, 1);
  assertEquals(await valuesOf(next), ["z"]);
  next.seek(PLACE, 2n, 0);
  await assertRejects(() => next.poll(NOW), OffsetOutOfRangeError);
  next.seek(PLACE, 2n);
  assertEquals(await valuesOf(next), ["z"], "without an epoch nobody can tell");
  await broker.close();
});
