/**
 * The broker contract against a real Kafka through kafkajs. Runs when TURBINE_TEST_KAFKA names one (`host:port`), for
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
import { UnknownTopicError } from "../../lib/base/errors.ts";
import type { Call } from "../../lib/adapters/kafkajs/protocol/call.ts";
import { PLENTY, Witness } from "../contracts/broker_contract_kit.ts";
import { recordsOf } from "../record_rows.ts";
import { KafkaClient } from "../../lib/adapters/kafkajs/kafka_client.ts";
import { KafkajsBroker } from "../../lib/adapters/kafkajs/kafkajs_broker.ts";
import { resolveOptions } from "../../lib/adapters/kafkajs/kafkajs_options.ts";
import { processEnvironment } from "../../lib/adapters/kafkajs/process_environment.ts";
import { holdProcess } from "../../lib/adapters/system/hold_process.ts";
import type { Environment } from "../../lib/seams/adapter.ts";
import { brokerContract, type BrokerHarness } from "../contracts/broker_contract.ts";

const ADDRESS = environmentVariable("TURBINE_TEST_KAFKA");
const TIMINGS = { patienceMs: 30_000, quietMs: 400, sessionTimeoutMs: 2_000, transactionTimeoutMs: 2_000 };

/** What kafkajs cannot do, and why. */
const SKIP: Readonly<Record<string, string>> = {};

function environmentVariable(name: string): string | undefined {
  return Deno.permissions.querySync({ name: "env", variable: name }).state === "granted"
    ? Deno.env.get(name)
    : undefined;
}

/** A sleep holds the process, so that a test which waits for one is not cut off. */
function holdingEnvironment(): Environment {
  const environment = processEnvironment();
  const { clock } = environment;
  return {
    ...environment,
    clock: {
      wallMs: () => clock.wallMs(),
      monotonicMs: () => clock.monotonicMs(),
      sleep: async (ms, signal) => {
        const letGo = holdProcess();
        await clock.sleep(ms, signal);
        letGo();
      },
    },
  };
}

async function makeHarness(address: string): Promise<BrokerHarness> {
  const make = () =>
    new KafkajsBroker({ brokers: [address], heartbeatIntervalMs: 100, fetchWaitMs: 20 }, holdingEnvironment());
  const brokers = new Set<KafkajsBroker>();
  const connect = () => {
    const broker = make();
    brokers.add(broker);
    return Promise.resolve(broker);
  };
  const broker = await connect();
  await broker.open();
  return {
    broker,
    timings: TIMINGS,
    prefix: `kafkajs-${Date.now().toString(36)}`,
    connect,
    crash: (client) => (client as KafkajsBroker).crash(),
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
  const client = new KafkaClient(resolveOptions({ brokers: [address] }), processEnvironment());
  const leader = await client.leaderOf({ topic, partition });
  await client.send(leader, {
    apiKey: 21,
    version: 1,
    name: "DeleteRecords",
    write: (w) => {
      w.int32(1).string(topic).int32(1).int32(partition).int64(BigInt(offset)).int32(10_000);
    },
    read: () => {},
  }, { channel: client.channel("retention") });
  await client.close();
}

/** Sends a call that the adapter has no use for itself. */
async function sendToBroker(address: string, call: Call<void>): Promise<void> {
  const client = new KafkaClient(resolveOptions({ brokers: [address] }), processEnvironment());
  await client.sendAnywhere(call);
  await client.close();
}

function topicTests(address: string): void {
  const topicName = () => `kafkajs-${crypto.randomUUID()}`;
  const test = (name: string, run: (broker: KafkajsBroker) => Promise<void>) =>
    Deno.test(`kafkajs: ${name}`, async () => {
      const bounds = { heartbeatIntervalMs: 50, metadataMaxAgeMs: 100 };
      const broker = new KafkajsBroker({ brokers: [address], ...bounds }, holdingEnvironment());
      await run(broker);
      await broker.close();
    });

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
    assertEquals(witness.events, ["assigned 0", "revoked 0", "assigned 0,1,2"]);
    await consumer.close();
  });

  test("a recreated topic has another id", async (broker) => {
    const topic = topicName();
    const admin = await broker.admin();
    await admin.createTopics([{ topic, partitions: 1 }]);
    const [before] = await admin.describeTopics([topic]);
    await sendToBroker(address, {
      apiKey: 20,
      version: 1,
      name: "DeleteTopics",
      write: (w) => void w.int32(1).string(topic).int32(10_000),
      read: () => {},
    });
    await admin.createTopics([{ topic, partitions: 1 }]);
    const [after] = await admin.describeTopics([topic]);
    assertNotEquals(after!.topicId, before!.topicId);
  });
}

if (ADDRESS === undefined) {
  console.log("cannot: kafkajs against Kafka: TURBINE_TEST_KAFKA is not set to host:port");
} else {
  topicTests(ADDRESS);
  brokerContract("kafkajs", () => makeHarness(ADDRESS), { skip: SKIP });
}
