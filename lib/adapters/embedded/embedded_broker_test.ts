import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AssignmentLostError, BrokerTimeoutError, BrokerUnavailableError } from "../../base/errors.ts";
import { EmbeddedCluster } from "../../embedded/cluster.ts";
import { snapshotChanges } from "../../embedded/snapshot_changes.ts";
import { MemoryBroker } from "../../../testing/memory_broker.ts";
import { kindOf, NOW, position, stillBroker, text, Told, valuesOf } from "./embedded_fixture_test.ts";

Deno.test("poll: an expired member hears lost(), and comes back as somebody new", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  const told = new Told();
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], told);
  const old = consumer.groupMetadata();
  broker.expireMember("g", old.memberId);
  const outcome = await consumer.commit([position(1)], old);
  assert(outcome.kind === "not-applied" && outcome.error instanceof AssignmentLostError);
  await consumer.poll(NOW);
  assertEquals(told.events, ["assigned 0", "lost 0", "assigned 0"]);
  assert(consumer.groupMetadata().memberId !== old.memberId);
  assert(consumer.groupMetadata().generation > old.generation);
  await broker.close();
});

Deno.test("poll: a forced rebalance goes through revoked() and assigned()", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t", 2);
  const told = new Told();
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], told);
  broker.rebalance("g");
  await consumer.poll(NOW);
  assertEquals(told.events, ["assigned 0,1", "revoked 0,1", "assigned 0,1"]);
  assertEquals(broker.generation("g"), 2);
  await broker.close();
});

Deno.test("rebalance timeout: who does not let go in time is out, and its commit is refused", async () => {
  const { broker, clock } = stillBroker({ rebalanceTimeoutMs: 60_000 });
  broker.createTopic("t", 2);
  const slow = new Told();
  let letGo = () => {};
  slow.onRevoked = () => new Promise((resolve) => letGo = resolve);
  const one = await broker.consumer({ groupId: "g", sessionTimeoutMs: 10_000 });
  await one.subscribe(["t"], slow);
  const two = await broker.connect().consumer({ groupId: "g", sessionTimeoutMs: 10_000 });
  await two.subscribe(["t"], new Told());
  const fence = one.groupMetadata();
  const polled = one.poll(NOW);
  await clock.advance(59_999);
  await two.poll(NOW);
  assertEquals(two.assignment(), []);
  assertEquals((await one.commit([position(0)], fence)).kind, "applied");
  await clock.advance(1);
  await two.poll(NOW);
  assertEquals(two.assignment().length, 2);
  assertEquals(kindOf(await one.commit([position(2)], fence)), "not-applied AssignmentLostError");
  letGo();
  await polled;
  assertEquals(slow.events, ["assigned 0,1", "revoked 0,1"]);
  await broker.close();
});

Deno.test("session timeout: happens by itself, without any request", async () => {
  const { broker, clock } = stillBroker();
  broker.createTopic("t");
  const client = broker.connect();
  const consumer = await client.consumer({ groupId: "g", sessionTimeoutMs: 9_000 });
  await consumer.subscribe(["t"], new Told());
  await clock.advance(60_000);
  assertEquals(broker.members("g").length, 1, "heartbeats keep it");
  client.crash();
  await clock.advance(8_999);
  assertEquals(broker.members("g").length, 1);
  await clock.advance(1);
  assertEquals(broker.members("g").length, 0);
  await broker.close();
});

Deno.test("transaction timeout: happens by itself and lets readers go on", async () => {
  const { broker, clock } = stillBroker();
  broker.createTopic("t");
  const producer = await broker.transactionalProducer({ transactionalId: "x", transactionTimeoutMs: 5_000 });
  await producer.initialize();
  producer.begin();
  await producer.produce(text("no"));
  broker.put("t", ["yes"]);
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], new Told());
  assertEquals(await valuesOf(consumer), []);
  await clock.advance(5_000);
  assertEquals(broker.transactionStatus("x"), "CompleteAbort");
  assertEquals(await valuesOf(consumer), ["yes"]);
  assertEquals(kindOf(await producer.commit()), "not-applied TransactionAbortedError");
  await broker.close();
});

Deno.test("committed: offsets that stay unstable are a BrokerTimeoutError after the bound", async () => {
  const { broker, clock } = stillBroker({ stableTimeoutMs: 1_000 });
  broker.createTopic("t");
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], new Told());
  const producer = await broker.transactionalProducer({ transactionalId: "x" });
  await producer.initialize();
  producer.begin();
  await producer.sendOffsets([position(3)], consumer.groupMetadata());
  const places = [{ topic: "t", partition: 0 }];
  assertEquals(await consumer.committed(places, { isStable: false }), []);
  const stable = assertRejects(() => consumer.committed(places, { isStable: true }), BrokerTimeoutError);
  await clock.advance(1_000);
  await stable;
  await broker.close();
});

Deno.test("a consumer does not begin before the offsets of its group are stable", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  broker.put("t", ["a", "b"]);
  const first = await broker.consumer({ groupId: "g" });
  await first.subscribe(["t"], new Told());
  const producer = await broker.transactionalProducer({ transactionalId: "x" });
  await producer.initialize();
  producer.begin();
  await producer.sendOffsets([position(1)], first.groupMetadata());
  await first.close();
  const second = await broker.consumer({ groupId: "g" });
  await second.subscribe(["t"], new Told());
  assertEquals(await valuesOf(second), []);
  await producer.commit();
  assertEquals(await valuesOf(second), ["b"]);
  await broker.close();
});

Deno.test("held markers: the next transaction waits for them and goes on by itself", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  const producer = await broker.transactionalProducer({ transactionalId: "x" });
  await producer.initialize();
  producer.begin();
  await producer.produce(text("a"));
  broker.holdMarkers(true);
  await producer.commit();
  producer.begin();
  const sent = producer.produce(text("b"));
  assertEquals(broker.read("t"), []);
  broker.holdMarkers(false);
  assertEquals(kindOf(await sent), "applied");
  await producer.commit();
  assertEquals(broker.read("t").map(({ value }) => value), ["a", "b"]);
  await broker.close();
});

Deno.test("held markers: a producer gives up after the request timeout", async () => {
  const { broker, clock } = stillBroker({ requestTimeoutMs: 2_000 });
  broker.createTopic("t");
  const producer = await broker.transactionalProducer({ transactionalId: "x" });
  await producer.initialize();
  producer.begin();
  await producer.produce(text("a"));
  broker.holdMarkers(true);
  await producer.commit();
  const initialized = producer.initialize();
  await clock.advance(2_000);
  assertEquals(kindOf(await initialized), "not-applied BrokerUnavailableError");
  await broker.close();
});

Deno.test("a recreated topic has another id, and old positions are out of range", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  broker.put("t", ["a", "b"]);
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], new Told());
  assertEquals(await valuesOf(consumer), ["a", "b"]);
  const admin = await broker.admin();
  const [before] = await admin.describeTopics(["t"]);
  broker.recreateTopic("t");
  const [after] = await admin.describeTopics(["t"]);
  assert(before!.topicId !== after!.topicId);
  broker.put("t", ["new"]);
  assertEquals(await valuesOf(consumer), ["new"], "the rebalance of the new topic begins at its start");
  await broker.close();
});

Deno.test("a broker that stands on a rebuilt cluster goes on where the first one was", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], new Told());
  broker.put("t", ["a", "b", "c"]);
  await consumer.commit([position(2, "meta")], consumer.groupMetadata());
  const cluster = new EmbeddedCluster();
  for (const change of snapshotChanges(broker.cluster)) cluster.apply(change);
  const next = new MemoryBroker({ cluster });
  assertEquals(await (await next.admin()).clusterId(), await (await broker.admin()).clusterId());
  const successor = await next.consumer({ groupId: "g" });
  await successor.subscribe(["t"], new Told());
  assertEquals(await valuesOf(successor), ["c"]);
  await next.close();
  await broker.close();
});

Deno.test("close: nothing sleeps any more, and calls are refused", async () => {
  const { broker, clock } = stillBroker();
  broker.createTopic("t");
  const client = broker.connect();
  const consumer = await client.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], new Told());
  const polled = consumer.poll({ ...NOW, timeoutMs: 10_000 });
  const producer = await client.transactionalProducer({ transactionalId: "x" });
  await producer.initialize();
  await client.close();
  assertEquals(await polled, []);
  assertEquals(broker.members("g"), []);
  await assertRejects(() => client.producer(), BrokerUnavailableError);
  assertEquals((await (await broker.producer()).produce(text("a"))).kind, "applied", "others go on");
  await broker.close();
  await broker.close();
  await assertRejects(() => broker.open(), BrokerUnavailableError);
  await assertRejects(() => broker.consumer({ groupId: "g" }), BrokerUnavailableError);
  await clock.advance(0);
  assertEquals(clock.sleeperCount, 0);
});

Deno.test("wake: before a poll it lets the next one that would wait return early", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], new Told());
  consumer.wake();
  assertEquals(await consumer.poll({ ...NOW, timeoutMs: 10_000 }), []);
  await broker.close();
});

Deno.test("options and arguments that cannot be are refused", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  for (const defaultPartitions of [0, 1.5]) assertThrows(() => new MemoryBroker({ defaultPartitions }), RangeError);
  assertThrows(() => new MemoryBroker({ requestTimeoutMs: -1 }), RangeError);
  await assertRejects(() => broker.consumer({ groupId: "" }), TypeError);
  await assertRejects(() => broker.consumer({ groupId: "g", sessionTimeoutMs: 0 }), RangeError);
  await assertRejects(() => broker.transactionalProducer({ transactionalId: "" }), TypeError);
  const producer = await broker.producer();
  await assertRejects(() => producer.produce({ ...text("a"), partitions: 1 }), RangeError);
  await assertRejects(() => producer.produce({ ...text("a"), partitions: new Int32Array(2) }), RangeError);
  const transactional = await broker.transactionalProducer({ transactionalId: "x" });
  await transactional.initialize();
  await assertRejects(() => transactional.produce(text("a")), TypeError);
  await assertRejects(() => transactional.commit(), TypeError);
  transactional.begin();
  assertThrows(() => transactional.begin(), TypeError);
  await broker.close();
});
