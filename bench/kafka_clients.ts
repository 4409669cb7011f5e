/**
 * One client of the bench of Kafka clients: a workload, several rounds, one line of JSON at the end.
 *
 *     kafka_clients.ts kafka|kafkajs|stock TASK
 *
 * TASK is a `ClientTask` in JSON.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import type { Kafka } from "kafkajs";
import type { Records, RecordSlab } from "../lib/columns/records.ts";
import type { KafkaOptions } from "../lib/adapters/kafka/kafka_options.ts";
import type { Broker, CommittedPosition, Consumer } from "../lib/seams/broker.ts";
import type { ClientTask, Round } from "./kafka_tasks.ts";
import { benchKey, benchRecords, benchValue } from "./kafka_tasks.ts";

const BATCH = 10_000;
/** kafkajs makes one record batch of a send, which brokers take up to 1 MiB. */
const STOCK_SEND = BATCH / 2;
const POLL = { maxRecords: BATCH, maxBytes: 4 * 1024 * 1024, timeoutMs: 1_000 };
const NOBODY = { assigned: () => Promise.resolve(), revoked: () => Promise.resolve(), lost: () => Promise.resolve() };

/** Wall and processor time of what `run` does. */
async function measured(rows: number, run: () => Promise<void>): Promise<Round> {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await run();
  const seconds = (performance.now() - startMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { rows, seconds, cpuSeconds: (user + system) / 1e6 };
}

/** A member that holds every partition of the input. */
async function memberOf(broker: Broker, task: ClientTask): Promise<Consumer> {
  const consumer = await broker.consumer({ groupId: `bench-${crypto.randomUUID()}` });
  await consumer.subscribe([task.input], NOBODY);
  while (consumer.assignment().length === 0) await consumer.poll({ ...POLL, maxRecords: 1, timeoutMs: 10 });
  return consumer;
}

function rewind(consumer: Consumer): void {
  for (const place of consumer.assignment()) consumer.seek(place, 0n);
}

/** Keys and values of all rows must be there: sums their bytes. */
function touch({ records }: RecordSlab): number {
  const { starts, ends } = records.values;
  let bytes = 0;
  for (let row = 0; row < records.count; row++) bytes += ends[row]! - starts[row]!;
  return bytes;
}

async function consume(broker: Broker, task: ClientTask): Promise<Round[]> {
  const consumer = await memberOf(broker, task);
  const rounds: Round[] = [];
  for (let round = 0; round < task.rounds; round++) {
    rewind(consumer);
    rounds.push(
      await measured(task.rows, async () => {
        let bytes = 0;
        for (let rows = 0; rows < task.rows;) {
          for (const slab of await consumer.poll(POLL)) {
            rows += slab.records.count;
            bytes += touch(slab);
          }
        }
        if (bytes === 0) throw new Error("Nothing was read");
      }),
    );
  }
  await consumer.close({ isDirty: true });
  return rounds;
}

async function produce(broker: Broker, task: ClientTask): Promise<Round[]> {
  const producer = await broker.producer();
  const records: Records = benchRecords(BATCH);
  const rounds: Round[] = [];
  for (let round = 0; round < task.rounds; round++) {
    rounds.push(
      await measured(task.rows, async () => {
        for (let row = 0; row < task.rows; row += BATCH) {
          const outcome = await producer.produce({ topic: task.output, records });
          if (outcome.kind !== "applied") throw outcome.error;
        }
      }),
    );
  }
  await producer.close();
  return rounds;
}

/** Polls until there is a batch: one poll ends where what was fetched ends. */
async function pollBatch(consumer: Consumer): Promise<RecordSlab[]> {
  const slabs: RecordSlab[] = [];
  for (let rows = 0; rows < BATCH;) {
    const polled = await consumer.poll({ ...POLL, maxRecords: BATCH - rows });
    slabs.push(...polled);
    rows += polled.reduce((sum, { records }) => sum + records.count, 0);
  }
  return slabs;
}

/** The last position of each partition. */
function latest(positions: readonly CommittedPosition[]): CommittedPosition[] {
  return [...new Map(positions.map((position) => [`${position.topic}/${position.partition}`, position])).values()];
}

async function transactions(broker: Broker, task: ClientTask): Promise<Round[]> {
  const consumer = await memberOf(broker, task);
  const producer = await broker.transactionalProducer({ transactionalId: `bench-${crypto.randomUUID()}` });
  await producer.initialize();
  const must = (outcome: { readonly kind: string; readonly error?: unknown }) => {
    if (outcome.kind !== "applied") throw outcome.error;
  };
  const rounds: Round[] = [];
  for (let round = 0; round < task.rounds; round++) {
    rewind(consumer);
    rounds.push(
      await measured(task.rows, async () => {
        for (let rows = 0; rows < task.rows;) {
          const slabs = await pollBatch(consumer);
          const positions = slabs.map(({ topic, partition, to, leaderEpoch }) => ({
            topic,
            partition,
            offset: to,
            leaderEpoch,
            metadata: "",
          }));
          producer.begin();
          const sent = slabs.map(({ records }) => producer.produce({ topic: task.output, records }));
          const staged = producer.sendOffsets(latest(positions), consumer.groupMetadata());
          for (const outcome of await Promise.all([...sent, staged])) must(outcome);
          rows += slabs.reduce((sum, { records }) => sum + records.count, 0);
          must(await producer.commit());
        }
      }),
    );
  }
  await producer.close();
  await consumer.close({ isDirty: true });
  return rounds;
}

/** kafkajs as it comes, by its public API: what its users have today. */
async function stock(task: ClientTask): Promise<Round[]> {
  const { default: kafkajs } = await import("kafkajs");
  const kafka = new kafkajs.Kafka({ brokers: [task.address], logLevel: 0 });
  return task.workload === "produce" ? await stockProduce(kafka, task) : await stockConsume(kafka, task);
}

async function stockProduce(kafka: Kafka, task: ClientTask): Promise<Round[]> {
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  const messages = Array.from({ length: STOCK_SEND }, (_, row) => ({ key: benchKey(row), value: benchValue(row) }));
  const rounds: Round[] = [];
  for (let round = 0; round < task.rounds; round++) {
    rounds.push(
      await measured(task.rows, async () => {
        for (let row = 0; row < task.rows; row += STOCK_SEND) {
          await producer.send({ topic: task.output, messages, acks: -1 });
        }
      }),
    );
  }
  await producer.disconnect();
  return rounds;
}

async function stockConsume(kafka: Kafka, task: ClientTask): Promise<Round[]> {
  const groupId = `bench-${crypto.randomUUID()}`;
  const consumer = kafka.consumer({ groupId, maxBytesPerPartition: POLL.maxBytes, maxWaitTimeInMs: 100 });
  const isTransactional = task.workload === "transactions";
  const retry = { initialRetryTime: 2 };
  const producer = kafka.producer({ transactionalId: groupId, idempotent: true, maxInFlightRequests: 1, retry });
  if (isTransactional) await producer.connect();
  await consumer.connect();
  await consumer.subscribe({ topics: [task.input], fromBeginning: true });
  let rows = 0;
  let done = Promise.withResolvers<void>();
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      if (rows >= task.rows) return;
      if (isTransactional) {
        const transaction = await producer.transaction();
        const { topic, partition, messages } = batch;
        for (let from = 0; from < messages.length; from += STOCK_SEND) {
          await transaction.send({ topic: task.output, messages: messages.slice(from, from + STOCK_SEND) });
        }
        const offset = (BigInt(batch.lastOffset()) + 1n).toString();
        const topics = [{ topic, partitions: [{ partition, offset }] }];
        await transaction.sendOffsets({ consumerGroupId: groupId, topics });
        await transaction.commit();
      }
      rows += batch.messages.length;
      if (rows >= task.rows) done.resolve();
    },
  });
  const rounds: Round[] = [];
  for (let round = 0; round < task.rounds; round++) {
    rounds.push(
      await measured(task.rows, async () => {
        done = Promise.withResolvers<void>();
        rows = 0;
        for (let partition = 0; partition < task.partitions; partition++) {
          consumer.seek({ topic: task.input, partition, offset: "0" });
        }
        await done.promise;
      }),
    );
  }
  await consumer.disconnect();
  if (isTransactional) await producer.disconnect();
  return rounds;
}

/** Loads no more than its users load: memory is measured. */
async function brokerOf(client: string, options: KafkaOptions): Promise<Broker> {
  if (client === "kafka") return (await import("../lib/adapters/kafka/kafka.ts")).kafkaBroker(options);
  return (await import("../lib/adapters/kafkajs/kafkajs.ts")).kafkajsBroker(options);
}

/** Peak of resident memory, in MiB. */
function residentMb(): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Math.round(Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}

if (import.meta.main) {
  const [client, text] = Deno.args;
  const task = JSON.parse(text!) as ClientTask;
  const options = { brokers: [task.address], fetchWaitMs: 100 };
  const ours = { consume, produce, transactions }[task.workload];
  const rounds = client === "stock" ? await stock(task) : await ours(await brokerOf(client!, options), task);
  console.log(JSON.stringify({ rounds, rssMb: residentMb() }));
  Deno.exit(0);
}
