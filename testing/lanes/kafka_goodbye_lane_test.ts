/**
 * Members that leave before anybody told them that they have joined: a proxy in front of a real Kafka loses the replies.
 * Runs when TURBINE_TEST_KAFKA names a broker (`host:port`).
 */
import { assert } from "@std/assert";
import { BrokerUnavailableError } from "../../lib/base/errors.ts";
import { PLENTY, Witness } from "../contracts/broker_contract_kit.ts";
import { GROUP_ADAPTERS, holdingEnvironment, testKafka } from "./kafka_brokers.ts";
import { KafkaProxy } from "./kafka_proxy.ts";

const JOIN_GROUP = 11;
const MEMBER_HEARTBEAT = 68;
const PATIENCE_MS = 20_000;

async function eventually(attempt: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!await attempt()) {
    assert(performance.now() < endMs, "waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A member whose joins arrive and are not answered leaves; the other one is to have all partitions at once. */
async function leavesUnanswered(kind: keyof typeof GROUP_ADAPTERS, address: string): Promise<void> {
  const topic = `goodbye-${crypto.randomUUID()}`;
  const proxy = new KafkaProxy(address);
  const connect = (place: string) =>
    GROUP_ADAPTERS[kind]({ brokers: [place], heartbeatIntervalMs: 100, fetchWaitMs: 20 }, holdingEnvironment());
  const [broker, disturbed] = [connect(address), connect(proxy.address)];
  try {
    await (await broker.admin()).createTopics([{ topic, partitions: 2 }]);
    const options = { groupId: topic, sessionTimeoutMs: PATIENCE_MS * 2 };
    const stays = await broker.consumer({ ...options, instanceId: "stays" });
    await stays.subscribe([topic], new Witness());
    const poll = () => stays.poll({ ...PLENTY, timeoutMs: 10 });
    await eventually(async () => (await poll(), stays.assignment().length === 2));
    const { generation } = stays.groupMetadata();
    const goes = await disturbed.consumer({ ...options, instanceId: "goes" });
    let lost = 0;
    // Its heartbeats are all attempts to join, as none of them is answered.
    const isJoin = (apiKey: number) => apiKey === JOIN_GROUP || apiKey === MEMBER_HEARTBEAT && lost === 0;
    proxy.fate = (apiKey) => isJoin(apiKey) ? "reply-lost" : "pass";
    proxy.onLoss = () => void lost++;
    let isRefused = false;
    await eventually(async () => {
      try {
        if (lost === 0 && goes.groupMetadata().generation < 1) await goes.subscribe([topic], new Witness());
        await Promise.all([poll(), goes.poll({ ...PLENTY, timeoutMs: 10 })]);
      } catch (error) {
        if (!(error instanceof BrokerUnavailableError)) throw error;
        isRefused = true;
      }
      return isRefused;
    });
    assert(lost > 0, "it was refused before it could join");
    await goes.close({ isLeaving: true });
    await eventually(async () => {
      await poll();
      return stays.groupMetadata().generation > generation && stays.assignment().length === 2;
    });
    await stays.close();
  } finally {
    for (const each of [disturbed, broker]) await each.close();
    await proxy.close();
  }
}

const ADDRESS = testKafka();
if (ADDRESS === undefined) console.log("cannot: goodbyes on Kafka: TURBINE_TEST_KAFKA is not set to host:port");
else {
  for (const kind of Object.keys(GROUP_ADAPTERS) as (keyof typeof GROUP_ADAPTERS)[]) {
    Deno.test(`${kind}: a static member that nobody told that it has joined leaves all the same`, async () => {
      await leavesUnanswered(kind, ADDRESS);
    });
  }
}
