import { encodeRows } from "../../lib/app/encode_rows.ts";
import type { Turbine } from "../../lib/app/turbine.ts";
import { partitionRows } from "../../lib/columns/partition_rows.ts";
import type { Records } from "../../lib/columns/records.ts";
import { spansOf } from "../../lib/columns/spans.ts";
import type { Topic } from "../../lib/operator/operator.ts";
import { MemoryStateProvider } from "../../lib/adapters/memory/memory_state_provider.ts";
import { TestDriver } from "../test_driver.ts";
import { appOf, type OptionOverrides } from "../test_worker.ts";
import type { LawSubject } from "./law_options.ts";
import { type LawResults, readOutputs, readState } from "./law_results.ts";
import { StandIns, type Touched } from "./stand_ins.ts";

/** Wall time at which the runs of laws begin. */
export const FIRST_WALL_MS: number = Date.UTC(2026, 0, 1);
/** Never within a run, in milliseconds. */
const NEVER_MS = 1_000_000_000;
/** Nothing flushes, checkpoints or lets time pass by itself; batches end where their rows do. */
const OVERRIDES: OptionOverrides = {
  processingGuarantee: "exactly-once",
  batchRows: 1_000_000,
  batchBytes: 1_073_741_824,
  batchTimeoutMs: 1,
  commitIntervalMs: 100,
  idleTimeoutMs: undefined,
  checkpointIntervalMs: NEVER_MS,
  stateFlushIntervalMs: NEVER_MS,
  replayMsMax: NEVER_MS,
  replayRowsMax: NEVER_MS,
};

const NO_RECORDS: Records = { count: 0, keys: null, values: spansOf([]), timestamps: null, headers: null };

/** An input, encoded once: all runs get the same bytes and timestamps. */
export interface LawInput {
  /** Name of the topic. */
  readonly topic: string;
  /** The rows. */
  readonly rows: readonly object[];
  /** The records. */
  readonly records: Records;
  /** Rows of `records` of each partition that has some, in order of the partitions. */
  readonly parts: readonly { readonly partition: number; readonly rows: readonly number[] }[];
}

/**
 * Encodes an input. Rows without an event time of their own are stamped one second apart.
 *
 * @param rows The rows.
 * @param subject Their topic, and its partitions.
 * @throws {TypeError} when a row does not fit the topic.
 */
export function lawInput(rows: readonly object[], subject: LawSubject): LawInput {
  const { spec, partitions } = subject;
  const topic = spec.input as Topic;
  const request = encodeRows(rows as never[], { topic, wallMs: FIRST_WALL_MS });
  if (request === undefined) return { topic: topic.name, rows, records: NO_RECORDS, parts: [] };
  const timestamps = request.records.timestamps ??
    Float64Array.from(rows, (_row, at) => FIRST_WALL_MS + at * 1_000);
  const records = { ...request.records, timestamps };
  const parts = partitionRows({ records }, { count: partitions, nullPartition: 0 }).map((part) => ({
    partition: part.partition,
    rows: part.rows === null ? rows.map((_row, at) => at) : [...part.rows],
  }));
  return { topic: topic.name, rows, records, parts };
}

/** How a run goes. */
export interface LawRunOptions {
  /** Wall time at the start. @default {FIRST_WALL_MS} */
  readonly wallMs?: number;
  /** Seed of all randomness; without one ambient time stands still and ambient randomness is one number. */
  readonly seed?: number;
  /** Rows of a batch. @default as many as come at once */
  readonly batchRows?: number;
}

/** One run of a subscription, step by step. */
export class LawRun {
  readonly #subject: LawSubject;
  readonly #driver: TestDriver;
  readonly #standIns: StandIns;
  readonly #stores: { provider: MemoryStateProvider };
  readonly #app: { last: Turbine };
  readonly #processed = new Map<number, bigint>();
  readonly #sent = new Map<number, bigint>();
  #seen = 0;

  private constructor(
    subject: LawSubject,
    parts: {
      driver: TestDriver;
      standIns: StandIns;
      stores: { provider: MemoryStateProvider };
      app: { last: Turbine };
    },
  ) {
    this.#subject = subject;
    this.#driver = parts.driver;
    this.#standIns = parts.standIns;
    this.#stores = parts.stores;
    this.#app = parts.app;
  }

  /**
   * Runs a subscription in a world of its own, from an empty state.
   *
   * @param subject The subscription.
   * @param options Time, randomness, batch bound.
   * @param steps What is done.
   * @returns What remains, and what ambient time and randomness the job used.
   */
  static async of(
    subject: LawSubject,
    options: LawRunOptions,
    steps: (run: LawRun) => Promise<void>,
  ): Promise<LawResults & { readonly touched: readonly Touched[] }> {
    const { wallMs = FIRST_WALL_MS, seed, batchRows } = options;
    const { spec, partitions } = subject;
    const world: { driver?: TestDriver } = {};
    const elapsedMs = () => seed === undefined ? 0 : world.driver?.clock.monotonicMs() ?? 0;
    using standIns = new StandIns({ wallMs: () => wallMs + elapsedMs(), ...(seed === undefined ? {} : { seed }) });
    const stores = { provider: new MemoryStateProvider({ isKept: true }) };
    const app: { last?: Turbine } = {};
    await using driver = world.driver = await TestDriver.start(
      async () => app.last = await appOf(subject.source),
      {
        subscriptions: [spec.name],
        partitions: { [spec.input.name]: partitions },
        overrides: { ...OVERRIDES, ...(batchRows === undefined ? {} : { batchRows }) },
        wallMs,
        seed: seed ?? 1,
        state: () => stores.provider = new MemoryStateProvider({ isKept: true }),
      },
    );
    const run = new LawRun(subject, { driver, standIns, stores, app: app as { last: Turbine } });
    await steps(run);
    return await run.#finish();
  }

  /** Sends rows of one partition at once, and waits until they are processed: one batch, unless they exceed its bound. */
  async process(
    input: LawInput,
    piece: { readonly partition: number; readonly rows: readonly number[] },
  ): Promise<void> {
    const { partition, rows } = piece;
    const { broker } = this.#driver;
    const request = { topic: this.#subject.spec.input.name, partition, records: input.records };
    const reply = broker.cluster.produce({ ...request, rows: Int32Array.from(rows), producer: null }, broker.times());
    if (reply.kind === "refused") throw new TypeError(`Cannot put records: ${reply.message}`);
    const end = (this.#sent.get(partition) ?? 0n) + BigInt(rows.length);
    this.#sent.set(partition, end);
    await this.#driver.until(() => this.#isProcessed(partition, end), "a batch to be processed");
  }

  /** Waits until what was sent is committed. */
  async commit(): Promise<void> {
    await this.#driver.settle();
  }

  /** Closes in good order, which keeps the state, and starts again. */
  async save(): Promise<void> {
    await this.#driver.stop();
    await this.#driver.restart();
  }

  /** Crashes, and starts again. */
  async crash(node: "same" | "new"): Promise<void> {
    this.#driver.crash();
    await this.#driver.restart(0, { node });
    for (const [partition, end] of this.#sent) {
      await this.#driver.until(() => this.#isLiveAt(partition, end), "the task to be where it was");
    }
  }

  async #finish(): Promise<LawResults & { readonly touched: readonly Touched[] }> {
    const { spec, partitions } = this.#subject;
    await this.#driver.settle();
    await this.#driver.close();
    const valueCodec = this.#app.last.definition().options.stateCodec;
    const state = await readState({ spec, valueCodec, provider: this.#stores.provider, partitions });
    const outputs = readOutputs(this.#driver.broker, spec.input.name);
    return { outputs, ...state, touched: this.#standIns.touched };
  }

  #isProcessed(partition: number, end: bigint): boolean {
    const { trace } = this.#driver;
    for (; this.#seen < trace.length; this.#seen++) {
      const { label, detail } = trace[this.#seen]!;
      if (label === "batch:processed") this.#processed.set(Number(detail.partition), BigInt(detail.to as bigint));
    }
    this.#throwFailure();
    return (this.#processed.get(partition) ?? 0n) >= end;
  }

  #isLiveAt(partition: number, end: bigint): boolean {
    this.#throwFailure();
    const task = this.#task(partition);
    return task !== undefined && task.lifecycle === "running" && task.position >= end;
  }

  #task(partition: number) {
    const [subscription] = this.#driver.running().status();
    return subscription!.tasks.find((task) => task.partition === partition);
  }

  #throwFailure(): void {
    const [subscription] = this.#driver.running().status();
    for (const failure of subscription!.failures.values()) throw failure;
  }
}
