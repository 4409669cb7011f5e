/**
 * The record-batch codec of the Kafka adapter: decoding what a broker sent, encoding what goes to it, with each compression;
 * and the checksum by itself. No broker is needed.
 * Run: `deno bench bench/kafka_codec_bench.ts`, or `deno run --allow-env bench/kafka_codec_bench.ts --rates` for rows and
 * bytes per second.
 */
import { crc32c } from "../lib/base/crc32c.ts";
import type { Records } from "../lib/columns/records.ts";
import { spansOf } from "../lib/columns/spans.ts";
import { decodeBatches } from "../lib/adapters/kafka/decode_batches.ts";
import { encodeBatches } from "../lib/adapters/kafka/encode_batches.ts";
import { type Compression, COMPRESSIONS } from "../lib/adapters/kafka/record_batch.ts";

const ROWS = 20_000;
/** Kafka's own producers fill batches of 16 KiB, or of what `batch.size` says; our batches are as large as the topic takes. */
const FETCHED_BATCH_BYTES = 64 << 10;
const PRODUCED_BATCH_BYTES = 900_000;

let state = 1;
/** A small deterministic generator: an integer below `max`. */
function next(max: number): number {
  state = Math.imul(state, 1_664_525) + 1_013_904_223 | 0;
  return (state >>> 8) % max;
}

const KINDS = ["click", "view", "cart", "order"];
const keys = Array.from({ length: ROWS }, () => `u${String(next(1_000_000)).padStart(7, "0")}`);
const values = keys.map((key, i) =>
  `{"id":"${key}","seq":${1_000_000 + i},"amount":${next(100_000) / 100},"kind":"${KINDS[next(4)]}","page":"/p/${
    next(997)
  }"}`
);
const records: Records = {
  count: ROWS,
  keys: spansOf(keys),
  values: spansOf(values),
  timestamps: Float64Array.from({ length: ROWS }, (_, i) => 1_700_000_000_000 + i),
  headers: null,
};
const producer = { producerId: 1n, producerEpoch: 0, sequence: 0 };

function encode(compression: Compression, bytesMax: number): Uint8Array[] {
  return encodeBatches(records, null, { producer, wallMs: 0, bytesMax, compression }).map(({ bytes }) => bytes);
}

/** What a broker sends of such batches. */
function replyOf(compression: Compression): Uint8Array {
  const batches = encode(compression, FETCHED_BATCH_BYTES);
  const reply = new Uint8Array(batches.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  let offset = 0;
  for (const batch of batches) {
    reply.set(batch, at);
    const view = new DataView(reply.buffer, at);
    view.setBigInt64(0, BigInt(offset));
    offset += view.getInt32(57);
    at += batch.length;
  }
  return reply;
}

interface Case {
  readonly name: string;
  readonly group: string;
  readonly run: () => void;
  /** What one run handles. */
  readonly amount: number;
  readonly unit: "rows" | "bytes";
}

const block = replyOf("none").subarray(0, 1 << 20);
const cases: Case[] = [
  { name: "crc32c of 1 MiB", group: "crc32c", run: () => void crc32c(block), amount: block.length, unit: "bytes" },
  ...COMPRESSIONS.map((compression): Case => {
    const reply = replyOf(compression);
    return {
      name: `decode ${compression}, ${ROWS} rows in ${reply.length} bytes`,
      group: "decode",
      run: () => void decodeBatches(reply, { from: 0, aborted: [] }),
      amount: ROWS,
      unit: "rows",
    };
  }),
  ...COMPRESSIONS.map((compression): Case => ({
    name: `encode ${compression}, ${ROWS} rows to ${
      encode(compression, PRODUCED_BATCH_BYTES).reduce((sum, { length }) => sum + length, 0)
    } bytes`,
    group: "encode",
    run: () => void encode(compression, PRODUCED_BATCH_BYTES),
    amount: ROWS,
    unit: "rows",
  })),
];

for (const { name, group, run } of cases) Deno.bench({ name, group, fn: run });

/** The median of many runs, after a warm-up: other work on the machine shows in the mean. */
function medianMs(run: () => void): number {
  for (let i = 0; i < 20; i++) run();
  const times = Array.from({ length: 100 }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  return times.sort((a, b) => a - b)[50]!;
}

if (Deno.args.includes("--rates")) {
  for (const { name, run, amount, unit } of cases) {
    const ms = medianMs(run);
    const rate = unit === "rows"
      ? `${(amount / ms / 1_000).toFixed(1)} M rows/s`
      : `${(amount / ms / 1e6).toFixed(2)} GB/s`;
    console.log(`${name.padEnd(46)} ${rate.padStart(14)}`);
  }
}
