import { KafkaClient } from "../../lib/adapters/kafka/kafka_client.ts";
import type { KafkaBroker } from "../../lib/adapters/kafka/kafka_broker.ts";
import { type KafkaOptions, resolveOptions } from "../../lib/adapters/kafka/kafka_options.ts";
import { processEnvironment } from "../../lib/adapters/kafka/process_environment.ts";
import type { Call } from "../../lib/adapters/kafka/protocol/call.ts";
import { kafkaBroker } from "../../lib/adapters/kafka/kafka.ts";
import { SocketConnection } from "../../lib/adapters/kafka/socket_connection.ts";
import { kafkajsBroker } from "../../lib/adapters/kafkajs/kafkajs.ts";
import { holdProcess } from "../../lib/adapters/system/hold_process.ts";
import type { Environment } from "../../lib/seams/adapter.ts";

/** Adapters of a real Kafka, by their scheme. */
export const ADAPTERS = { kafka: kafkaBroker, kafkajs: kafkajsBroker } as const satisfies Record<
  string,
  (options: KafkaOptions, environment: Environment) => KafkaBroker
>;

/** The same, and members of groups of the `consumer` protocol (KIP-848). */
export const GROUP_ADAPTERS = {
  ...ADAPTERS,
  "kafka-consumer": (options: KafkaOptions, environment: Environment): KafkaBroker =>
    kafkaBroker({ ...options, groupProtocol: "consumer" }, environment),
} as const;

/** The cluster under test: `host:port` in TURBINE_TEST_KAFKA, if it may be read and is set. */
export function testKafka(): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "TURBINE_TEST_KAFKA" });
  return state === "granted" ? Deno.env.get("TURBINE_TEST_KAFKA") : undefined;
}

/** A sleep holds the process, so that a test which waits for one is not cut off. */
export function holdingEnvironment(): Environment {
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

/** A client for calls that the adapters have no use for themselves. */
export async function withClient<T>(address: string, use: (client: KafkaClient) => Promise<T>): Promise<T> {
  const options = resolveOptions({ brokers: [address] });
  const environment = processEnvironment();
  const client = new KafkaClient(options, {
    environment,
    makeConnection: (place, clientId) =>
      new SocketConnection(place, clientId, { options: { ssl: false, sasl: undefined, ...options }, environment }),
  });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Sends one such call to any broker. */
export function sendToBroker(address: string, call: Call<void>): Promise<void> {
  return withClient(address, (client) => client.sendAnywhere(call));
}
