/**
 * The job of the kill lane: numbers go in, running sums by key come out. Feeds until it is killed; each line on standard
 * output is something that was acknowledged.
 *
 * Arguments: directory, guarantee, number of records to feed in all.
 */
import { json, topic, Turbine } from "@turbine/turbine";
import { rocksdb } from "@turbine/turbine/rocksdb";
import { NUMBER, SUM, sumsHandler } from "./sums_handler.ts";

/** Numbered records; `id` counts from 0. */
export const numbers = topic("numbers", { value: json(NUMBER), key: "key" });
/** One row for each record: the sum of ids of its key so far. */
export const sums = topic("sums", { value: json(SUM), key: "key" });

/** The record of a number. */
export function recordOf(id: number): { id: number; key: string } {
  return { id, key: `k${(id * 7) % 13}` };
}

/** The job. */
export function createApp(directory: string, guarantee: "at-least-once" | "exactly-once"): Turbine {
  const app = new Turbine("kill-lane", {
    adapters: [rocksdb],
    broker: `file:${directory}/broker`,
    state: `rocksdb:${directory}/state`,
    checkpoints: `file:${directory}/checkpoints`,
    checkpointIntervalMs: 150,
    stateFlushIntervalMs: 40,
    retainedCheckpoints: 2,
    environment: { observer: { step: () => {}, log: () => {} } },
  });
  app.subscribe(numbers, {
    publishTo: sums,
    processingGuarantee: guarantee,
    batchRows: 50,
    commitIntervalMs: 15,
  }, sumsHandler);
  return app;
}

async function main(directory: string, guarantee: "at-least-once" | "exactly-once", total: number): Promise<void> {
  await using running = await createApp(directory, guarantee).start();
  const endOf = async () => Number((await running.offsets(numbers))[0]?.logEnd ?? 0n);
  let fed = await endOf();
  console.log(`started ${fed}`);
  for (;;) {
    if (running.failure !== undefined) throw running.failure;
    if (fed < total) {
      const until = Math.min(total, fed + 20);
      await running.produce(numbers, Array.from({ length: until - fed }, (_, at) => recordOf(fed + at)));
      fed = until;
      console.log(`acknowledged ${fed}`);
    } else {
      const [offsets] = await running.offsets(numbers);
      if (Number(offsets?.committed ?? 0n) >= total) break;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  console.log("done");
}

if (import.meta.main) {
  const [directory, guarantee, total] = Deno.args as [string, "at-least-once" | "exactly-once", string];
  await main(directory, guarantee, Number(total));
}
