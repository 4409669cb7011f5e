/**
 * The broker contract against a real Kafka, through each adapter. Runs when TURBINE_TEST_KAFKA names one (`host:port`), for
 * example `TURBINE_TEST_KAFKA=127.0.0.1:19092` after `deno task services up kafka`.
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { BrokerUnavailableError, OffsetOutOfRangeError, UnknownTopicError } from "../../lib/base/errors.ts";
import type { KafkaBroker } from "../../lib/adapters/kafka/kafka_broker.ts";
import type { Producer } from "../../lib/seams/broker.ts";
import { PLENTY, Witness } from "../contracts/broker_contract_kit.ts";
import { recordsOf, rowsOf } from "../record_rows.ts";
import { brokerContract, type BrokerHarness } from "../contracts/broker_contract.ts";
import { GROUP_ADAPTERS, holdingEnvironment, sendToBroker, testKafka, withClient } from "./kafka_brokers.ts";

const ADDRESS = testKafka();
const TIMINGS = { patienceMs: 30_000, quietMs: 400, sessionTimeoutMs: 2_000, transactionTimeoutMs: 2_000 };

/** A group of the `consumer` protocol takes no session that is shorter than its time between heartbeats, 5 s. */
const CONSUMER_SESSION_MS = 5_500;

/** What an adapter cannot do beside what the contract asks. */
const LIMITS: Partial<Readonly<Record<keyof typeof GROUP_ADAPTERS, string>>> = {
  kafkajs: "tell which mechanisms of SASL a listener offers, or why it refused a token: kafkajs keeps that to itself",
};

/** Cases that an adapter cannot do, and why. */
const SKIP: Readonly<Record<keyof typeof GROUP_ADAPTERS, Readonly<Record<string, string>>>> = {
  kafka: {},
  kafkajs: {},
  "kafka-consumer": {},
};

async function makeHarness(kind: keyof typeof GROUP_ADAPTERS, address: string): Promise<BrokerHarness> {
  const bounds = { heartbeatIntervalMs: 100, fetchWaitMs: 20 };
  const brokers = new Set<KafkaBroker>();
  const connect = () => {
    const broker = GROUP_ADAPTERS[kind]({ brokers: [address], ...bounds }, holdingEnvironment());
    brokers.add(broker);
    return Promise.resolve(broker);
  };
  const broker = await connect();
  await broker.open();
  return {
    broker,
    timings: kind === "kafka-consumer" ? { ...TIMINGS, sessionTimeoutMs: CONSUMER_SESSION_MS } : TIMINGS,
    prefix: `${kind}-${Date.now().toString(36)}`,
    connect,
    crash: (client) => (client as KafkaBroker).crash(),
    deleteRecordsBefore: (topic, partition, offset) => deleteRecordsBefore(address, { topic, partition, offset }),
    close: async () => {
      for (const each of brokers) await each.close();
    },
  };
}

async function deleteRecordsBefore(
  address: string,
  { topic, partition, offset }: { readonly topic: string; readonly partition: number; readonly offset: number },
): Promise<void> {
  await withClient(address, async (client) => {
    await client.send(await client.leaderOf({ topic, partition }), {
      apiKey: 21,
      version: 1,
      name: "DeleteRecords",
      write: (w) => {
        w.int32(1).string(topic).int32(1).int32(partition).int64(BigInt(offset)).int32(10_000);
      },
      read: () => {},
    }, { channel: client.channel("retention") });
  });
}

/** An adapter under test, and how its tests are registered. */
interface Subject {
  readonly kind: keyof typeof GROUP_ADAPTERS;
  readonly address: string;
  topicName(): string;
  test(name: string, run: (broker: KafkaBroker) => Promise<void>): void;
}

function subjectOf(kind: keyof typeof GROUP_ADAPTERS, address: string): Subject {
  return {
    kind,
    address,
    topicName: () => `${kind}-${crypto.randomUUID()}`,
    test: (name, run) =>
      Deno.test(`${kind}: ${name}`, async () => {
        const bounds = { heartbeatIntervalMs: 50, metadataMaxAgeMs: 100 };
        const broker = GROUP_ADAPTERS[kind]({ brokers: [address], ...bounds }, holdingEnvironment());
        await run(broker);
        await broker.close();
      }),
  };
}

function topicTests({ kind, address, topicName, test }: Subject): void {
  test("subscribe() to a topic that does not exist names the command that creates it", async (broker) => {
    const consumer = await broker.consumer({ groupId: topicName() });
    const error = await assertRejects(() => consumer.subscribe([topicName()], new Witness()), UnknownTopicError);
    assertStringIncludes(error.message, `kafka-topics.sh --bootstrap-server ${address} --create`);
    await consumer.close();
  });

  test("produce() to a topic that does not exist is not applied", async (broker) => {
    const producer = await broker.producer();
    const outcome = await producer.produce({ topic: topicName(), records: recordsOf(["a"]) });
    assert(outcome.kind === "not-applied");
    assertInstanceOf(outcome.error, UnknownTopicError);
  });

  for (const isTransactional of [false, true]) {
    const how = isTransactional ? "in a transaction" : "without one";
    test(`records for a topic of small batches arrive in order, ${how}, and one that is too large is named`, (broker) =>
      smallBatches({ address, topic: topicName() }, broker, isTransactional));
  }

  test("a topic that grows is noticed, and its new partitions are assigned", async (broker) => {
    const topic = topicName();
    await (await broker.admin()).createTopics([{ topic, partitions: 1 }]);
    const consumer = await broker.consumer({ groupId: topic });
    const witness = new Witness();
    await consumer.subscribe([topic], witness);
    while (consumer.assignment().length < 1) await consumer.poll({ ...PLENTY, timeoutMs: 20 });
    await sendToBroker(address, {
      apiKey: 37,
      version: 1,
      name: "CreatePartitions",
      write: (w) => void w.int32(1).string(topic).int32(3).int32(-1).int32(10_000).boolean(false),
      read: () => {},
    });
    const endMs = performance.now() + TIMINGS.patienceMs;
    while (consumer.assignment().length < 3 && performance.now() < endMs) {
      await consumer.poll({ ...PLENTY, timeoutMs: 20 });
    }
    const told = kind === "kafka-consumer" ? ["assigned 1,2"] : ["revoked 0", "assigned 0,1,2"];
    assertEquals(witness.events, ["assigned 0", ...told]);
    await consumer.close();
  });
}

async function smallBatches(
  { address, topic }: { readonly address: string; readonly topic: string },
  broker: KafkaBroker,
  isTransactional: boolean,
): Promise<void> {
  await sendToBroker(address, {
    apiKey: 19,
    version: 4,
    name: "CreateTopics",
    write: (w) => {
      w.int32(1).string(topic).int32(1).int16(-1).int32(0);
      w.int32(1).string("max.message.bytes").string("2000").int32(10_000).boolean(false);
    },
    read: () => {},
  });
  // Waits until it is ready.
  await (await broker.admin()).createTopics([{ topic, partitions: 1 }]);
  const values = Array.from({ length: 300 }, (_, row) => `${row} ${"x".repeat(row)}`);
  if (isTransactional) {
    const producer = await broker.transactionalProducer({ transactionalId: topic });
    assertEquals((await producer.initialize()).kind, "applied");
    producer.begin();
    assertEquals((await producer.produce({ topic, records: recordsOf(values) })).kind, "applied");
    assertEquals((await producer.commit()).kind, "applied");
    await producer.close();
  } else {
    const producer = await broker.producer();
    assertEquals((await producer.produce({ topic, records: recordsOf(values) })).kind, "applied");
    const refused = await producer.produce({ topic, records: recordsOf(["small", "x".repeat(2_500)]) });
    assert(refused.kind === "not-applied");
    assertEquals(
      refused.error.message,
      `Cannot produce record 1 to '${topic}' as it takes 2570 bytes in a batch of its own and the topic's ` +
        "max.message.bytes allows 2000, split the record, or raise it",
    );
  }
  const consumer = await broker.consumer({ groupId: topic });
  await consumer.subscribe([topic], new Witness());
  const read: (string | null)[] = [];
  const endMs = performance.now() + TIMINGS.patienceMs;
  while (read.length < values.length && performance.now() < endMs) {
    const slabs = await consumer.poll({ ...PLENTY, timeoutMs: 50 });
    read.push(...slabs.flatMap((slab) => rowsOf(slab).map(({ value }) => value)));
  }
  assertEquals(read, values);
  await consumer.close();
}

async function recreate({ address }: Subject, broker: KafkaBroker, topic: string): Promise<void> {
  await sendToBroker(address, {
    apiKey: 20,
    version: 1,
    name: "DeleteTopics",
    write: (w) => void w.int32(1).string(topic).int32(10_000),
    read: () => {},
  });
  await (await broker.admin()).createTopics([{ topic, partitions: 1 }]);
}

/** Produces; the producer may first have to find out that the topic is another one. */
async function put(producer: Producer, topic: string, values: readonly string[]): Promise<void> {
  for (let left = 50;; left--) {
    const outcome = await producer.produce({ topic, records: recordsOf(values) });
    if (outcome.kind === "applied") return;
    assert(outcome.kind === "not-applied" && left > 0, outcome.error.message);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function recreatedTopicTests(subject: Subject): void {
  const { topicName, test } = subject;

  test("a recreated topic has another id", async (broker) => {
    const topic = topicName();
    const admin = await broker.admin();
    await admin.createTopics([{ topic, partitions: 1 }]);
    const [before] = await admin.describeTopics([topic]);
    await recreate(subject, broker, topic);
    const [after] = await admin.describeTopics([topic]);
    assertNotEquals(after!.topicId, before!.topicId);
  });

  test("a topic that was created again is not read on at the old position, although it has the offset", async (broker) => {
    const topic = topicName();
    const admin = await broker.admin();
    await admin.createTopics([{ topic, partitions: 1 }]);
    const producer = await broker.producer();
    await put(producer, topic, ["a", "b"]);
    const consumer = await broker.consumer({ groupId: topic });
    const witness = new Witness();
    await consumer.subscribe([topic], witness);
    const read: (string | null)[] = [];
    let failure: unknown = null;
    const poll = async () => {
      try {
        for (const slab of await consumer.poll({ ...PLENTY, timeoutMs: 50 })) {
          for (const { value } of rowsOf(slab)) read.push(value);
        }
      } catch (error) {
        if (!(error instanceof BrokerUnavailableError) && !(error instanceof UnknownTopicError)) failure = error;
      }
    };
    const endMs = performance.now() + TIMINGS.patienceMs;
    while (read.length < 2 && performance.now() < endMs) await poll();
    await recreate(subject, broker, topic);
    await put(producer, topic, ["w", "x", "y", "z"]);
    // It is told, unless the group has noticed first and gave the new topic's partition from its start.
    while (failure === null && read.length < 6 && performance.now() < endMs) await poll();
    if (failure === null) assertEquals(read, ["a", "b", "w", "x", "y", "z"]);
    else {
      assertInstanceOf(failure, OffsetOutOfRangeError);
      assertStringIncludes(failure.message, "created again");
      assertEquals(read, ["a", "b"]);
    }
    await consumer.close({ isDirty: true });
  });
}

/** What the `consumer` protocol of groups has beside the classic one. */
function incrementalTests({ topicName, test }: Subject): void {
  test("only what leaves is revoked, and what stays is committed under the fence from before", async (broker) => {
    const topic = topicName();
    await (await broker.admin()).createTopics([{ topic, partitions: 2 }]);
    const [one, two] = [await broker.consumer({ groupId: topic }), await broker.consumer({ groupId: topic })];
    const witness = new Witness();
    await one.subscribe([topic], witness);
    const endMs = performance.now() + TIMINGS.patienceMs;
    const poll = async (isTrue: () => boolean) => {
      while (!isTrue()) {
        assert(performance.now() < endMs, "waited in vain");
        for (const consumer of [one, two]) await consumer.poll({ ...PLENTY, timeoutMs: 10 });
      }
    };
    await poll(() => one.assignment().length === 2);
    const fence = one.groupMetadata();
    await two.subscribe([topic], new Witness());
    await poll(() => one.groupMetadata().generation > fence.generation && two.assignment().length === 1);
    const [kept] = one.assignment();
    assertEquals(witness.events, ["assigned 0,1", `revoked ${1 - kept!.partition}`]);
    const position = { ...kept!, offset: 0n, leaderEpoch: -1, metadata: "by one" };
    assertEquals((await one.commit([position], fence)).kind, "applied");
    const producer = await broker.transactionalProducer({ transactionalId: topic });
    assertEquals((await producer.initialize()).kind, "applied");
    producer.begin();
    assertEquals((await producer.sendOffsets([{ ...position, metadata: "in a transaction" }], fence)).kind, "applied");
    assertEquals((await producer.commit()).kind, "applied");
    const [found] = await two.committed([kept!], { isStable: true });
    assertEquals(found!.metadata, "in a transaction");
    await producer.close();
    for (const consumer of [one, two]) await consumer.close();
  });
}

for (const kind of Object.keys(GROUP_ADAPTERS) as (keyof typeof GROUP_ADAPTERS)[]) {
  if (ADDRESS === undefined) {
    console.log(`cannot: ${kind} against Kafka: TURBINE_TEST_KAFKA is not set to host:port`);
  } else {
    if (LIMITS[kind] !== undefined) console.log(`cannot: ${kind}: ${LIMITS[kind]}`);
    const subject = subjectOf(kind, ADDRESS);
    topicTests(subject);
    recreatedTopicTests(subject);
    if (kind === "kafka-consumer") incrementalTests(subject);
    brokerContract(kind, () => makeHarness(kind, ADDRESS), { skip: SKIP[kind] });
  }
}
