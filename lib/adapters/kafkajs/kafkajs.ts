import type { Adapter, Environment } from "../../seams/adapter.ts";
import type { Broker } from "../../seams/broker.ts";
import { checkMechanism } from "../kafka/check_security.ts";
import { KafkaBroker } from "../kafka/kafka_broker.ts";
import { parseLocation, resolveOptions } from "../kafka/kafka_options.ts";
import { processEnvironment } from "../kafka/process_environment.ts";
import { MECHANISMS } from "../kafka/sasl.ts";
import { KafkajsConnection } from "./kafkajs_connection.ts";
import type { KafkajsOptions } from "./kafkajs_options.ts";

/**
 * The adapter for `kafkajs://host:port[,host:port...]`.
 *
 * @example Let option strings name a Kafka cluster
 * ```ts
 * import { kafkajs } from "@turbine/turbine/kafkajs";
 *
 * const options = { adapters: [kafkajs], broker: "kafkajs://127.0.0.1:9092" };
 * if (options.adapters[0]!.scheme !== "kafkajs") throw new Error("the scheme is kafkajs");
 * ```
 */
export const kafkajs: Adapter = Object.freeze({
  scheme: "kafkajs",
  broker: (location: string, environment: Environment): Broker =>
    kafkajsBroker({ brokers: parseLocation(location, "kafkajs") }, environment),
});

const MECHANISM_NAMES = [...Object.keys(MECHANISMS), "aws"];

/**
 * A Kafka cluster as an object for the `broker` option, for what an address alone cannot say: TLS, SASL, bounds.
 *
 * @param options Addresses, TLS, SASL and bounds.
 * @param environment Time, randomness and log. @default {those of the process, no log}
 * @returns The broker; nothing is connected yet.
 * @throws {TypeError} when an address is not `host:port`, or the mechanism of SASL is unknown.
 * @throws {RangeError} when a number is out of its range.
 * @example A cluster with TLS and SASL
 * ```ts
 * import { kafkajsBroker } from "@turbine/turbine/kafkajs";
 *
 * const broker = kafkajsBroker({
 *   brokers: ["kafka.example:9093"],
 *   ssl: true,
 *   sasl: { mechanism: "scram-sha-512", username: "turbine", password: "secret" },
 * });
 * if (broker.location !== "kafkajs://kafka.example:9093") throw new Error("the location names no secrets");
 * ```
 */
export function kafkajsBroker(options: KafkajsOptions, environment: Environment = processEnvironment()): KafkaBroker {
  const resolved = resolveOptions(options, "kafkajs");
  if (options.sasl !== undefined) checkMechanism(options.sasl.mechanism, { scheme: "kafkajs", names: MECHANISM_NAMES });
  const settings = { ssl: options.ssl ?? false, sasl: options.sasl, ...resolved };
  return new KafkaBroker(resolved, {
    scheme: "kafkajs",
    environment,
    makeConnection: (place, clientId) => new KafkajsConnection(place, clientId, { options: settings, environment }),
  });
}
