/**
 * Kafka through kafkajs: an adapter for the `broker` option, at-least-once and exactly-once.
 *
 * Of kafkajs it uses the connections with their TLS and SASL. The protocol above them is this adapter's own: records stay
 * in columns, checksums are checked, gzip, snappy, lz4 and zstd are read, `revoked` is awaited before a rebalance goes on,
 * static members keep their partitions over a restart, and an offset out of range is an error, never a silent reset.
 * Transactions hold records and offsets under the group's fence, in both generations of the protocol.
 *
 * Needs Kafka 2.8 or newer, and `--allow-net` for all brokers of the cluster plus
 * `--allow-env=KAFKAJS_DEBUG_PROTOCOL_BUFFERS,KAFKAJS_DEBUG_EXTENDED_PROTOCOL_BUFFERS`.
 *
 * @module
 */
export { kafkajs, kafkajsBroker } from "./kafkajs.ts";
export type { KafkajsAwsSasl, KafkajsOptions, KafkajsSasl } from "./kafkajs_options.ts";
export type {
  GroupProtocol,
  KafkaOauthSasl,
  KafkaOptions,
  KafkaPasswordSasl,
  KafkaTls,
} from "../kafka/kafka_options.ts";
export type { Compression } from "../kafka/record_batch.ts";
export type { TransactionGeneration } from "../kafka/transaction_generation.ts";
export type { KafkaBroker } from "../kafka/kafka_broker.ts";
