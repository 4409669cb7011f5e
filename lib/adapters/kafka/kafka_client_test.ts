import { assertEquals, assertRejects } from "@std/assert";
import { FakeClock } from "../../../testing/fake_clock.ts";
import { BrokerUnavailableError } from "../../base/errors.ts";
import { bestVersion } from "./connection.ts";
import { type Answering, FakeKafka, metadataReply, USUAL, versionsReply } from "./fake_kafka_test.ts";
import { KafkaClient } from "./kafka_client.ts";
import { type KafkaOptions, resolveOptions } from "./kafka_options.ts";
import { processEnvironment } from "./process_environment.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";
import { heartbeatCall } from "./protocol/group_calls.ts";
import { SocketConnection } from "./socket_connection.ts";

const METADATA = 3;
const FIND_COORDINATOR = 10;
const HEARTBEAT = 12;
const beat = heartbeatCall({ groupId: "g", memberId: "m", instanceId: null }, 1);

async function withClient(
  brokers: readonly string[],
  use: (client: KafkaClient, clock: FakeClock) => Promise<void>,
  more: Partial<KafkaOptions> = {},
): Promise<void> {
  const clock = new FakeClock();
  const environment = { ...processEnvironment(), clock, random: { uint32: () => 2 ** 31 } };
  const options = resolveOptions({ brokers, ...more });
  const client = new KafkaClient(options, {
    environment,
    makeConnection: (place, clientId) =>
      new SocketConnection(place, clientId, { options: { ssl: false, sasl: undefined, ...options }, environment }),
  });
  try {
    await use(client, clock);
  } finally {
    await client.close();
  }
}

function coordinatorReply(address: string): Uint8Array {
  const [host, port] = address.split(":");
  return new ByteWriter().int32(0).int16(0).string(null).int32(0).string(host!).int32(Number(port)).finish();
}

/** One broker with topic `t`, which leads and coordinates everything. */
const broker: Answering = ({ apiKey, address }) => {
  if (apiKey === METADATA) return metadataReply(address, [{ topic: "t" }]);
  if (apiKey === FIND_COORDINATOR) return coordinatorReply(address);
  return apiKey === HEARTBEAT ? new ByteWriter().int32(0).int16(0).finish() : null;
};

Deno.test("versionsOf() and featuresOf() tell what a broker speaks and what its cluster has finalized", async () => {
  const answer: Answering = (request) =>
    request.apiKey === 18
      ? versionsReply(request.version, [...USUAL, [26, 0, 5]], { "transaction.version": 2 })
      : broker(request);
  await FakeKafka.with(answer, async ({ address }) => {
    await withClient([address], async (client) => {
      await client.open();
      const nodeId = await client.coordinatorOf("tx", "transaction");
      assertEquals((await client.versionsOf(nodeId))[26], { minVersion: 0, maxVersion: 5 });
      assertEquals(await client.featuresOf(nodeId, client.channel("other")), { "transaction.version": 2 });
    });
  });
});

Deno.test("send() makes a call for the versions of the broker that it goes to", async () => {
  await FakeKafka.with(broker, async ({ address, requests }) => {
    await withClient([address], async (client) => {
      await client.open();
      const channel = client.channel("other");
      await client.send(0, ({ versions }) => {
        const version = bestVersion(versions, HEARTBEAT, { minVersion: 0, maxVersion: 3 });
        return { ...beat, version };
      }, { channel });
      assertEquals(requests.at(-1)!.version, 3);
    });
  });
});

Deno.test("bestVersion() is the highest one that both speak, or our lowest", () => {
  const versions = { 1: { minVersion: 4, maxVersion: 11 } };
  assertEquals(bestVersion(versions, 1, { minVersion: 0, maxVersion: 17 }), 11);
  assertEquals(bestVersion(versions, 1, { minVersion: 0, maxVersion: 7 }), 7);
  assertEquals(bestVersion(versions, 1, { minVersion: 12, maxVersion: 17 }), 12);
  assertEquals(bestVersion(versions, 1, { minVersion: 0, maxVersion: 3 }), 0);
  assertEquals(bestVersion(versions, 2, { minVersion: 5, maxVersion: 7 }), 5);
});

Deno.test("coordinatorOf() asks for groups and for transactions apart, and once", async () => {
  await FakeKafka.with(broker, async ({ address, requests }) => {
    await withClient([address], async (client) => {
      for (const kind of ["group", "transaction", "group", "transaction"] as const) {
        await client.coordinatorOf("x", kind);
      }
      const asked = requests.filter(({ apiKey }) => apiKey === FIND_COORDINATOR);
      assertEquals(asked.map(({ body }) => [body.string(), body.int8()]), [["x", 0], ["x", 1]]);
      client.forgetCoordinator("x", "transaction");
      await client.coordinatorOf("x");
      await client.coordinatorOf("x", "transaction");
      assertEquals(requests.filter(({ apiKey }) => apiKey === FIND_COORDINATOR).length, 3);
    });
  });
});

Deno.test("a broker that is lost is no leader and no coordinator until the cluster says so again", async () => {
  let isCut = false;
  const answer: Answering = (request) => isCut && request.apiKey === HEARTBEAT ? "hang-up" : broker(request);
  await FakeKafka.with(answer, async ({ address, requests }) => {
    await withClient([address], async (client, clock) => {
      const channel = client.channel("other");
      const asked = (apiKey: number) => requests.filter((request) => request.apiKey === apiKey).length;
      for (let i = 0; i < 2; i++) {
        await client.leaderOf({ topic: "t", partition: 0 });
        await client.sendToCoordinator("g", beat, { channel });
      }
      assertEquals([asked(METADATA), asked(FIND_COORDINATOR)], [1, 1]);
      isCut = true;
      await assertRejects(() => client.send(0, beat, { channel }), BrokerUnavailableError);
      isCut = false;
      await clock.advance(1_000);
      await client.leaderOf({ topic: "t", partition: 0 });
      await client.sendToCoordinator("g", beat, { channel });
      assertEquals([asked(METADATA), asked(FIND_COORDINATOR)], [2, 2]);
    });
  });
});

Deno.test("metadata of a broker that missed an election do not lead back to the old leader", async () => {
  let [leader, epoch] = [0, 5];
  const answer: Answering = ({ apiKey, address }) =>
    apiKey === METADATA ? metadataReply(address, [{ topic: "t", leader, epoch }]) : null;
  await FakeKafka.with(answer, async ({ address }) => {
    await withClient([address], async (client) => {
      assertEquals(await client.leaderOf({ topic: "t", partition: 0 }), 0);
      client.forgetTopic("t");
      [leader, epoch] = [7, 4];
      assertEquals(await client.leaderOf({ topic: "t", partition: 0 }), 0);
    });
  });
});

Deno.test("metadata are asked again when they are old", async () => {
  await FakeKafka.with(broker, async ({ address, requests }) => {
    await withClient([address], async (client, clock) => {
      await client.topic("t");
      await clock.advance(999);
      await client.topic("t");
      assertEquals(requests.length, 1);
      await clock.advance(1);
      await client.topic("t");
      assertEquals(requests.length, 2);
    }, { metadataMaxAgeMs: 1_000 });
  });
});

Deno.test("sendAnywhere() asks another broker while one rests after a failure", async () => {
  let isGone = true;
  await FakeKafka.with((request) => isGone ? "hang-up" : broker(request), async (first) => {
    await FakeKafka.with(broker, async (second) => {
      await withClient([first.address, second.address], async (client, clock) => {
        await client.open();
        assertEquals([first.connectionCount, second.connectionCount], [1, 1]);
        isGone = false;
        // No wait, although the first one is to be left alone for a while.
        await client.metadata([]);
        await client.metadata([]);
        assertEquals([first.connectionCount, second.connectionCount], [1, 1]);
        await clock.advance(1_000);
      }, { reconnectBackoffMs: 1_000 });
    });
  });
});
