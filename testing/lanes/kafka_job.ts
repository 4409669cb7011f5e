/**
 * The job of the lane of real jobs on Kafka: running sums by key, state in RocksDB. Runs until SIGTERM, or until it is
 * killed; standard output has a line `started`, and a line `tasks <partitions>` for each change of what it works on.
 *
 * Argument: {@linkcode KafkaJobOptions} as JSON.
 */
import { json, type Topic, topic, Turbine } from "@turbine/turbine";
import { kafkajsBroker } from "@turbine/turbine/kafkajs";
import { rocksdb } from "@turbine/turbine/rocksdb";
import type { KafkaBroker } from "../../lib/adapters/kafka/kafka_broker.ts";
import { kafkaBroker } from "../../lib/adapters/kafka/mod.ts";
import { NUMBER, SUM, sumsHandler } from "./sums_handler.ts";

/** What the job promises, and through which adapter. */
export interface KafkaJobPromise {
  /** Promise about output. */
  readonly guarantee: "at-least-once" | "exactly-once";
  /** The adapter. */
  readonly adapter: "kafka" | "kafkajs";
  /** Generation of the protocol of transactions. */
  readonly transactionProtocol: 1 | 2;
}

/** One process of the job. */
export interface KafkaJobOptions extends KafkaJobPromise {
  /** Broker, `host:port`. */
  readonly address: string;
  /** Name of the app; its topics begin with it. */
  readonly name: string;
  /** Where state lives between batches: of this process alone. */
  readonly stateDirectory: string;
  /** Where checkpoints go: shared by all processes. */
  readonly checkpointsDirectory: string;
  /** A static member's id; a dynamic member without. */
  readonly instanceId?: string;
  /** A silent process loses its partitions after this. */
  readonly failoverGraceMs: number;
}

/** The broker ends transactions that are open for longer, in milliseconds; the default would be a minute. */
const TRANSACTION_MS = 12_000;
const HOW = { key: "key", partitions: 3, createTopics: true } as const;

/** Rows that the job takes at a time. */
export const BATCH_ROWS = 50;

/** Numbered records; `id` counts from 0. */
export function numbersOf(name: string): Topic<typeof NUMBER> {
  return topic(`${name}-numbers`, { ...HOW, value: json(NUMBER) });
}

/** One row for each record: the sum of ids of its key so far. */
export function sumsOf(name: string): Topic<typeof SUM> {
  return topic(`${name}-sums`, { ...HOW, value: json(SUM) });
}

/** The record of a number. */
export function recordOf(id: number): { id: number; key: string } {
  return { id, key: `k${(id * 7) % 29}` };
}

/** What a process that was killed leaves open is ended by the broker soon, and those who wait for it go on. */
function withShortTransactions(broker: KafkaBroker): KafkaBroker {
  const open = broker.transactionalProducer.bind(broker);
  broker.transactionalProducer = (options) => open({ ...options, transactionTimeoutMs: TRANSACTION_MS });
  return broker;
}

/** The job. */
export function createApp(options: KafkaJobOptions): Turbine {
  const { address, name, stateDirectory, checkpointsDirectory, instanceId, failoverGraceMs } = options;
  const { guarantee: processingGuarantee, adapter, transactionProtocol } = options;
  const makeBroker = adapter === "kafka" ? kafkaBroker : kafkajsBroker;
  const log = (level: string, message: string) => {
    if (level === "warn" || level === "error") console.error(`${level}: ${message}`);
  };
  const app = new Turbine(name, {
    adapters: [rocksdb],
    broker: withShortTransactions(makeBroker({ brokers: [address], transactionProtocol })),
    state: `rocksdb:${stateDirectory}`,
    checkpoints: `file:${checkpointsDirectory}`,
    checkpointIntervalMs: 400,
    stateFlushIntervalMs: 100,
    failoverGraceMs,
    ...instanceId === undefined ? {} : { instanceId },
    environment: { observer: { step: () => {}, log } },
  });
  app.subscribe(numbersOf(name), {
    publishTo: sumsOf(name),
    name: "sums",
    processingGuarantee,
    batchRows: BATCH_ROWS,
    commitIntervalMs: 1,
  }, sumsHandler);
  return app;
}

async function main(options: KafkaJobOptions): Promise<void> {
  await using running = await createApp(options).start();
  Deno.addSignalListener("SIGTERM", () => void running.close());
  console.log("started");
  let shown = "";
  while (!running.isClosed) {
    const tasks = `tasks ${running.status()[0]!.tasks.map(({ partition }) => partition).sort().join(" ")}`;
    if (tasks !== shown) console.log(shown = tasks);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if (running.failure !== undefined) throw running.failure;
  const [failure] = running.status()[0]!.failures.values();
  if (failure !== undefined) throw failure;
  Deno.exit(0);
}

if (import.meta.main) await main(JSON.parse(Deno.args[0]!));
