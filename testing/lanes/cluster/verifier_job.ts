/**
 * The verifier job: echoes each record, and keeps count, sum, least and greatest integer of each key in state. As a program
 * it runs until SIGTERM, or until it is killed or its standard input ends; SIGUSR1 drains it and SIGUSR2 lets it join again.
 * Standard output has a line `started`, and a line `tasks <partitions>` for each change of what it works on.
 *
 * Argument: {@linkcode VerifierOptions} as JSON.
 */
import { batchOf, float64, int32, stateTable, Turbine, type TurbineOptions, utf8 } from "@turbine/turbine";
import { kafkaBroker } from "@turbine/turbine/kafka";
import { rocksdb } from "@turbine/turbine/rocksdb";
import { BATCH_ROWS, topicsOf, type TotalRow } from "./verifier_data.ts";

/** The promise of a job. */
export type Guarantee = "at-least-once" | "exactly-once";

/** One process of the job. */
export interface VerifierOptions {
  /** Name of the app; its topics begin with it. */
  readonly name: string;
  /** Promise about output. */
  readonly guarantee: Guarantee;
  /** Addresses of the cluster. */
  readonly brokers: readonly string[];
  /** Where state lives between batches: of this process alone. */
  readonly stateDirectory: string;
  /** Where checkpoints go: shared by all processes. */
  readonly checkpointsDirectory: string;
  /** A static member's id; a dynamic member without. */
  readonly instanceId?: string;
  /** A silent process loses its partitions after this. */
  readonly failoverGraceMs: number;
  /** How often members look for new partitions. @default the adapter's */
  readonly metadataMaxAgeMs?: number;
  /** Whether it only echoes and keeps no state. @default {false} */
  readonly isStateless?: boolean;
  /** What becomes of state that nothing reaches. @default {"fail"} */
  readonly onCrashRecovery?: "fail" | "rebuild-from-earliest" | "resume-empty";
}

const totalsByKey = stateTable({
  key: utf8(),
  value: { count: int32(), sum: float64(), min: int32(), max: int32() },
});

/**
 * The job.
 *
 * @param name Name of the app.
 * @param how Its promise, and where it runs.
 */
export function createVerifier(
  name: string,
  { guarantee, isStateless = false, onCrashRecovery = "fail", ...where }:
    & TurbineOptions
    & Pick<VerifierOptions, "guarantee" | "isStateless" | "onCrashRecovery">,
): Turbine {
  const { input, echo, totals } = topicsOf(name);
  const app = new Turbine(name, where);
  const how = { name: "verifier", processingGuarantee: guarantee, batchRows: BATCH_ROWS, commitIntervalMs: 1 } as const;
  if (isStateless) {
    app.subscribe(input, { ...how, publishTo: echo }, (batch) => batch);
    return app;
  }
  app.subscribe(input, {
    ...how,
    publishTo: totals,
    state: { totals: totalsByKey },
    onCrashRecovery,
  }, async (batch, { state, emit }) => {
    const keys = batch.getChild("key").toJSON(), values = batch.getChild("value").toArray();
    const names = [...new Set(keys)];
    const before = await state.totals.getMany(batchOf({ key: utf8() }, names.map((key) => ({ key }))).getChild("key"));
    const [counts, sums, mins, maxes] = (["count", "sum", "min", "max"] as const).map((name) => before.getChild(name));
    const current = new Map(names.map((key, at) => [key, {
      count: counts!.get(at) ?? 0,
      sum: sums!.get(at) ?? 0,
      min: mins!.get(at) ?? Infinity,
      max: maxes!.get(at) ?? -Infinity,
    }]));
    const seqs = batch.getChild("seq").toArray();
    const rows: TotalRow[] = keys.map((key, row) => {
      const own = current.get(key)!, value = values[row]!;
      own.count += 1;
      own.sum += value;
      own.min = Math.min(own.min, value);
      own.max = Math.max(own.max, value);
      return { key, seq: seqs[row]!, ...own };
    });
    for (const [key, own] of current) state.totals.put(key, own);
    emit(echo, batch);
    return batchOf(totals.schema, rows);
  });
  return app;
}

async function main(options: VerifierOptions): Promise<void> {
  const { name, guarantee, brokers, stateDirectory, checkpointsDirectory, instanceId, failoverGraceMs } = options;
  const { metadataMaxAgeMs, isStateless = false, onCrashRecovery = "fail" } = options;
  const log = (level: string, message: string) => {
    if (level === "warn" || level === "error") console.error(`${new Date().toISOString()} ${level}: ${message}`);
  };
  const app = createVerifier(name, {
    guarantee,
    isStateless,
    onCrashRecovery,
    adapters: [rocksdb],
    broker: kafkaBroker({ brokers, ...metadataMaxAgeMs === undefined ? {} : { metadataMaxAgeMs } }),
    state: `rocksdb:${stateDirectory}`,
    checkpoints: `file:${checkpointsDirectory}`,
    checkpointIntervalMs: 1_000,
    stateFlushIntervalMs: 200,
    failoverGraceMs,
    ...instanceId === undefined ? {} : { instanceId },
    environment: { observer: { step: () => {}, log } },
  });
  await using running = await app.start();
  Deno.addSignalListener("SIGTERM", () => void running.close());
  Deno.addSignalListener("SIGUSR1", () => void running.drain());
  Deno.addSignalListener("SIGUSR2", () => void running.rejoin());
  void endWithParent();
  console.log("started");
  let shown = "";
  while (!running.isClosed) {
    const tasks = `tasks ${running.status()[0]!.tasks.map(({ partition }) => partition).sort().join(" ")}`;
    if (tasks !== shown) console.log(shown = tasks);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const [failure] = running.status()[0]!.failures.values();
  const problem = running.failure ?? failure ?? running.closeFailure;
  if (problem !== undefined) throw problem;
  Deno.exit(0);
}

/** A lane that is killed must not leave its workers behind. */
async function endWithParent(): Promise<void> {
  for await (const _chunk of Deno.stdin.readable);
  Deno.exit(1);
}

if (import.meta.main) await main(JSON.parse(Deno.args[0]!));
