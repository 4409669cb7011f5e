/** What a user reads who may not use something, or asks for what is not there, word for word, through both adapters. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Witness } from "../../../testing/contracts/broker_contract_kit.ts";
import { recordsOf } from "../../../testing/record_rows.ts";
import { type Answering, FakeKafka, metadataReply } from "../kafka/fake_kafka_test.ts";
import { kafkaBroker } from "../kafka/kafka.ts";
import type { KafkaBroker } from "../kafka/kafka_broker.ts";
import { ByteWriter } from "../kafka/protocol/byte_writer.ts";
import { kafkajsBroker } from "./kafkajs.ts";

const ADAPTERS = { kafka: kafkaBroker, kafkajs: kafkajsBroker } as const;
const [METADATA, FIND_COORDINATOR, INIT_PRODUCER_ID] = [3, 10, 22] as const;

/** A cluster with one topic and one broker that answers some requests with error codes. */
function clusterOf(codes: Readonly<Record<number, number>>): Answering {
  return ({ apiKey, address }) => {
    const code = codes[apiKey] ?? 0;
    if (apiKey === METADATA) return metadataReply(address, [{ topic: "orders", errorCode: code }]);
    if (apiKey === INIT_PRODUCER_ID) return new ByteWriter().int32(0).int16(code).int64(9n).int16(0).finish();
    if (apiKey !== FIND_COORDINATOR) return null;
    return new ByteWriter().int32(0).int16(code).string(null).int32(0).string("127.0.0.1").int32(1).finish();
  };
}

/** The error of something that is not applied or rejects. */
async function errorOf(attempt: () => Promise<unknown>): Promise<string> {
  const error = await assertRejects(async () => {
    const outcome = await attempt() as { readonly kind?: string; readonly error?: Error } | undefined;
    assert(outcome?.kind === "not-applied");
    throw outcome.error;
  }, Error);
  return `${error.name}: ${error.message}`;
}

const ORDERS = { topic: "orders", partition: 0 };
const TOPIC = "grant the client's principal Read of the topic (Write, to publish) with kafka-acls.sh, or use other " +
  "credentials";

type Case = readonly [
  what: string,
  codes: Readonly<Record<number, number>>,
  attempt: (broker: KafkaBroker) => Promise<unknown>,
  text: string,
];
const CASES: readonly Case[] = [
  [
    "a topic that may not be read",
    { [METADATA]: 29 },
    async (broker) => await (await broker.consumer({ groupId: "g" })).subscribe(["orders"], new Witness()),
    `AuthorizationError: Cannot use topic 'orders': the broker answered TOPIC_AUTHORIZATION_FAILED, ${TOPIC}`,
  ],
  [
    "a topic that may not be written",
    { [METADATA]: 29 },
    async (broker) => await (await broker.producer()).produce({ topic: "orders", records: recordsOf(["a"]) }),
    `AuthorizationError: Cannot use topic 'orders': the broker answered TOPIC_AUTHORIZATION_FAILED, ${TOPIC}`,
  ],
  [
    "a topic that may not be described",
    { [METADATA]: 29 },
    async (broker) => await (await broker.admin()).describeTopics(["orders"]),
    `AuthorizationError: Cannot describe topic 'orders': the broker answered TOPIC_AUTHORIZATION_FAILED, ${TOPIC}`,
  ],
  [
    "a group that may not be used",
    { [FIND_COORDINATOR]: 30 },
    async (broker) => await (await broker.admin()).groupOffsets("billing", [ORDERS]),
    "AuthorizationError: Cannot find the coordinator of group 'billing': the broker answered GROUP_AUTHORIZATION_FAILED, " +
    "grant the client's principal Read of the group with kafka-acls.sh, or use other credentials",
  ],
  [
    "a transactional id that may not be used",
    { [FIND_COORDINATOR]: 53 },
    async (broker) => await (await broker.transactionalProducer({ transactionalId: "billing-1" })).initialize(),
    "AuthorizationError: Cannot find the coordinator of transactional id 'billing-1': the broker answered " +
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED, grant the client's principal Write on the transactional id with " +
    "kafka-acls.sh, or use other credentials",
  ],
  [
    "a cluster that gives no producer id",
    { [INIT_PRODUCER_ID]: 31 },
    async (broker) => await broker.producer(),
    "AuthorizationError: Cannot open producer: the broker answered CLUSTER_AUTHORIZATION_FAILED, grant the client's " +
    "principal IdempotentWrite or Create on the cluster with kafka-acls.sh, or use other credentials",
  ],
  [
    "a topic that is missing, to a reader",
    { [METADATA]: 3 },
    async (broker) => await (await broker.consumer({ groupId: "g" })).subscribe(["orders"], new Witness()),
    "UnknownTopicError: Cannot use topic 'orders': it does not exist at ADDRESS, create it: kafka-topics.sh " +
    "--bootstrap-server ADDRESS --create --topic orders",
  ],
  [
    "a topic that is missing, to a writer",
    { [METADATA]: 3 },
    async (broker) => await (await broker.producer()).produce({ topic: "orders", records: recordsOf(["a"]) }),
    "UnknownTopicError: Cannot use topic 'orders': it does not exist at ADDRESS, create it: kafka-topics.sh " +
    "--bootstrap-server ADDRESS --create --topic orders",
  ],
  [
    "a partition that is missing",
    {},
    async (broker) => await (await broker.admin()).offsets([{ topic: "orders", partition: 4 }]),
    "UnknownTopicError: Cannot use partition 4 of topic 'orders': it has partition 0 only, add partitions or use " +
    "what is there",
  ],
];
for (const [kind, makeBroker] of Object.entries(ADAPTERS)) {
  for (const [what, codes, attempt, text] of CASES) {
    Deno.test(`${kind}: ${what} is told, with its name and the next step`, async () => {
      await FakeKafka.with(clusterOf(codes), async ({ address }) => {
        const broker = makeBroker({ brokers: [address], connectTimeoutMs: 1_000, requestTimeoutMs: 1_000 });
        assertEquals(await errorOf(() => attempt(broker)), text.replaceAll("ADDRESS", address));
        await broker.close();
      });
    });
  }
}
