/**
 * Which airports are late? Real flight records go into a topic keyed by airport; the job keeps count, mean and worst
 * delay of each airport in state and publishes the airports that changed, batch by batch.
 *
 *     deno task flights                                    embedded broker on files
 *     deno task flights --broker kafka://127.0.0.1:19092  the same job on Kafka
 *
 * @module
 */
import { parseArgs } from "node:util";
import { batchOf, float64, int32, json, stateTable, timestampMs, topic, Turbine, utf8 } from "@turbine/turbine";
import { kafka } from "@turbine/turbine/kafka";
import { rocksdb } from "@turbine/turbine/rocksdb";
import { flightsBetween, loadFlights } from "./flights_data.ts";
import { LiveTable } from "./live_table.ts";

/** Flights as they come in. */
function flightsTopic(name: string) {
  return topic(name, {
    value: json({ date: timestampMs(), delay: int32(), distance: int32(), origin: utf8(), destination: utf8() }),
    key: "origin",
    eventTime: "date",
    createTopics: true,
  });
}

/** One row for each airport that changed in a batch. */
function airportsTopic(name: string) {
  return topic(name, {
    value: json({ origin: utf8(), flights: int32(), mean_delay: float64(), worst_delay: int32() }),
    key: "origin",
    createTopics: true,
  });
}

/** Running figures of an airport; the mean is kept as an exact integer sum. */
const figures = stateTable({ key: utf8(), value: { flights: int32(), total: float64(), worst: int32() } });

/** Options of {@linkcode createJob}. */
export interface JobOptions {
  /** Name of the app, and of the topic of flights; that of airports is `<name>-airports`. @default {"flights"} */
  readonly name?: string;
  /** Rows of a batch. @default {8_192} */
  readonly batchRows?: number;
  /** Exactly-once instead of at-least-once. @default {false} */
  readonly isExactlyOnce?: boolean;
}

/** The job and its topics: where they live comes from the environment or from `run()`. */
export function createJob(options: JobOptions = {}) {
  const { name = "flights", batchRows = 8_192, isExactlyOnce = false } = options;
  const flights = flightsTopic(name), airports = airportsTopic(`${name}-airports`);
  const app = new Turbine(name, {
    adapters: [kafka, rocksdb],
    checkpointIntervalMs: 2_000,
    failoverGraceMs: 10_000,
    stateFlushIntervalMs: 500,
  });
  app.subscribe(flights, {
    publishTo: airports,
    state: { figures },
    batchRows,
    processingGuarantee: isExactlyOnce ? "exactly-once" : "at-least-once",
  }, async (batch, { state }) => {
    const origin = batch.getChild("origin");
    const delay = batch.getChild("delay").toArray();
    const changed = new Map<string, { flights: number; total: number; worst: number }>();
    for (let row = 0; row < batch.numRows; row++) {
      const name = origin.get(row);
      let own = changed.get(name);
      if (own === undefined) changed.set(name, own = { flights: 0, total: 0, worst: -Infinity });
      own.flights += 1;
      own.total += delay[row]!;
      own.worst = Math.max(own.worst, delay[row]!);
    }
    const names = batchOf({ origin: utf8() }, [...changed.keys()].map((name) => ({ origin: name }))).getChild("origin");
    const before = await state.figures.getMany(names);
    const rows = [...changed].map(([name, own], at) => {
      own.flights += before.getChild("flights").get(at) ?? 0;
      own.total += before.getChild("total").get(at) ?? 0;
      own.worst = Math.max(own.worst, before.getChild("worst").get(at) ?? -Infinity);
      state.figures.put(name, own);
      return { origin: name, flights: own.flights, mean_delay: own.total / own.flights, worst_delay: own.worst };
    });
    return batchOf(airports.schema, rows);
  });
  return { app, flights, airports };
}

export default createJob().app;

/** Feeds flights at a rate, shows the live table and ends when `rows` flights are processed. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      name: { type: "string", default: "flights" },
      broker: { type: "string" },
      state: { type: "string" },
      checkpoints: { type: "string" },
      rate: { type: "string", default: "20000" },
      rows: { type: "string", default: "20000" },
      "batch-rows": { type: "string", default: "8192" },
      "exactly-once": { type: "boolean", default: false },
      plain: { type: "boolean", default: false },
    },
  });
  const rows = Number(values.rows), rate = Number(values.rate);
  const { name, "batch-rows": batchRows, "exactly-once": isExactlyOnce } = values;
  const { app, flights, airports } = createJob({ name, batchRows: Number(batchRows), isExactlyOnce });
  const { broker, state, checkpoints } = values;
  await using running = await app.start({
    ...(broker === undefined ? {} : { broker }),
    ...(state === undefined ? {} : { state }),
    ...(checkpoints === undefined ? {} : { checkpoints }),
  });
  const table = new LiveTable({ isPlain: values.plain || !Deno.stdout.isTerminal() });
  const source = await loadFlights();
  // The topic's end says how many flights are in it already: a restarted feeder goes on from there.
  const endOf = async () => (await running.offsets(flights)).reduce((sum, each) => sum + Number(each.logEnd), 0);
  let fed = await endOf();
  const startedAt = performance.now(), fedBefore = fed;
  await using published = running.reader(airports);
  for (;;) {
    const due = Math.min(rows, fedBefore + Math.ceil((performance.now() - startedAt) / 1_000 * rate));
    if (fed < due) {
      await running.produce(flights, flightsBetween(source, fed, due));
      fed = due;
    }
    table.take(await published.rows());
    const committed = (await running.offsets(flights)).reduce((sum, each) => sum + Number(each.committed ?? 0n), 0);
    table.show({ committed, fed });
    if (committed >= rows) break;
    if (running.failure !== undefined) throw running.failure;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  table.take(await published.rows());
  table.final();
}

if (import.meta.main) await main();
