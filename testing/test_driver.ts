import { FakeClock } from "./fake_clock.ts";
import { MemoryBroker } from "./memory_broker.ts";
import { Life, type Link, mortal, mortalClock } from "./mortal.ts";
import { SeededRandom } from "./seeded_random.ts";
import { MemoryBlobStore } from "../lib/adapters/memory/memory_blob_store.ts";
import { MemoryStateProvider } from "../lib/adapters/memory/memory_state_provider.ts";
import { resolveOptions, type TurbineOptions } from "../lib/app/app_options.ts";
import { produceTo } from "../lib/app/produce_to.ts";
import type { RunningApp } from "../lib/app/running_app.ts";
import { startApp } from "../lib/app/start_app.ts";
import type { Turbine } from "../lib/app/turbine.ts";
import { rows as rowsOf } from "../lib/columns/rows.ts";
import type { RecordSlab } from "../lib/columns/records.ts";
import type { Columns, RowOf } from "../lib/columns/schema.ts";
import type { Topic } from "../lib/operator/operator.ts";
import { groupIdOf } from "../lib/runtime/subscription_spec.ts";
import { type LogLevel, type Observer, STEP_LABELS, type StepDetail, type StepLabel } from "../lib/seams/observer.ts";
import type { BlobStore } from "../lib/seams/blob_store.ts";
import { randomId } from "../lib/seams/random.ts";
import type { StateStoreProvider } from "../lib/seams/state_store.ts";

/** Options of {@linkcode TestDriver.start}. */
export interface TestDriverOptions {
  /** Partitions of topics by name. @default what the topics say */
  partitions?: Readonly<Record<string, number>>;
  /** Virtual processes, each a member of the groups. @default {1} */
  workers?: number;
  /** Seed of all randomness. @default {1} */
  seed?: number;
  /** Broker, to share one between drivers. @default a new one */
  broker?: MemoryBroker;
  /** Where checkpoints go. @default memory */
  blobs?: BlobStore;
  /** Where state lives, for each worker; survives a crash on the same node. @default memory that survives a crash */
  state?: (worker: number) => StateStoreProvider;
  /** Prints every step and log line. @default {false} */
  isTracing?: boolean;
  /** Replies of the broker take a random time up to this, in virtual milliseconds. @default {0} */
  latencyMs?: number;
  /** Static membership: workers keep their partitions over a restart. @default {true} */
  isStatic?: boolean;
}

/** Where a crashed worker comes back. */
export interface RestartOptions {
  /** `same`: with its local state; `new`: without. @default {"same"} */
  node?: "same" | "new";
}

/** One step or log line that a worker made. */
export interface TraceEntry {
  /** Worker number. */
  readonly worker: number;
  /** Step label, or the level of a log line. */
  readonly label: StepLabel | LogLevel;
  /** Message of a log line. */
  readonly message?: string;
  /** Plain values. */
  readonly detail: StepDetail;
}

interface Worker {
  readonly number: number;
  life: Life;
  app: RunningApp | undefined;
  starting: Promise<void> | undefined;
  state: StateStoreProvider;
}

/** Virtual milliseconds that `settle` and `crashAt` let pass before they give up. */
const PATIENCE_MS = 600_000;

/**
 * Runs a real app in a world of its own: an in-memory broker, clocks that move only when asked, seeded randomness, and
 * processes that can crash at any labelled step and start again.
 *
 * @example A count survives a crash between produce and commit
 * ```ts
 * import { json, topic, Turbine, utf8, int32 } from "@turbine/turbine";
 * import { TestDriver } from "@turbine/turbine/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const words = topic("words", { value: json({ word: utf8() }) });
 * const totals = topic("totals", { value: json({ total: int32() }) });
 * const app = new Turbine("counter");
 * app.subscribe(words, { publishTo: totals }, async (batch, { state }) => {
 *   const total = (await state.get<number>("total") ?? 0) + batch.numRows;
 *   state.put("total", total);
 *   return batchOf(totals.schema, [{ total }]);
 * });
 *
 * import { batchOf } from "@turbine/turbine";
 * await using driver = await TestDriver.start(app);
 * await driver.send(words, [{ word: "a" }, { word: "b" }]);
 * await driver.crashAt("commit:before");
 * await driver.settle();
 * assertEquals(driver.read(totals).at(-1), { total: 2 });
 * ```
 */
export class TestDriver implements AsyncDisposable {
  /** The broker. */
  readonly broker: MemoryBroker;
  /** The clock of all workers. */
  readonly clock: FakeClock;
  /** Steps and log lines so far, oldest first; at most the last 100,000. */
  readonly trace: TraceEntry[] = [];
  readonly #app: Turbine;
  readonly #options: TestDriverOptions;
  readonly #random: SeededRandom;
  readonly #blobs: BlobStore;
  readonly #workers: Worker[] = [];
  readonly #failures: Error[] = [];
  #armed: { readonly label: StepLabel; readonly worker: number | undefined; skip: number } | undefined;
  #sending: Promise<void> = Promise.resolve();

  private constructor(app: Turbine, options: TestDriverOptions) {
    const { seed = 1 } = options;
    this.#app = app;
    this.#options = options;
    this.#random = new SeededRandom(seed);
    this.clock = new FakeClock();
    const observer: Observer = { step: () => {}, log: () => {} };
    this.broker = options.broker ??
      new MemoryBroker({ environment: { clock: this.clock, random: this.#random, observer } });
    this.#blobs = options.blobs ?? new MemoryBlobStore();
  }

  /**
   * Starts an app on an in-memory broker.
   *
   * @param app The app, not started. It is used as it is: what its module keeps in variables survives crashes.
   * @param options Partitions, workers, seed.
   */
  static async start(app: Turbine, options: TestDriverOptions = {}): Promise<TestDriver> {
    const driver = new TestDriver(app, options);
    const { partitions = {}, workers = 1 } = options;
    const topics = Object.entries(partitions).map(([topic, count]) => ({ topic, partitions: count }));
    if (topics.length > 0) {
      const admin = await driver.broker.admin();
      await admin.createTopics(topics);
      await admin.close();
    }
    for (let number = 0; number < workers; number++) {
      const worker: Worker = {
        number,
        life: new Life(),
        app: undefined,
        starting: undefined,
        state: driver.#newState(number),
      };
      driver.#workers.push(worker);
      driver.#launch(worker);
    }
    await driver.#until(
      () => driver.#workers.every((worker) => worker.app !== undefined || worker.life.isDead),
      "the app to start",
    );
    return driver;
  }

  /** Puts records into a topic; resolves when the broker has them. */
  send<S extends Columns>(topic: Topic<S>, rows: readonly RowOf<NoInfer<S>>[]): Promise<void> {
    const sent = this.#sending.then(() =>
      this.#drive(produceTo(rows, { topic, broker: this.broker, clock: this.clock }))
    );
    this.#sending = sent.catch(() => undefined);
    return sent;
  }

  /** Lets virtual time pass until every subscription has committed all of its input. */
  async settle(): Promise<void> {
    await this.#sending;
    await this.#until(() => this.#isCaughtUp(), "the input to be committed");
  }

  /** Lets virtual time pass. */
  async advanceClock(ms: number): Promise<void> {
    await this.#sending;
    await this.clock.advance(ms);
    this.#throwFailure();
  }

  /** All committed rows of a topic, by partition and offset. */
  read<S extends Columns>(topic: Topic<S>): RowOf<S>[] {
    const decoder = topic.codec.decoder();
    const out: RowOf<S>[] = [];
    for (const slab of this.#slabs(topic.name)) {
      const { batch } = decoder.decode(slab.records.values, 0, slab.records.count, slab.records.keys);
      for (const row of rowsOf(batch)) out.push({ ...row });
    }
    return out;
  }

  /**
   * Runs until a worker reaches a step, crashes it there, and starts it again.
   *
   * @param label Which step.
   * @param options Which worker, how many times the step is passed first, and where it comes back (`none`: nowhere).
   */
  async crashAt(
    label: StepLabel,
    options: { readonly worker?: number; readonly skip?: number; readonly node?: "same" | "new" | "none" } = {},
  ): Promise<void> {
    const { worker, skip = 0, node = "same" } = options;
    if (!STEP_LABELS.includes(label)) {
      throw new TypeError(`Cannot crash at a step that does not exist, see STEP_LABELS: current value is '${label}'`);
    }
    await this.#sending;
    this.#armed = { label, worker, skip };
    await this.#until(() => this.#armed === undefined, `step '${label}'`);
    if (node === "none") return;
    for (const each of this.#workers) if (each.life.isDead) await this.restart(each.number, { node });
  }

  /** Crashes a worker now. */
  crash(worker = 0): void {
    this.#workers[worker]!.life.end();
  }

  /** A worker stands still, as in a suspended machine: its session may expire meanwhile. */
  pause(worker = 0): void {
    this.#workers[worker]!.life.pause();
  }

  /** A paused worker goes on where it stood, as a zombie if its partitions were given away. */
  resume(worker = 0): void {
    this.#workers[worker]!.life.resume();
  }

  /** Starts a crashed (or closed) worker again. */
  async restart(worker = 0, options: RestartOptions = {}): Promise<void> {
    const which = this.#workers[worker]!;
    which.life.end();
    if (which.state instanceof MemoryStateProvider) which.state.abandon();
    which.life = new Life();
    which.app = undefined;
    if (options.node === "new") which.state = this.#newState(worker);
    this.#launch(which);
    await this.#until(() => which.app !== undefined || which.life.isDead, `worker ${worker} to start`);
  }

  /** Makes the groups of all subscriptions hand out their partitions anew. */
  async rebalance(): Promise<void> {
    for (const spec of this.#app.subscriptions) this.broker.rebalance(groupIdOf(spec));
    await this.clock.advance(1_000);
  }

  /** Closes a worker in good order. */
  async stop(worker = 0): Promise<void> {
    const { app } = this.#workers[worker]!;
    if (app !== undefined) await this.#drive(app.close());
  }

  /** The running app of a worker. */
  running(worker = 0): RunningApp {
    const { app } = this.#workers[worker]!;
    if (app === undefined) {
      throw new TypeError(`Cannot use worker ${worker} as it is not running: current value is undefined`);
    }
    return app;
  }

  /** Closes all workers in good order. */
  async close(): Promise<void> {
    for (const worker of this.#workers) {
      if (worker.app !== undefined && !worker.life.isDead) await this.#drive(worker.app.close());
      worker.life.end();
    }
  }

  /** Same as {@linkcode TestDriver.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  *#slabs(topic: string): Iterable<RecordSlab> {
    const { cluster } = this.broker;
    for (const [partition, log] of cluster.state.topics.get(topic)?.logs.entries() ?? []) {
      for (let from = log.logStart;;) {
        const bounds = { from, maxRecords: Infinity, maxBytes: Infinity, isCommitted: true };
        const reply = cluster.fetch({ topic, partition }, bounds);
        if (reply.kind !== "done" || reply.value === null) break;
        yield reply.value;
        from = Number(reply.value.to);
      }
    }
  }

  #newState(worker: number): StateStoreProvider {
    return this.#options.state?.(worker) ?? new MemoryStateProvider({ isKept: true });
  }

  #launch(worker: Worker): void {
    const { life } = worker;
    const environment = {
      clock: mortalClock(this.clock, life),
      random: this.#random,
      observer: this.#observer(worker),
    };
    const connection = this.broker.connect(environment);
    life.onDeath(() => connection.crash());
    const options = resolveOptions(this.#app.name, {
      constructorOptions: this.#app.definition().options as TurbineOptions,
      run: {
        broker: mortal(connection, this.#link(life)),
        state: mortal(worker.state, life),
        checkpoints: mortal(this.#blobs, life),
        ...(this.#options.isStatic === false ? {} : { instanceId: `worker-${worker.number}` }),
      },
    });
    const { name, subscriptions } = this.#app;
    const transactionInstance = randomId(this.#random);
    const instance = this.#options.isStatic === false ? { transactionInstance } : {};
    worker.starting = startApp({ name, subscriptions, options, environment, ...instance }).then((app) => {
      if (life.isDead) return;
      worker.app = app;
      app.ended.then(() => {
        if (!life.isDead && app.failure !== undefined) this.#failures.push(app.failure);
      });
    }, (error) => {
      if (!life.isDead) this.#failures.push(error as Error);
    });
  }

  #link(life: Life): Link {
    const { latencyMs = 0 } = this.#options;
    if (latencyMs === 0) return { life };
    return { life, latency: () => this.clock.sleep(this.#random.integer(0, latencyMs)) };
  }

  #observer(worker: Worker): Observer {
    const { life, number } = worker;
    const note = (entry: TraceEntry): void => {
      this.trace.push(entry);
      if (this.trace.length > 100_000) this.trace.splice(0, 50_000);
      if (this.#options.isTracing) console.log(`[${number}] ${entry.label} ${entry.message ?? ""}`, entry.detail);
    };
    return {
      step: (label, detail = {}) => {
        if (life.isDead) return;
        note({ worker: number, label, detail });
        const armed = this.#armed;
        if (armed === undefined || armed.label !== label || (armed.worker ?? number) !== number) return;
        if (armed.skip-- > 0) return;
        this.#armed = undefined;
        life.end();
      },
      log: (level, message, detail = {}) => {
        if (!life.isDead) note({ worker: number, label: level, message, detail });
      },
    };
  }

  #isCaughtUp(): boolean {
    return this.#app.subscriptions.every((spec) => {
      const committed = this.broker.committedOffsets(groupIdOf(spec));
      const { name } = spec.input;
      const logs = this.broker.cluster.state.topics.get(name)?.logs ?? [];
      return logs.every((log, partition) => {
        const own = committed.find((each) => each.topic === name && each.partition === partition);
        return Number(own?.offset ?? 0) >= log.lastStableOffset;
      });
    });
  }

  #throwFailure(): void {
    const failure = this.#failures.shift();
    if (failure !== undefined) throw failure;
  }

  /** Lets time pass, from one sleeper to the next, until something holds. */
  async #until(holds: () => boolean, what: string): Promise<void> {
    const endMs = this.clock.monotonicMs() + PATIENCE_MS;
    for (;;) {
      await this.clock.advance(0);
      this.#throwFailure();
      if (holds()) return;
      const next = this.clock.nextWakeMs;
      if (next === undefined || next > endMs) {
        throw new Error(
          `Waited in vain for ${what}: ${
            next === undefined ? "nobody is going to wake" : `${PATIENCE_MS} virtual ms have passed`
          }; real timers and I/O of a handler do not move with virtual time`,
        );
      }
      await this.clock.advance(Math.max(0, next - this.clock.monotonicMs()));
    }
  }

  /** Lets time pass until a promise settles. */
  async #drive<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    promise.then(() => isSettled = true, () => isSettled = true);
    await this.#until(() => isSettled, "a call to end");
    return await promise;
  }
}
