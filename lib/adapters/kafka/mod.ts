/**
 * Kafka: an adapter for the `broker` option, with a client of its own and no package underneath.
 *
 * Records stay in columns from the socket to the job, checksums are checked, gzip, snappy, lz4 and zstd are read, `revoked`
 * is awaited before a rebalance goes on, static members keep their partitions over a restart, and an offset out of range is
 * an error, never a silent reset. TLS, with a certificate of the client if need be, and SASL: PLAIN, SCRAM-SHA-256,
 * SCRAM-SHA-512, and OAUTHBEARER, renewed before the broker ends a session.
 *
 * Needs Kafka 2.8 or newer, and `--allow-net` for all brokers of the cluster.
 *
 * @example A cluster whose brokers have certificates of an authority of your own, and ask for a token
 * ```ts
 * import { kafkaBroker } from "@turbine/turbine/kafka";
 *
 * const broker = kafkaBroker({
 *   brokers: ["kafka-1.example:9094", "kafka-2.example:9094"],
 *   ssl: { ca: "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n" },
 *   sasl: {
 *     mechanism: "oauthbearer",
 *     oauthBearerProvider: () => Promise.resolve({ value: "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmVk" }),
 *   },
 * });
 * if (broker.location !== "kafka://kafka-1.example:9094,kafka-2.example:9094") throw new Error("two addresses");
 * await broker.close();
 * ```
 *
 * @module
 */
export { kafka, kafkaBroker } from "./kafka.ts";
export type {
  GroupProtocol,
  KafkaOauthSasl,
  KafkaOptions,
  KafkaPasswordSasl,
  KafkaSasl,
  KafkaTls,
} from "./kafka_options.ts";
export type { Compression } from "./record_batch.ts";
export type { TransactionGeneration } from "./transaction_generation.ts";
export type { KafkaBroker } from "./kafka_broker.ts";
