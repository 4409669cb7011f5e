import type { Adapter, Environment } from "../../seams/adapter.ts";
import type { Broker } from "../../seams/broker.ts";
import { checkSecurity } from "./check_security.ts";
import { KafkaBroker } from "./kafka_broker.ts";
import { type KafkaOptions, parseLocation, resolveOptions } from "./kafka_options.ts";
import { processEnvironment } from "./process_environment.ts";
import { SocketConnection } from "./socket_connection.ts";

/**
 * The adapter for `kafka://host:port[,host:port...]`.
 *
 * @example Let option strings name a Kafka cluster
 * ```ts
 * import { kafka } from "@turbine/turbine/kafka";
 *
 * const options = { adapters: [kafka], broker: "kafka://127.0.0.1:9092" };
 * if (options.adapters[0]!.scheme !== "kafka") throw new Error("the scheme is kafka");
 * ```
 */
export const kafka: Adapter = Object.freeze({
  scheme: "kafka",
  broker: (location: string, environment: Environment): Broker =>
    kafkaBroker({ brokers: parseLocation(location, "kafka") }, environment),
});

/**
 * A Kafka cluster as an object for the `broker` option, for what an address alone cannot say: TLS, SASL, bounds.
 *
 * @param options Addresses, TLS, SASL and bounds.
 * @param environment Time, randomness and log. @default {those of the process, no log}
 * @returns The broker; nothing is connected yet.
 * @throws {TypeError} when an address is not `host:port`, or TLS or SASL options cannot be used.
 * @throws {RangeError} when a number is out of its range.
 * @example A cluster with TLS and SASL
 * ```ts
 * import { kafkaBroker } from "@turbine/turbine/kafka";
 *
 * const broker = kafkaBroker({
 *   brokers: ["kafka.example:9093"],
 *   ssl: true,
 *   sasl: { mechanism: "scram-sha-512", username: "turbine", password: "secret" },
 * });
 * if (broker.location !== "kafka://kafka.example:9093") throw new Error("the location names no secrets");
 * ```
 */
export function kafkaBroker(options: KafkaOptions, environment: Environment = processEnvironment()): KafkaBroker {
  const resolved = resolveOptions(options);
  checkSecurity(options);
  const settings = { ssl: options.ssl ?? false, sasl: options.sasl, ...resolved };
  return new KafkaBroker(resolved, {
    scheme: "kafka",
    environment,
    makeConnection: (place, clientId) => new SocketConnection(place, clientId, { options: settings, environment }),
  });
}
