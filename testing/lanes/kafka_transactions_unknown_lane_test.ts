/**
 * Outcomes of a transactional producer whose connection breaks: a proxy in front of a real Kafka loses requests and replies.
 * Runs when TURBINE_TEST_KAFKA names a broker (`host:port`).
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { BrokerTimeoutError, FencedError } from "../../lib/base/errors.ts";
import type { KafkaBroker } from "../../lib/adapters/kafka/kafka_broker.ts";
import { processEnvironment } from "../../lib/adapters/kafka/process_environment.ts";
import type { Call } from "../../lib/adapters/kafka/protocol/call.ts";
import { endTransactionCall, type TransactionIdentity } from "../../lib/adapters/kafka/protocol/transaction_calls.ts";
import type { Outcome } from "../../lib/base/outcome.ts";
import type { TransactionalProducer } from "../../lib/seams/broker.ts";
import { appliedValue, PLENTY, refusedError, Witness } from "../contracts/broker_contract_kit.ts";
import { recordsOf, rowsOf } from "../record_rows.ts";
import { ADAPTERS, testKafka, withClient } from "./kafka_brokers.ts";
import { type Fate, KafkaProxy } from "./kafka_proxy.ts";

const ADDRESS = testKafka();
const PRODUCE = 0;
const INITIALIZE = 22;
const END = 26;
const STAGE_OFFSETS = 28;
const GENERATIONS = [1, 2] as const;

/** A topic, a proxy, and a broker behind it. */
class Scene {
  readonly topic = `unknown-${crypto.randomUUID()}`;
  readonly proxy = new KafkaProxy(ADDRESS!);
  readonly broker: KafkaBroker;
  readonly direct: KafkaBroker;
  readonly generation: 1 | 2;

  constructor(adapter: keyof typeof ADAPTERS, transactionProtocol: 1 | 2) {
    const environment = processEnvironment();
    const bounds = { transactionProtocol, requestTimeoutMs: 1_000, heartbeatIntervalMs: 100, fetchWaitMs: 20 };
    this.generation = transactionProtocol;
    this.broker = ADAPTERS[adapter]({ brokers: [this.proxy.address], ...bounds }, environment);
    this.direct = ADAPTERS[adapter]({ brokers: [ADDRESS!], ...bounds, requestTimeoutMs: 10_000 }, environment);
  }

  /** An initialized producer of the one transactional id. */
  async producer(broker: KafkaBroker = this.broker): Promise<TransactionalProducer> {
    const producer = await broker.transactionalProducer({ transactionalId: this.topic });
    appliedValue(await producer.initialize());
    return producer;
  }

  /** Loses one kind of request, or its reply, a number of times. */
  lose(lostKey: number, fate: Fate, times = Infinity): void {
    let left = times;
    this.proxy.fate = (apiKey) => apiKey === lostKey && left-- > 0 ? fate : "pass";
  }

  /** What readers of committed records see; `end` is written to know when all of it was read. */
  async values(): Promise<(string | null)[]> {
    const end = await this.direct.producer();
    appliedValue(await end.produce({ topic: this.topic, records: recordsOf(["end"]), partitions: 0 }));
    const consumer = await this.direct.consumer({ groupId: `${this.topic}-${crypto.randomUUID()}` });
    await consumer.subscribe([this.topic], new Witness());
    const values: (string | null)[] = [];
    const endMs = performance.now() + 20_000;
    while (values.at(-1) !== "end") {
      assert(performance.now() < endMs, `the end is not read; before it came ${values.join()}`);
      for (const slab of await consumer.poll({ ...PLENTY, timeoutMs: 50 })) {
        values.push(...rowsOf(slab).map(({ value }) => value));
      }
    }
    await consumer.close();
    return values.filter((value) => value !== "end");
  }

  /** Offset that the group committed, once no transaction holds it. */
  async offset(): Promise<bigint | undefined> {
    const consumer = await this.direct.consumer({ groupId: this.topic });
    const [found] = await consumer.committed([{ topic: this.topic, partition: 0 }], { isStable: true });
    await consumer.close();
    return found?.offset;
  }

  /** One transaction up to its end: a record, and the offset of a group without members. */
  async fill(producer: TransactionalProducer, value: string, offset: bigint): Promise<void> {
    producer.begin();
    appliedValue(await this.send(producer, value));
    appliedValue(await this.sendOffset(producer, offset));
  }

  /** Writes a record. */
  send(producer: TransactionalProducer, value: string): Promise<Outcome<unknown>> {
    return producer.produce({ topic: this.topic, records: recordsOf([value]), partitions: 0 });
  }

  /** Puts an offset into the transaction. */
  sendOffset(producer: TransactionalProducer, offset: bigint): Promise<Outcome<void>> {
    const group = { groupId: this.topic, generation: -1, memberId: "", instanceId: null };
    return producer.sendOffsets([{ topic: this.topic, partition: 0, offset, leaderEpoch: -1, metadata: "" }], group);
  }

  /** Session of the open transaction, as the coordinator knows it. */
  async identity(): Promise<TransactionIdentity> {
    return await withClient(ADDRESS!, async (client) => {
      const channel = client.channel("describe");
      return await client.sendToCoordinator(this.topic, describeCall(this.topic), { channel, kind: "transaction" });
    });
  }

  /** A copy of an end that comes late. @returns Error code of the reply. */
  async endLate(identity: TransactionIdentity, isCommit: boolean): Promise<number> {
    const call = endTransactionCall(identity, { isCommit, version: this.generation === 1 ? 3 : 5 });
    return await withClient(ADDRESS!, async (client) => {
      const channel = client.channel("late");
      const reply = await client.sendToCoordinator(this.topic, call, { channel, kind: "transaction" });
      return reply.errorCode;
    });
  }

  async close(): Promise<void> {
    this.proxy.fate = () => "pass";
    await this.broker.close();
    await this.direct.close();
    await this.proxy.close();
  }
}

function describeCall(transactionalId: string): Call<TransactionIdentity> {
  return {
    apiKey: 65,
    version: 0,
    name: "DescribeTransactions",
    isFlexible: true,
    write: (w) => void w.compactArray([transactionalId], (id) => w.compactString(id)).noTags(),
    read: (r) => {
      r.int32();
      const [found] = r.compactArray(() => {
        assertEquals(r.int16(), 0, "the transactional id is known");
        const [id, _state] = [r.compactString() ?? "", r.compactString()];
        r.int32();
        r.int64();
        const identity = { transactionalId: id, producerId: r.int64(), producerEpoch: r.int16() };
        r.compactArray(() => {
          r.compactString();
          r.compactArray(() => r.int32());
          r.tags();
        });
        r.tags();
        return identity;
      });
      return found!;
    },
  };
}

function lostTest(name: string, run: (scene: Scene) => Promise<void>): void {
  if (ADDRESS === undefined) return;
  for (const adapter of Object.keys(ADAPTERS) as (keyof typeof ADAPTERS)[]) {
    for (const generation of GENERATIONS) {
      Deno.test(`${adapter}, generation ${generation}: ${name}`, async () => {
        const scene = new Scene(adapter, generation);
        try {
          await (await scene.direct.admin()).createTopics([{ topic: scene.topic, partitions: 1 }]);
          await run(scene);
        } finally {
          await scene.close();
        }
      });
    }
  }
}

if (ADDRESS === undefined) {
  console.log("cannot: unknown outcomes of transactions: TURBINE_TEST_KAFKA is not set to host:port");
}

for (const fate of ["request-lost", "reply-lost"] as const) {
  lostTest(
    `commit() that is ${fate} is sent again, and a late copy does not end the next transaction`,
    async (scene) => {
      const producer = await scene.producer();
      await scene.fill(producer, "a", 1n);
      const old = await scene.identity();
      scene.lose(END, fate, 1);
      appliedValue(await producer.commit());
      assertEquals(await scene.offset(), 1n);
      await scene.fill(producer, "b", 2n);
      assert(await scene.endLate(old, true) !== 0, "the late copy is refused");
      appliedValue(await scene.send(producer, "c"));
      appliedValue(await producer.abort());
      assertEquals([await scene.values(), await scene.offset()], [["a"], 1n]);
    },
  );

  lostTest(
    `abort() that is ${fate} is sent again, and a late copy does not end the next transaction`,
    async (scene) => {
      const producer = await scene.producer();
      await scene.fill(producer, "a", 1n);
      const old = await scene.identity();
      scene.lose(END, fate, 1);
      appliedValue(await producer.abort());
      await scene.fill(producer, "b", 2n);
      assert(await scene.endLate(old, false) !== 0, "the late copy is refused");
      appliedValue(await producer.commit());
      assertEquals([await scene.values(), await scene.offset()], [["b"], 2n]);
    },
  );

  lostTest(`commit() that stays ${fate} is unknown, and the group's offset tells what happened`, async (scene) => {
    const producer = await scene.producer();
    await scene.fill(producer, "a", 1n);
    scene.lose(END, fate);
    const outcome = await producer.commit();
    assertEquals(outcome.kind, "unknown");
    assert(outcome.kind === "unknown");
    assertInstanceOf(outcome.error, BrokerTimeoutError);
    await producer.close();
    const hasHappened = fate === "reply-lost";
    const next = await scene.producer();
    assertEquals(await scene.offset(), hasHappened ? 1n : undefined);
    scene.proxy.fate = () => "pass";
    if (!hasHappened) {
      await scene.fill(next, "a", 1n);
      appliedValue(await next.commit());
    }
    assertEquals([await scene.values(), await scene.offset()], [["a"], 1n]);
  });

  lostTest(`produce() that is ${fate} is unknown, and spoils its transaction`, async (scene) => {
    const producer = await scene.producer();
    producer.begin();
    scene.lose(PRODUCE, fate, 1);
    assertEquals((await scene.send(producer, "a")).kind, "unknown");
    refusedError(await producer.commit());
    await producer.close();
    await scene.producer();
    assertEquals(await scene.values(), []);
  });

  lostTest(`sendOffsets() that is ${fate} is unknown, and spoils its transaction`, async (scene) => {
    const producer = await scene.producer();
    producer.begin();
    appliedValue(await scene.send(producer, "a"));
    scene.lose(STAGE_OFFSETS, fate, 1);
    assertEquals((await scene.sendOffset(producer, 1n)).kind, "unknown");
    refusedError(await producer.commit());
    await producer.close();
    const next = await scene.producer();
    assertEquals([await scene.values(), await scene.offset()], [[], undefined]);
    await scene.fill(next, "b", 2n);
    appliedValue(await next.commit());
    assertEquals([await scene.values(), await scene.offset()], [["b"], 2n]);
  });

  lostTest(`initialize() that is ${fate} is unknown, and can be called again`, async (scene) => {
    const older = await scene.producer(scene.direct);
    await scene.fill(older, "old", 1n);
    const producer = await scene.broker.transactionalProducer({ transactionalId: scene.topic });
    scene.lose(INITIALIZE, fate, 1);
    assertEquals((await producer.initialize()).kind, "unknown");
    appliedValue(await producer.initialize());
    assertInstanceOf(refusedError(await older.commit()), FencedError);
    await scene.fill(producer, "new", 2n);
    appliedValue(await producer.commit());
    assertEquals([await scene.values(), await scene.offset()], [["new"], 2n]);
  });
}

lostTest("commit() whose request is lost is never applied after another producer took over", async (scene) => {
  const producer = await scene.producer();
  await scene.fill(producer, "zombie", 1n);
  scene.lose(END, "request-lost");
  const commit = producer.commit();
  const newer = await scene.producer(scene.direct);
  scene.proxy.fate = () => "pass";
  const outcome = await commit;
  // It cannot know whether an earlier copy was applied before it was fenced.
  assertEquals(outcome.kind, "unknown");
  await scene.fill(newer, "new", 2n);
  appliedValue(await newer.commit());
  assertEquals([await scene.values(), await scene.offset()], [["new"], 2n]);
});

lostTest("after an outcome that is unknown a producer that goes on cannot take its id back", async (scene) => {
  const producer = await scene.producer();
  producer.begin();
  scene.lose(PRODUCE, "reply-lost", 1);
  assertEquals((await scene.send(producer, "zombie")).kind, "unknown");
  const newer = await scene.producer(scene.direct);
  await scene.fill(newer, "new", 1n);
  assertEquals((await producer.abort()).kind, "not-applied");
  producer.begin();
  assertInstanceOf(refusedError(await scene.send(producer, "zombie")), FencedError);
  appliedValue(await newer.commit());
  assertEquals([await scene.values(), await scene.offset()], [["new"], 1n]);
});
