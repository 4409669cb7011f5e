import { rows as rowsOf } from "../../lib/columns/rows.ts";
import type { Columns, RowOf } from "../../lib/columns/schema.ts";
import type { Turbine } from "../../lib/app/turbine.ts";
import type { Topic } from "../../lib/operator/operator.ts";
import type { SubscriptionSpec } from "../../lib/runtime/subscription_spec.ts";
import { type ReadRow, recordsOf } from "../record_rows.ts";
import { allCheckers } from "./checkers/mod.ts";
import type { SimJob, SimOptions, SimWorkload } from "./contracts.ts";
import { defaultWorkload } from "./default_workload.ts";
import { checkedFaultPlan, drawFaultPlan } from "./fault_plan.ts";
import type { FaultKind, PlannedFault } from "./fault_kinds.ts";
import { inject } from "./faults/inject.ts";
import { INVARIANT_SENTENCES } from "./invariant_sentences.ts";
import { outputDifference } from "./oracle.ts";
import { counterexampleText } from "./report.ts";
import { type RunResult, runSimulation } from "./run.ts";
import { shrinkPlan } from "./shrink.ts";
import { swarmOptions } from "./swarm.ts";
import type { SimWorld } from "./world.ts";

/** What an oracle sees of a run: everything that readers with `read_committed` see at its end. */
export interface SimulatedRun {
  /** Seed of the run. */
  readonly seed: number;
  /** Faults that have struck, by kind. */
  readonly fired: Readonly<Partial<Record<FaultKind, number>>>;
  /** Records of a topic, input or output, by partition and offset. */
  records(topic: string): readonly ReadRow[];
  /** The same as rows of a topic's columns. */
  rows<S extends Columns>(topic: Topic<S>): RowOf<S>[];
}

/** Options of {@linkcode simulate}. */
export interface SimulateOptions {
  /** How many seeds are run. @default {50} */
  seeds?: number;
  /** Runs this seed alone, as a failure says. */
  seed?: number;
  /** Runs these faults instead of those that a seed draws, as a failure says. Only together with `seed`. */
  faults?: readonly PlannedFault[];
  /** Faults that may strike. @default all that the promises of the library cover without an operator */
  kinds?: readonly FaultKind[];
  /** How much is simulated for each seed: about one minute, or ten. @default {"small"} */
  profile?: "small" | "standard";
  /** Partitions of topics by name. @default one to four for inputs, one for outputs */
  partitions?: Readonly<Record<string, number>>;
  /** Makes what is fed, anew for each run. @default rows that are drawn from the columns of the input topics */
  workload?: () => SimWorkload;
  /**
   * Throws when the outputs are wrong. Without an oracle the outputs must be those of a run of the same input in which
   * nothing goes wrong and other batches are cut.
   */
  oracle?: (run: SimulatedRun) => void | Promise<void>;
  /**
   * What the default oracle compares: every output, or the last one of each key (for handlers that publish updates).
   *
   * @default {"append"}
   */
  output?: "append" | "update";
  /** At most so many runs to shrink a failure. @default {60} */
  shrinkRunsMax?: number;
}

/** Faults that every job with a deterministic handler has to survive without anybody's help. */
const SURVIVED: readonly FaultKind[] = [
  ...["P1", "P2", "P3", "P4", "P5", "P8", "P9", "P10"],
  ...["N1", "N2", "N3", "N4", "N5", "N6", "N7", "N8", "N9"],
  ...["B1", "B2", "B9", "B11", "G1", "G2", "G4", "G5", "G6", "G7", "G9"],
  ...["T1", "T2", "T3", "T4", "T6", "T7", "T9", "T10", "T11", "T12"],
  ...["S1", "S2", "S3", "S4", "S8", "S9", "S12", "S14", "S16", "D3", "D4", "C1", "C2", "C3", "C4"],
] as FaultKind[];

/**
 * Runs a job again and again in a simulated world in which everything that can go wrong does: processes crash and stand
 * still, replies are lost, partitions move, stores fail. Each run is decided by its seed alone. Checks the library's
 * promises in every run, and the outputs by an oracle; a failure names the seed and the fewest faults that cause it, and
 * how to run exactly that again.
 *
 * @param createApp Builds the app, anew for each virtual process, so that a crash forgets what closures hold.
 * @param options Seeds, input, oracle, faults.
 * @throws {Error} when a run breaks a promise or the oracle throws; the message is replayable.
 *
 * @example A count that survives everything
 * ```ts
 * import { batchOf, int32, json, topic, Turbine, utf8 } from "@turbine/turbine";
 * import { simulate } from "@turbine/turbine/testing";
 *
 * const words = topic("words", { value: json({ word: utf8() }) });
 * const totals = topic("totals", { value: json({ total: int32() }) });
 *
 * function createApp(): Turbine {
 *   const app = new Turbine("counter");
 *   app.subscribe(words, { publishTo: totals, processingGuarantee: "exactly-once" }, async (batch, { state }) => {
 *     const before = await state.get<number>("total") ?? 0;
 *     state.put("total", before + batch.numRows);
 *     return batchOf(totals.schema, Array.from({ length: batch.numRows }, (_, row) => ({ total: before + row + 1 })));
 *   });
 *   return app;
 * }
 *
 * await simulate(createApp, { seeds: 3 });
 * ```
 */
export async function simulate(
  createApp: () => Turbine | Promise<Turbine>,
  options: SimulateOptions = {},
): Promise<void> {
  const { seeds = 50, seed, profile = "small", faults, shrinkRunsMax = 60 } = options;
  if (!Number.isSafeInteger(seeds) || seeds < 1) {
    throw new RangeError(`Cannot simulate as 'seeds' must be an integer >= 1: current value is ${seeds}`);
  }
  if (faults !== undefined && seed === undefined) {
    throw new TypeError("Cannot simulate 'faults' as they need the 'seed' that they were found with: it is undefined");
  }
  const first = seed ?? 1;
  const last = seed ?? seeds;
  for (let each = first; each <= last; each++) {
    const simulation = await UserSimulation.of(createApp, { seed: each, profile, options });
    const plan = faults === undefined ? simulation.drawPlan() : checkedFaultPlan(faults);
    const problem = await simulation.problemOf(plan);
    if (problem === undefined) continue;
    const fails = async (part: readonly PlannedFault[]) => (await simulation.problemOf(part))?.rule === problem.rule;
    const shrunk = await shrinkPlan(plan, fails, { runsMax: shrinkRunsMax });
    const { explanation } = await simulation.problemOf(shrunk.plan) ?? problem;
    throw new Error(
      counterexampleText({ seed: each, runs: each - first + 1, rule: problem.rule, explanation, plan, shrunk }),
    );
  }
}

interface Problem {
  readonly rule: string;
  readonly explanation: string;
}

/** What to look for, by what is needed to see a difference. */
const ADVICE = {
  memory:
    "Even two runs of the same input without any fault differ, so something outlives a run: look for state that is " +
    "kept in a module variable (keep it in `state`, which is restored after a crash), and for real clocks, files or " +
    "services that the handler asks",
  cuts: "No fault is needed, only other batches: look for results that are made of the rows of one batch (a mean per " +
    "batch: keep sum and count in `state`), as where batches are cut is never the same after a restart",
  replay:
    "The same records, processed again after a crash, must give the same outputs: look for state that is kept in a " +
    "closure or an object of the handler (keep it in `state`), and for outputs that depend on anything but the records, " +
    "`state` and `context.watermarkMs`",
} as const;

/** One seed of a user's job. */
class UserSimulation {
  readonly #subscriptions: readonly SubscriptionSpec[];
  readonly #drawn: SimOptions;
  readonly #job: Omit<SimJob, "workload">;
  readonly #newWorkload: () => SimWorkload;
  readonly #options: SimulateOptions;
  #calm: Map<string, readonly ReadRow[]> | undefined;

  static async of(
    createApp: () => Turbine | Promise<Turbine>,
    more: { readonly seed: number; readonly profile: "small" | "standard"; readonly options: SimulateOptions },
  ): Promise<UserSimulation> {
    return new UserSimulation((await createApp()).subscriptions, createApp, more);
  }

  private constructor(
    subscriptions: readonly SubscriptionSpec[],
    createApp: () => Turbine | Promise<Turbine>,
    { seed, profile, options }: { seed: number; profile: "small" | "standard"; options: SimulateOptions },
  ) {
    const drawn = swarmOptions(seed, profile);
    const isExact = subscriptions.some(({ settings }) => settings.processingGuarantee === "exactly-once");
    this.#subscriptions = subscriptions;
    this.#options = options;
    this.#drawn = {
      ...drawn,
      job: "user",
      guarantee: isExact ? "exactly-once" : "at-least-once",
      rates: ratesFor(drawn, options.kinds ?? SURVIVED),
    };
    const topics = this.#topics();
    const inputs = new Map(subscriptions.map(({ input }) => [input.name, input]));
    this.#newWorkload = options.workload ??
      (() => defaultWorkload([...inputs.values()], { partitions: topics, options: this.#drawn }));
    this.#job = {
      name: "user",
      createApp,
      topics,
      appOptions: {
        checkpointIntervalMs: drawn.checkpointIntervalMs,
        retainedCheckpoints: drawn.retainedCheckpoints,
        stateFlushIntervalMs: drawn.stateFlushIntervalMs,
        failoverGraceMs: drawn.failoverGraceMs,
      },
    };
  }

  drawPlan(): PlannedFault[] {
    return drawFaultPlan(this.#drawn);
  }

  /** What is wrong with a run that meets these faults, if anything. */
  async problemOf(plan: readonly PlannedFault[]): Promise<Problem | undefined> {
    const { batchRows, commitIntervalMs } = this.#drawn;
    const tune = (spec: SubscriptionSpec): SubscriptionSpec => ({
      ...spec,
      settings: { ...spec.settings, batchRows: Math.min(batchRows, spec.settings.batchRows), commitIntervalMs },
    });
    const { result, world } = await this.#run({ plan, job: { ...this.#job, tune }, options: this.#drawn });
    const { violation } = result;
    if (violation !== undefined) {
      const { invariant, message, step } = violation;
      return { rule: `${INVARIANT_SENTENCES[invariant]} (${invariant})`, explanation: `${message} (at event ${step})` };
    }
    const { oracle } = this.#options;
    if (oracle === undefined) return await this.#compare(world, plan);
    try {
      await oracle(simulatedRun(this.#drawn.seed, result, world));
      return undefined;
    } catch (error) {
      return { rule: "the oracle", explanation: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Compares with a run of the same input in which nothing goes wrong. */
  async #compare(world: SimWorld, plan: readonly PlannedFault[]): Promise<Problem | undefined> {
    const { output: outputs = "append" } = this.#options;
    this.#calm ??= await this.#calmOutputs();
    for (const { publishTo, settings } of this.#subscriptions) {
      // Closing an idle window is a decision of the moment: such a job needs an oracle of its own.
      if (publishTo === null || settings.idleTimeoutMs !== undefined) continue;
      const difference = outputDifference(this.#calm.get(publishTo.name)!, world.broker.read(publishTo.name), {
        guarantee: settings.processingGuarantee,
        outputs,
      });
      if (difference === undefined) continue;
      const rule = `outputs to topic '${publishTo.name}' differ from those of a run of the same input without faults`;
      const advice = await this.#isCalmAgain(publishTo.name) ? plan.length === 0 ? "cuts" : "replay" : "memory";
      return { rule, explanation: `${difference}\n${ADVICE[advice]}` };
    }
    return undefined;
  }

  /** Whether a second run without faults gives the same outputs as the first one. */
  async #isCalmAgain(topic: string): Promise<boolean> {
    const again = await this.#calmOutputs();
    return outputDifference(this.#calm!.get(topic)!, again.get(topic)!, { guarantee: "exactly-once" }) === undefined;
  }

  async #calmOutputs(): Promise<Map<string, readonly ReadRow[]>> {
    const options = { ...this.#drawn, processes: 1, rates: {} };
    const { world } = await this.#run({ plan: [], job: this.#job, options });
    const outputs = new Map<string, readonly ReadRow[]>();
    for (const { publishTo } of this.#subscriptions) {
      if (publishTo !== null) outputs.set(publishTo.name, world.broker.read(publishTo.name));
    }
    return outputs;
  }

  async #run(
    { plan, job, options }: { plan: readonly PlannedFault[]; job: Omit<SimJob, "workload">; options: SimOptions },
  ): Promise<{ result: RunResult; world: SimWorld }> {
    let world: SimWorld | undefined;
    const result = await runSimulation({
      options,
      job: { ...job, workload: this.#newWorkload() },
      plan,
      inject,
      checkers: allCheckers,
      prepare: (made) => void (world = made),
    });
    return { result, world: world! };
  }

  #topics(): Record<string, number> {
    const topics: Record<string, number> = {};
    for (const { input, publishTo, settings } of this.#subscriptions) {
      topics[input.name] = this.#drawn.partitions;
      if (publishTo !== null) topics[publishTo.name] ??= 1;
      if (settings.onRecordError === "dead-letter") topics[settings.deadLetter] ??= 1;
    }
    return { ...topics, ...this.#options.partitions };
  }
}

/** Draws that a seed made for other kinds are of no use: every kind that may strike gets a rate in one of four runs. */
function ratesFor(drawn: SimOptions, kinds: readonly FaultKind[]): Partial<Record<FaultKind, number>> {
  const rates: Partial<Record<FaultKind, number>> = {};
  for (const kind of kinds) {
    const rate = drawn.rates[kind];
    if (rate !== undefined) rates[kind] = rate;
  }
  return rates;
}

function simulatedRun(seed: number, result: RunResult, { broker }: SimWorld): SimulatedRun {
  return {
    seed,
    fired: result.fired,
    records: (topic) => broker.read(topic),
    rows: <S extends Columns>(topic: Topic<S>): RowOf<S>[] => {
      const read = broker.read(topic.name);
      const { count, keys, values } = recordsOf(read);
      const { batch } = topic.codec.decoder().decode(values, 0, count, keys);
      return Array.from(rowsOf(batch), (row) => ({ ...row }) as RowOf<S>);
    },
  };
}
