/**
 * The broker contract against a real Kafka through kafkajs. Runs when TURBINE_TEST_KAFKA names one (`host:port`), for
 * example `TURBINE_TEST_KAFKA=127.0.0.1:19092` after `deno task services up kafka`.
 */
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

if (ADDRESS === undefined) {
  console.log("cannot: kafkajs against Kafka: TURBINE_TEST_KAFKA is not set to host:port");
} else {
  brokerContract("kafkajs", () => makeHarness(ADDRESS), { skip: SKIP });
}
