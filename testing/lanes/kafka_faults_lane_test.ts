/**
 * The Kafka adapters when connections break: a proxy in front of a real Kafka loses requests, replies and connections.
 * Runs when TURBINE_TEST_KAFKA names a broker (`host:port`).
 */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { BrokerTimeoutError, BrokerUnavailableError, OffsetOutOfRangeError } from "../../lib/base/errors.ts";
import type { KafkaBroker } from "../../lib/adapters/kafka/kafka_broker.ts";
import { processEnvironment } from "../../lib/adapters/kafka/process_environment.ts";
import type { CommittedPosition, Consumer, RebalanceListener } from "../../lib/seams/broker.ts";
import { PLENTY, Witness } from "../contracts/broker_contract_kit.ts";
import { type ReadRow, recordsOf, rowsOf } from "../record_rows.ts";
import { GROUP_ADAPTERS, sendToBroker, testKafka } from "./kafka_brokers.ts";
import { KafkaProxy } from "./kafka_proxy.ts";

const PRODUCE = 0;
const FETCH = 1;
const OFFSET_COMMIT = 8;
const LEAVE_GROUP = 13;
const MEMBER_HEARTBEAT = 68;
/** Of either protocol of groups. */
const HEARTBEATS: readonly number[] = [12, 68];
/** Join, sync, heartbeat, and reading of committed offsets. */
const GROUP_REQUESTS: readonly number[] = [11, 14, ...HEARTBEATS, 9];
/** Short sessions: groups of the `consumer` protocol take none that is shorter than their time between heartbeats, 5 s. */
const SESSION_MS = { kafka: 2_000, kafkajs: 2_000, "kafka-consumer": 5_500 } as const;
const PATIENCE_MS = 20_000;

const ADDRESS = testKafka();

/** A topic on a broker behind a proxy. */
class Scene {
  readonly topic = `faults-${crypto.randomUUID()}`;
  readonly groupId = `${this.topic}-group`;
  readonly sessionMs: number;
  readonly proxy: KafkaProxy;
  readonly broker: KafkaBroker;

  constructor(kind: keyof typeof GROUP_ADAPTERS, address: string) {
    this.proxy = new KafkaProxy(address);
    this.sessionMs = SESSION_MS[kind];
    const bounds = { heartbeatIntervalMs: 100, fetchWaitMs: 20, requestTimeoutMs: 1_500 };
    this.broker = GROUP_ADAPTERS[kind]({ brokers: [this.proxy.address], ...bounds }, processEnvironment());
  }

  /** A member that has its assignment. */
  async member(listener: RebalanceListener = new Witness(), sessionTimeoutMs = 30_000): Promise<Consumer> {
    const consumer = await this.broker.consumer({ groupId: this.groupId, sessionTimeoutMs });
    await consumer.subscribe([this.topic], listener);
    await eventually(async () => {
      await consumer.poll({ ...PLENTY, maxRecords: 1, timeoutMs: 10 });
      return consumer.assignment().length > 0;
    });
    return consumer;
  }

  /** Polls until something holds; what may be tried again is. */
  async pollUntil(consumer: Consumer, isDone: (rows: readonly ReadRow[]) => boolean): Promise<ReadRow[]> {
    const rows: ReadRow[] = [];
    await eventually(async () => {
      try {
        for (const slab of await consumer.poll({ ...PLENTY, timeoutMs: 50 })) rows.push(...rowsOf(slab));
      } catch (error) {
        if (!(error instanceof BrokerUnavailableError)) throw error;
      }
      return isDone(rows);
    });
    return rows;
  }
}

/** Whether a member says with a request that it leaves for good. */
function isGoodbye(apiKey: number, request: DataView): boolean {
  if (apiKey !== MEMBER_HEARTBEAT) return apiKey === LEAVE_GROUP;
  // Behind key, version and number come the client's name, tags, group and member: their lengths are in one byte.
  let place = 8;
  place += 2 + request.getInt16(place) + 1;
  for (let text = 0; text < 2; text++) place += request.getUint8(place);
  return request.getInt32(place) === -1;
}

function at(topic: string, offset: bigint): CommittedPosition {
  return { topic, partition: 0, offset, leaderEpoch: -1, metadata: "" };
}

async function eventually(attempt: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!await attempt()) {
    if (performance.now() > endMs) throw new Error("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function faultTest(name: string, run: (scene: Scene) => Promise<void>): void {
  if (ADDRESS === undefined) return;
  for (const kind of Object.keys(GROUP_ADAPTERS) as (keyof typeof GROUP_ADAPTERS)[]) faultTestOf(kind, name, run);
}

function faultTestOf(kind: keyof typeof GROUP_ADAPTERS, name: string, run: (scene: Scene) => Promise<void>): void {
  Deno.test(`${kind}: ${name}`, async () => {
    const scene = new Scene(kind, ADDRESS!);
    try {
      const admin = await scene.broker.admin();
      await admin.createTopics([{ topic: scene.topic, partitions: 1 }]);
      await run(scene);
    } finally {
      scene.proxy.fate = () => "pass";
      await scene.broker.close();
      await scene.proxy.close();
    }
  });
}

if (ADDRESS === undefined) {
  console.log("cannot: Kafka adapters under faults: TURBINE_TEST_KAFKA is not set to host:port");
}

for (const fate of ["reply-lost", "silent"] as const) {
  faultTest(
    `produce() whose reply is ${fate} is unknown, and the records may be there`,
    async ({ broker, proxy, topic }) => {
      const producer = await broker.producer();
      proxy.fate = (apiKey) => apiKey === PRODUCE ? fate : "pass";
      const outcome = await producer.produce({ topic, records: recordsOf(["a"]) });
      assertEquals(outcome.kind, "unknown");
      assert(outcome.kind === "unknown");
      assertInstanceOf(outcome.error, BrokerTimeoutError);
      proxy.fate = () => "pass";
      const [found] = await (await broker.admin()).offsets([{ topic, partition: 0 }]);
      assertEquals(found!.logEnd, 1n);
      assertEquals((await producer.produce({ topic, records: recordsOf(["b"]) })).kind, "applied");
    },
  );

  faultTest(`commit() whose reply is ${fate} is unknown, and the offset may be there`, async (scene) => {
    const { proxy, topic } = scene;
    const consumer = await scene.member();
    proxy.fate = (apiKey) => apiKey === OFFSET_COMMIT ? fate : "pass";
    const outcome = await consumer.commit([at(topic, 7n)], consumer.groupMetadata());
    assertEquals(outcome.kind, "unknown");
    proxy.fate = () => "pass";
    assertEquals((await consumer.committed([{ topic, partition: 0 }], { isStable: true }))[0]!.offset, 7n);
    const again = await consumer.commit([at(topic, 8n)], consumer.groupMetadata());
    assertEquals(again.kind, "applied");
  });
}

faultTest("produce() whose request is lost is unknown too, and nothing is there", async ({ broker, proxy, topic }) => {
  const producer = await broker.producer();
  proxy.fate = (apiKey) => apiKey === PRODUCE ? "request-lost" : "pass";
  assertEquals((await producer.produce({ topic, records: recordsOf(["a"]) })).kind, "unknown");
  proxy.fate = () => "pass";
  const [found] = await (await broker.admin()).offsets([{ topic, partition: 0 }]);
  assertEquals(found!.logEnd, 0n);
});

faultTest("a member reads on without holes and keeps its generation when connections are cut", async (scene) => {
  const { broker, proxy, topic } = scene;
  const witness = new Witness();
  const consumer = await scene.member(witness);
  const { generation } = consumer.groupMetadata();
  const producer = await broker.producer();
  const expected: string[] = [];
  const rows: ReadRow[] = [];
  for (let round = 0; round < 8; round++) {
    const values = [`${round}a`, `${round}b`];
    // A lost reply would make it open whether the records are there.
    await eventually(async () => (await producer.produce({ topic, records: recordsOf(values) })).kind === "applied");
    expected.push(...values);
    proxy.cut();
    rows.push(...await scene.pollUntil(consumer, (found) => rows.length + found.length >= expected.length));
  }
  // After a cut the first attempt to produce may be unknown: its records then stand twice, but never fewer times.
  const seen = rows.map(({ value }) => value!);
  assertEquals([...new Set(seen)], expected);
  assertEquals(rows.map(({ offset }) => offset), rows.map((_, i) => i));
  assertEquals(consumer.groupMetadata().generation, generation);
  assertEquals(witness.events, ["assigned 0"]);
});

faultTest("a rebalance whose requests and replies are lost takes place all the same", async (scene) => {
  const { broker, proxy, topic, groupId } = scene;
  await sendToBroker(ADDRESS!, {
    apiKey: 37,
    version: 1,
    name: "CreatePartitions",
    write: (w) => void w.int32(1).string(topic).int32(4).int32(-1).int32(10_000).boolean(false),
    read: () => {},
  });
  // Whose member id was lost with the reply to its first request keeps the group waiting for a session.
  const one = await scene.member(new Witness(), scene.sessionMs);
  await eventually(async () => {
    await one.poll({ ...PLENTY, timeoutMs: 10 }).catch(() => []);
    return one.assignment().length === 4;
  });
  let turn = 0;
  const fates = ["request-lost", "pass", "reply-lost", "pass", "pass"] as const;
  proxy.fate = (apiKey) => GROUP_REQUESTS.includes(apiKey) ? fates[turn++ % fates.length]! : "pass";
  const two = await broker.consumer({ groupId, sessionTimeoutMs: scene.sessionMs });
  await eventually(() => two.subscribe([topic], new Witness()).then(() => true, () => false));
  const held = () => [...one.assignment(), ...two.assignment()].map(({ partition }) => partition).sort();
  await eventually(async () => {
    for (const each of [one, two]) await each.poll({ ...PLENTY, timeoutMs: 10 }).catch(() => []);
    return one.assignment().length === 2 && two.assignment().length === 2;
  });
  assertEquals(held(), [0, 1, 2, 3]);
  proxy.fate = () => "pass";
  for (const each of [one, two]) {
    const [place] = each.assignment();
    assertEquals((await each.commit([{ ...at(topic, 0n), ...place }], each.groupMetadata())).kind, "applied");
  }
});

faultTest("a poll whose fetch is lost is to be tried again, and loses nothing", async (scene) => {
  const { broker, proxy, topic } = scene;
  const consumer = await scene.member();
  let losses = 3;
  proxy.fate = (apiKey) => apiKey === FETCH && losses-- > 0 ? "reply-lost" : "pass";
  await (await broker.producer()).produce({ topic, records: recordsOf(["a", "b"]) });
  const rows = await scene.pollUntil(consumer, ({ length }) => length >= 2);
  assertEquals(rows.map(({ value }) => value), ["a", "b"]);
});

faultTest("a member that cannot reach its group for a session is told that its partitions are lost", async (scene) => {
  const witness = new Witness();
  const consumer = await scene.member(witness, scene.sessionMs);
  scene.proxy.fate = (apiKey) => HEARTBEATS.includes(apiKey) ? "request-lost" : "pass";
  await scene.pollUntil(consumer, () => witness.count("lost") > 0);
  assertEquals(witness.events.slice(0, 2), ["assigned 0", "lost 0"]);
  scene.proxy.fate = () => "pass";
  await scene.pollUntil(consumer, () => consumer.assignment().length === 1);
});

faultTest("an error of the position is not hidden by connections that break", async (scene) => {
  const consumer = await scene.member();
  consumer.seek({ topic: scene.topic, partition: 0 }, 500n);
  scene.proxy.cut();
  await assertRejects(() => scene.pollUntil(consumer, () => false), OffsetOutOfRangeError);
});

faultTest("close() ends in time when the broker does not answer", async (scene) => {
  const witness = new Witness();
  const consumer = await scene.member(witness);
  scene.proxy.fate = () => "silent";
  const beganMs = performance.now();
  await consumer.close();
  assert(performance.now() - beganMs < PATIENCE_MS);
  assertEquals(witness.events, ["assigned 0", "revoked 0"]);
});

faultTest(
  "a dynamic member that heard nothing for a session, but was heard, comes back under its own id",
  async (scene) => {
    const { proxy } = scene;
    const witness = new Witness();
    const consumer = await scene.member(witness, scene.sessionMs);
    const { memberId } = consumer.groupMetadata();
    // As somebody new it would have to wait for the session of its old self, which the group keeps alive.
    proxy.fate = (apiKey) => HEARTBEATS.includes(apiKey) ? "reply-lost" : "pass";
    await scene.pollUntil(consumer, () => witness.count("lost") > 0);
    proxy.fate = () => "pass";
    await scene.pollUntil(consumer, () => consumer.assignment().length > 0);
    assertEquals(consumer.groupMetadata().memberId, memberId);
  },
);

for (const fate of ["request-lost", "reply-lost"] as const) {
  faultTest(`a static member whose goodbye is ${fate} says it again, and others follow at once`, async (scene) => {
    const { broker, proxy, groupId } = scene;
    const topic = `${scene.topic}-2`;
    await (await broker.admin()).createTopics([{ topic, partitions: 2 }]);
    const [stays, goes] = await Promise.all(["stays", "goes"].map(async (instanceId) => {
      const consumer = await broker.consumer({ groupId, instanceId, sessionTimeoutMs: PATIENCE_MS * 2 });
      await consumer.subscribe([topic], new Witness());
      return consumer;
    })) as [Consumer, Consumer];
    const poll = (consumer: Consumer) => consumer.poll({ ...PLENTY, timeoutMs: 10 });
    await eventually(async () => {
      for (const consumer of [stays, goes]) await poll(consumer);
      return stays.assignment().length === 1 && goes.assignment().length === 1;
    });
    let lost = 0;
    proxy.fate = (apiKey, request) => isGoodbye(apiKey, request) && lost++ < 2 ? fate : "pass";
    await goes.close({ isLeaving: true });
    assert(lost >= 2, `${lost} goodbyes were said`);
    await eventually(async () => {
      await poll(stays);
      return stays.assignment().length === 2;
    });
    await stays.close();
  });
}
