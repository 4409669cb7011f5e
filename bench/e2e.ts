/**
 * The whole path in one process: embedded broker, JSON in, handler, JSON out, commits, state. Prints events per second and
 * CPU seconds per million events, the median of several runs. Compare runs of one machine with each other only.
 *
 *     deno task bench:e2e [--events 1000000] [--runs 3] [--broker memory|file] [--workload W0|W1|W2]
 *
 * W0 filters (10 % pass) and projects. W1 keeps count and sum by device and publishes changed devices of each batch. W2
 * counts by device in windows of 10 seconds of event time.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import {
  type Batch,
  batchFromColumns,
  float64,
  groupRows,
  int64,
  json,
  stateTable,
  take,
  timestampMs,
  topic,
  tumblingCount,
  Turbine,
  utf8,
  where,
} from "@turbine/turbine";

const DEVICES = 10_000, BATCH = 8_192;

const readings = topic("readings", {
  value: json({ device_id: utf8(), ts: timestampMs(), temperature: float64(), humidity: float64() }),
  key: "device_id",
  eventTime: "ts",
  outOfOrdernessMs: 0,
});
const hot = topic("hot", { value: json({ device_id: utf8(), temperature: float64() }), key: "device_id" });
const totals = topic("totals", {
  value: json({ device_id: utf8(), count: float64(), sum: float64() }),
  key: "device_id",
});
const counts = topic("counts", {
  value: json({ device_id: utf8(), window_start: timestampMs(), window_end: timestampMs(), count: int64() }),
  key: "device_id",
});
const table = stateTable({ key: utf8(), value: { count: float64(), sum: float64() } });

type Readings = typeof readings.schema;

/**
 * Readings [from, from + count): one device of 10,000 each, 200,000 events to 10 seconds, temperatures of 10 to 43.
 * Devices come as if drawn: a batch of 8,192 has about 5,600 of them.
 */
function generate(from: number, count: number): Batch<Readings> {
  const text = new TextEncoder();
  const bytes = new Uint8Array(count * 8), offsets = new Int32Array(count + 1);
  const ts = new BigInt64Array(count), temperature = new Float64Array(count), humidity = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    const at = mixed(from + row + 1);
    text.encodeInto(`d-${String(at % DEVICES).padStart(6, "0")}`, bytes.subarray(row * 8));
    offsets[row + 1] = (row + 1) * 8;
    ts[row] = 1_700_000_000_000n + BigInt(Math.floor((from + row) / 20));
    temperature[row] = 10 + (at % 3_334) / 100;
    humidity[row] = 20 + (at % 700) / 10;
  }
  const columns = { device_id: { values: bytes, offsets }, ts, temperature, humidity };
  return batchFromColumns(readings.schema, columns, count);
}

function mixed(number: number): number {
  let hash = Math.imul(number, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77);
  return (hash ^ (hash >>> 13)) >>> 0;
}

const WORKLOADS = {
  W0: (app: Turbine) => app.subscribe(readings, { publishTo: hot }, where((c) => c.temperature.greaterThan(40.34))),
  W1: (app: Turbine, guarantee: "at-least-once" | "exactly-once") =>
    app.subscribe(
      readings,
      { publishTo: totals, state: { table }, processingGuarantee: guarantee },
      async (batch, { state }) => {
        const { codes, count, first } = groupRows(batch, ["device_id"]);
        const temperature = batch.getChild("temperature").toArray();
        const n = new Float64Array(count), sum = new Float64Array(count);
        for (let row = 0; row < codes.length; row++) {
          n[codes[row]!]! += 1;
          sum[codes[row]!]! += temperature[row]!;
        }
        const keys = take(batch, first);
        const before = await state.table.getMany(keys.getChild("device_id"));
        const oldN = before.getChild("count").toArray(), oldSum = before.getChild("sum").toArray();
        const isKnown = before.getChild("count").nullCount === 0;
        for (let group = 0; group < count; group++) {
          if (!isKnown && before.getChild("count").get(group) === null) continue;
          n[group]! += oldN[group]!;
          sum[group]! += oldSum[group]!;
        }
        const device = keys.data.children[0]!;
        const out = batchFromColumns(totals.schema, { device_id: device, count: n, sum }, count);
        state.table.putMany(keys.getChild("device_id"), out as never);
        return out;
      },
    ),
  W2: (app: Turbine) =>
    app.subscribe(readings, { publishTo: counts }, tumblingCount({ name: "w", sizeMs: 10_000, by: ["device_id"] })),
};

/** One run: feeds all events, then starts the job and times it to its last commit. */
async function run(
  name: keyof typeof WORKLOADS,
  options: { events: number; broker: string; guarantee: "at-least-once" | "exactly-once" },
): Promise<{ rate: number; cpu: number }> {
  const directory = `.turbine/bench-${process.pid}`;
  const app = new Turbine(`bench-${name}`, {
    broker: options.broker === "file" ? `file:${directory}/broker` : "memory:",
    checkpoints: `file:${directory}/checkpoints`,
    checkpointIntervalMs: 1_000,
    environment: { observer: { step: () => {}, log: (level, message) => level === "error" && console.error(message) } },
  });
  WORKLOADS[name](app, options.guarantee);
  for (let from = 0; from < options.events; from += BATCH) {
    await app.produce(readings, generate(from, Math.min(BATCH, options.events - from)));
  }
  const cpuBefore = process.cpuUsage(), startedAt = performance.now();
  const running = await app.start();
  for (;;) {
    const [offsets] = await running.offsets(readings);
    if (Number(offsets?.committed ?? 0n) >= options.events) break;
    if (running.failure !== undefined) throw running.failure;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  await running.close();
  await Deno.remove(directory, { recursive: true }).catch(() => undefined);
  return { rate: options.events / seconds, cpu: (user + system) / options.events };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

const { values } = parseArgs({
  args: Deno.args,
  options: {
    events: { type: "string", default: "1000000" },
    runs: { type: "string", default: "3" },
    broker: { type: "string", default: "memory" },
    workload: { type: "string" },
  },
});
console.log(
  `workload  guarantee       events/s  CPU s per million events   (${values.broker} broker, median of ${values.runs})`,
);
for (const name of ["W0", "W1", "W2"] as const) {
  if (values.workload !== undefined && values.workload !== name) continue;
  for (const guarantee of name === "W1" ? ["at-least-once", "exactly-once"] as const : ["at-least-once"] as const) {
    const runs: { rate: number; cpu: number }[] = [];
    for (let at = 0; at < Number(values.runs); at++) {
      runs.push(await run(name, { events: Number(values.events), broker: values.broker, guarantee }));
    }
    const rate = Math.round(median(runs.map((each) => each.rate)));
    const cpu = median(runs.map((each) => each.cpu)).toFixed(2);
    console.log(`${name.padEnd(10)}${guarantee.padEnd(14)}${rate.toLocaleString("en").padStart(10)}  ${cpu}`);
  }
}
