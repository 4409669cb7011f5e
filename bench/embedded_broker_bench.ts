/**
 * The embedded broker in memory: records a second through produce and fetch, as whole slabs of 100-byte records.
 * Run: `deno bench -A bench/embedded_broker_bench.ts`.
 */
import { encodeChange } from "../lib/embedded/change_codec.ts";
import type { Change } from "../lib/embedded/change.ts";
import type { Records } from "../lib/columns/records.ts";
import { MemoryBroker } from "../testing/memory_broker.ts";

const ROWS = 10_000;
const ROUNDS = 50;
const VALUE_BYTES = 92;
const KEY_BYTES = 8;

function slab(): Records {
  const span = (width: number) => ({
    bytes: new Uint8Array(ROWS * width).map((_, i) => 97 + ((i * 31 + (i >> 3)) % 26)),
    starts: Int32Array.from({ length: ROWS }, (_, i) => i * width),
    ends: Int32Array.from({ length: ROWS }, (_, i) => (i + 1) * width),
  });
  return { count: ROWS, keys: span(KEY_BYTES), values: span(VALUE_BYTES), timestamps: null, headers: null };
}

const RECORDS = slab();
const quiet = {
  assigned: () => Promise.resolve(),
  revoked: () => Promise.resolve(),
  lost: () => Promise.resolve(),
};

async function produceAll(broker: MemoryBroker, partitions?: number): Promise<void> {
  const producer = await broker.producer();
  const request = { topic: "t", records: RECORDS };
  for (let round = 0; round < ROUNDS; round++) {
    await producer.produce(partitions === undefined ? request : { ...request, partitions });
  }
}

async function fetchAll(broker: MemoryBroker, bounds: { maxRecords: number; maxBytes: number }): Promise<void> {
  const consumer = await broker.consumer({ groupId: "g" });
  await consumer.subscribe(["t"], quiet);
  for (let rows = 0; rows < ROWS * ROUNDS;) {
    for (const { records } of await consumer.poll({ ...bounds, timeoutMs: 0 })) rows += records.count;
  }
  await consumer.close();
}

const group = `${(ROWS * ROUNDS).toLocaleString("en")} records of ${KEY_BYTES + VALUE_BYTES} bytes`;

for (
  const [name, count, partition] of [["to one partition", 1, 0], ["by key to 4 partitions", 4, undefined]] as const
) {
  Deno.bench(`produce ${name}`, { group, n: 5, warmup: 1 }, async (timer) => {
    const broker = new MemoryBroker();
    broker.createTopic("t", count);
    timer.start();
    await produceAll(broker, partition);
    timer.end();
    await broker.close();
  });
}

for (
  const [name, bounds] of [
    ["a batch at a time, without a copy", { maxRecords: ROWS, maxBytes: 64 << 20 }],
    ["four batches at a time, joined", { maxRecords: 4 * ROWS, maxBytes: 64 << 20 }],
  ] as const
) {
  Deno.bench(`fetch ${name}`, { group, n: 5, warmup: 1 }, async (timer) => {
    const broker = new MemoryBroker();
    broker.createTopic("t", 1);
    await produceAll(broker, 0);
    timer.start();
    await fetchAll(broker, bounds);
    timer.end();
    await broker.close();
  });
}

Deno.bench("encode batches for a journal", { group, n: 5, warmup: 1 }, async (timer) => {
  const broker = new MemoryBroker();
  broker.createTopic("t", 1);
  const changes: Change[] = [];
  broker.cluster.onChange((change) => changes.push(change));
  await produceAll(broker, 0);
  timer.start();
  for (const change of changes) encodeChange(change);
  timer.end();
  await broker.close();
});
