import { assert, assertEquals, assertRejects } from "@std/assert";
import { BrokerTimeoutError, BrokerUnavailableError } from "../../base/errors.ts";
import { kindOf, NOW, position, stillBroker, text, Told, valuesOf } from "./embedded_fixture_test.ts";

async function transactional(version: 1 | 2) {
  const { broker } = stillBroker({ transactionVersion: version });
  broker.createTopic("t");
  const producer = await broker.transactionalProducer({ transactionalId: "x" });
  assertEquals(kindOf(await producer.initialize()), "applied");
  const values = () => broker.read("t").map(({ value }) => value);
  return { broker, producer, values };
}

for (const version of [1, 2] as const) {
  Deno.test(`generation ${version}: a commit whose reply is lost is unknown and has happened`, async () => {
    const { broker, producer, values } = await transactional(version);
    producer.begin();
    await producer.produce(text("a"));
    broker.faults.next("endTransaction", "reply-lost");
    assertEquals(kindOf(await producer.commit()), "unknown BrokerTimeoutError");
    assertEquals(values(), ["a"]);
    await broker.close();
  });

  Deno.test(`generation ${version}: a commit whose request is lost is unknown and has not happened`, async () => {
    const { broker, producer, values } = await transactional(version);
    producer.begin();
    await producer.produce(text("a"));
    broker.faults.next("endTransaction", "request-lost");
    assertEquals(kindOf(await producer.commit()), "unknown BrokerTimeoutError");
    assertEquals([values(), broker.transactionStatus("x")], [[], "Ongoing"]);
    await broker.close();
  });

  Deno.test(`generation ${version}: after an unknown commit a new producer settles what happened`, async () => {
    const { broker, producer, values } = await transactional(version);
    producer.begin();
    await producer.produce(text("a"));
    broker.faults.next("endTransaction", "delayed");
    assertEquals(kindOf(await producer.commit()), "unknown BrokerTimeoutError");
    const successor = await broker.transactionalProducer({ transactionalId: "x" });
    assertEquals(kindOf(await successor.initialize()), "applied");
    assertEquals(broker.faults.land(), 1);
    assertEquals(values(), []);
    successor.begin();
    await successor.produce(text("b"));
    assertEquals(kindOf(await successor.commit()), "applied");
    assertEquals(values(), ["b"]);
    await broker.close();
  });

  Deno.test(`generation ${version}: a send that is refused spoils its transaction, which can be aborted`, async () => {
    const { broker, producer, values } = await transactional(version);
    producer.begin();
    broker.faults.next("produce", "refused");
    assertEquals(kindOf(await producer.produce(text("a"))), "not-applied BrokerUnavailableError");
    assertEquals(kindOf(await producer.commit()), "not-applied TransactionAbortedError");
    assertEquals(kindOf(await producer.abort()), "applied");
    assertEquals(values(), []);
    await broker.close();
  });
}

Deno.test("generation 1: a producer that is used again after an unknown commit commits half a transaction", async () => {
  const { broker, producer, values } = await transactional(1);
  producer.begin();
  await producer.produce(text("a"));
  broker.faults.next("endTransaction", "delayed");
  await producer.commit();
  producer.begin();
  await producer.produce(text("b"));
  broker.faults.land();
  assertEquals(values(), ["a", "b"]);
  await broker.close();
});

Deno.test("generation 2: a producer that is used again after an unknown commit that landed is fenced", async () => {
  const { broker, producer, values } = await transactional(2);
  producer.begin();
  await producer.produce(text("a"));
  broker.faults.next("endTransaction", "reply-lost");
  await producer.commit();
  producer.begin();
  assertEquals(kindOf(await producer.produce(text("b"))), "not-applied FencedError");
  assertEquals(values(), ["a"]);
  await broker.close();
});

Deno.test("a produce whose reply is lost was written; the producer goes on under another id", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  const producer = await broker.producer();
  broker.faults.next("produce", "reply-lost");
  assertEquals(kindOf(await producer.produce(text("a"))), "unknown BrokerTimeoutError");
  assertEquals(kindOf(await producer.produce(text("b"))), "applied");
  broker.faults.next("produce", "request-lost");
  assertEquals(kindOf(await producer.produce(text("c"))), "unknown BrokerTimeoutError");
  assertEquals(kindOf(await producer.produce(text("d"))), "applied");
  assertEquals(broker.read("t").map(({ value }) => value), ["a", "b", "d"]);
  await broker.close();
});

Deno.test("a delayed produce of a plain producer lands behind newer records", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  const producer = await broker.producer();
  broker.faults.next("produce", "delayed");
  await producer.produce(text("old"));
  await producer.produce(text("new"));
  assertEquals(broker.faults.held, ["produce"]);
  broker.faults.land();
  assertEquals(broker.read("t").map(({ value }) => value), ["new", "old"]);
  await broker.close();
});

Deno.test("offset commits: lost replies are unknown and applied, delayed ones land later", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], new Told());
  const group = consumer.groupMetadata();
  broker.faults.next("commit", "delayed");
  assertEquals(kindOf(await consumer.commit([position(1)], group)), "unknown BrokerTimeoutError");
  broker.faults.next("commit", "reply-lost");
  assertEquals(kindOf(await consumer.commit([position(2)], group)), "unknown BrokerTimeoutError");
  assertEquals(broker.committedOffsets("g").map(({ offset }) => offset), [2]);
  broker.faults.land();
  assertEquals(broker.committedOffsets("g").map(({ offset }) => offset), [1]);
  await broker.close();
});

Deno.test("a lost fetch is an error of that poll; the next one reads the same records", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  broker.put("t", ["a"]);
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], new Told());
  broker.faults.next("fetch", "reply-lost");
  await assertRejects(() => consumer.poll(NOW), BrokerTimeoutError);
  broker.faults.next("fetch", "refused");
  await assertRejects(() => consumer.poll(NOW), BrokerUnavailableError);
  assertEquals(await valuesOf(consumer), ["a"]);
  await broker.close();
});

Deno.test("a lost heartbeat means nothing, a lost join is tried again by the next poll", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  const told = new Told();
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], told);
  broker.put("t", ["a"]);
  // Something happens to the group, so the next poll asks after it.
  broker.rebalance("g");
  broker.faults.next("heartbeat", "request-lost");
  assertEquals(await valuesOf(consumer), ["a"]);
  broker.faults.next("join", "request-lost");
  await assertRejects(() => consumer.poll(NOW), BrokerTimeoutError);
  await consumer.poll(NOW);
  assertEquals(told.events, ["assigned 0", "revoked 0", "assigned 0"]);
  await broker.close();
});

Deno.test("a member that does not know whether it has joined says goodbye all the same", async () => {
  for (const instanceId of [null, "i"]) {
    const { broker } = stillBroker();
    broker.createTopic("t");
    const consumer = await broker.consumer({ groupId: "g", ...instanceId === null ? {} : { instanceId } });
    await consumer.subscribe(["t"], new Told());
    broker.rebalance("g");
    broker.faults.next("join", "reply-lost");
    await assertRejects(() => consumer.poll(NOW), BrokerTimeoutError);
    assertEquals(broker.members("g").length, 1);
    await consumer.close({ isLeaving: true });
    assertEquals(broker.members("g"), []);
    await broker.close();
  }
});

Deno.test("faults: 'skip' and 'times' choose calls, and what happened is counted", async () => {
  const { broker } = stillBroker();
  broker.createTopic("t");
  const producer = await broker.producer();
  broker.faults.next("produce", "refused", { skip: 1, times: 2 });
  const kinds: string[] = [];
  for (let i = 0; i < 4; i++) kinds.push((await producer.produce(text(`${i}`))).kind);
  assertEquals(kinds, ["applied", "not-applied", "not-applied", "applied"]);
  assertEquals(broker.faults.fired, 2);
  broker.faults.next("produce", "refused");
  broker.faults.clear();
  assertEquals((await producer.produce(text("x"))).kind, "applied");
  await broker.close();
});

Deno.test("sendOffsets: a lost reply leaves offsets staged, which a successor drops", async () => {
  const { broker, producer } = await transactional(2);
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], new Told());
  producer.begin();
  broker.faults.next("sendOffsets", "reply-lost");
  assertEquals(
    kindOf(await producer.sendOffsets([position(3)], consumer.groupMetadata())),
    "unknown BrokerTimeoutError",
  );
  assert(broker.transactionStatus("x") === "Ongoing");
  const successor = await broker.transactionalProducer({ transactionalId: "x" });
  await successor.initialize();
  assertEquals(await consumer.committed([{ topic: "t", partition: 0 }], { isStable: true }), []);
  await broker.close();
});
