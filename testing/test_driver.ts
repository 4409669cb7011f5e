import { committedSlabs } from "./committed_slabs.ts";
import { FakeClock } from "./fake_clock.ts";
import { isCaughtUp } from "./is_caught_up.ts";
import { MemoryBroker } from "./memory_broker.ts";
import { type Life, type Link, mortal, mortalClock } from "./mortal.ts";
import { SeededRandom } from "./seeded_random.ts";
import type {
  CrashOptions,
  PauseOptions,
  RestartOptions,
  TestDriverOptions,
  TraceEntry,
} from "./test_driver_options.ts";
import { appOf, type AppSource, chosenSubscriptions, TestWorker, topicsToCreate } from "./test_worker.ts";
import { losingLink, type LostCall, stepTrap, Trap, type TrapPlace } from "./traps.ts";
import type { ClientCall } from "../lib/adapters/embedded/client_calls.ts";
import { MemoryBlobStore } from "../lib/adapters/memory/memory_blob_store.ts";
import { MemoryStateProvider } from "../lib/adapters/memory/memory_state_provider.ts";
import { produceTo } from "../lib/app/produce_to.ts";
import type { RunningApp } from "../lib/app/running_app.ts";
import { rows as rowsOf } from "../lib/columns/rows.ts";
import type { Turbine } from "../lib/app/turbine.ts";
import type { Columns, RowOf } from "../lib/columns/schema.ts";
import type { Topic } from "../lib/operator/operator.ts";
import { groupIdOf, type SubscriptionSpec } from "../lib/runtime/subscription_spec.ts";
import type { Observer, StepLabel } from "../lib/seams/observer.ts";
import type { BlobStore } from "../lib/seams/blob_store.ts";
import { randomId } from "../lib/seams/random.ts";
import type { StateStoreProvider } from "../lib/seams/state_store.ts";

export type {
  CrashOptions,
  PauseOptions,
  RestartOptions,
  TestDriverOptions,
  TraceEntry,
} from "./test_driver_options.ts";
export type { AppSource, OptionOverrides } from "./test_worker.ts";
export type { TrapPlace } from "./traps.ts";

/** Virtual milliseconds that `settle` and `crashAt` let pass before they give up. */
const PATIENCE_MS = 600_000;

/**
 * Runs a real app in a world of its own: an in-memory broker, clocks that move only when asked, seeded randomness, and
 * processes that can crash at any labelled step and start again.
 *
 * @example A count survives a crash between produce and commit
 * ```ts
 * import { batchOf, int32, json, topic, Turbine, utf8 } from "@turbine/turbine";
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
  readonly #source: AppSource;
  readonly #options: TestDriverOptions;
  readonly #random: SeededRandom;
  readonly #blobs: BlobStore;
  readonly #workers: TestWorker[] = [];
  readonly #failures: Error[] = [];
  #crashTrap: Trap<StepLabel> | undefined;
  #pauseTrap: Trap<StepLabel> | undefined;
  #callTrap: { readonly trap: Trap<ClientCall>; readonly kind: LostCall } | undefined;
  #sending: Promise<void> = Promise.resolve();

  /** The app as it was made last. */
  #app: Turbine | undefined;

  private constructor(source: AppSource, options: TestDriverOptions) {
    const { seed = 1, wallMs } = options;
    this.#source = source;
    this.#options = options;
    this.#random = new SeededRandom(seed);
    this.clock = new FakeClock(wallMs === undefined ? {} : { wallMs });
    const environment = { clock: this.clock, random: this.#random, observer: { step: () => {}, log: () => {} } };
    this.broker = options.broker ?? new MemoryBroker({ environment });
    this.#blobs = options.blobs ?? new MemoryBlobStore();
  }

  /**
   * Starts an app on an in-memory broker.
   *
   * @param source The app, not started; or a factory, which is called anew for each virtual process and each of its
   * restarts, so that a crash forgets what handlers keep in closures. An app is used as it is.
   * @param options Partitions, workers, seed.
   * @throws {TypeError} when `source` is neither, or an option does not exist.
   * @throws {Error} what the app throws when it starts.
   */
  static async start(source: AppSource, options: TestDriverOptions = {}): Promise<TestDriver> {
    const driver = new TestDriver(source, options);
    const { workers = 1 } = options;
    for (let number = 0; number < workers; number++) {
      driver.#workers.push(new TestWorker(number, { app: await driver.#newApp(), state: driver.#newState(number) }));
    }
    if (workers === 0) await driver.#newApp();
    await driver.#createTopics();
    for (const worker of driver.#workers) driver.#launch(worker);
    await driver.until(() => driver.#workers.every((worker) => worker.isStarted), "the app to start");
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
    await this.until(() => isCaughtUp(this.broker, this.#subscriptions), "the input to be committed");
  }

  /** Lets virtual time pass. */
  async advanceClock(ms: number): Promise<void> {
    await this.#sending;
    await this.clock.advance(ms);
    this.#throwFailure();
  }

  /** Steps the wall clocks of all workers and of the broker; no time passes. */
  jumpWall(ms: number): void {
    this.clock.jumpWall(ms);
  }

  /** All committed rows of a topic, by partition and offset. */
  read<S extends Columns>(topic: Topic<S>): RowOf<S>[] {
    const decoder = topic.codec.decoder();
    const out: RowOf<S>[] = [];
    for (const slab of committedSlabs(this.broker.cluster, topic.name)) {
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
  async crashAt(label: StepLabel, options: CrashOptions = {}): Promise<void> {
    const { node = "same" } = options;
    const trap = this.#crashTrap = stepTrap(label, { ...options, verb: "crash" });
    const worker = await this.#sprung(trap, `step '${label}'`).finally(() => this.#crashTrap = undefined);
    if (node !== "none") await this.restart(worker, { node });
  }

  /**
   * Runs until a worker reaches a step, and lets it stand still there.
   *
   * @param label Which step.
   * @param options Which worker, how many times the step is passed first, and when it goes on.
   * @returns Number of the worker.
   */
  async pauseAt(label: StepLabel, options: PauseOptions = {}): Promise<number> {
    const trap = this.#pauseTrap = stepTrap(label, { ...options, verb: "pause" });
    const worker = await this.#sprung(trap, `step '${label}'`).finally(() => this.#pauseTrap = undefined);
    if (options.forMs !== undefined) {
      await this.advanceClock(options.forMs);
      this.resume(worker);
    }
    return worker;
  }

  /**
   * Runs until a worker makes a call to the broker, and loses the reply: the call has taken effect, the worker cannot
   * know. (`broker.faults` plans faults of calls ahead, whoever makes them.)
   *
   * @param call Which call.
   * @param place Which worker, and how many such calls go well first.
   */
  async loseReply(call: ClientCall, place: TrapPlace = {}): Promise<void> {
    await this.#lose(call, place, "reply-lost");
  }

  /**
   * Runs until a worker makes a call to the broker, and loses the request: nothing has happened, the worker cannot know.
   *
   * @param call Which call.
   * @param place Which worker, and how many such calls go well first.
   */
  async loseRequest(call: ClientCall, place: TrapPlace = {}): Promise<void> {
    await this.#lose(call, place, "request-lost");
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
    if (options.node === "new") which.state = this.#newState(worker);
    which.begin(await this.#newApp());
    this.#launch(which);
    await this.until(() => which.isStarted, `worker ${worker} to start`);
  }

  /** Makes the groups of all subscriptions hand out their partitions anew. */
  async rebalance(): Promise<void> {
    for (const spec of this.#subscriptions) this.broker.rebalance(groupIdOf(spec));
    await this.advanceClock(1_000);
  }

  /** Closes a worker in good order. */
  async stop(worker = 0): Promise<void> {
    const { running } = this.#workers[worker]!;
    if (running !== undefined) await this.#drive(running.close());
  }

  /** The running app of a worker. */
  running(worker = 0): RunningApp {
    const running = this.#workers[worker]?.running;
    if (running !== undefined) return running;
    throw new TypeError(`Cannot use worker ${worker} as it is not running: current value is undefined`);
  }

  /** Closes all workers in good order. */
  async close(): Promise<void> {
    for (const { life, running } of this.#workers) {
      if (life.isPaused) life.end();
      if (running !== undefined && !life.isDead) await this.#drive(running.close());
      life.end();
    }
  }

  /** Same as {@linkcode TestDriver.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #newState(worker: number): StateStoreProvider {
    return this.#options.state?.(worker) ?? new MemoryStateProvider({ isKept: true });
  }

  get #subscriptions(): readonly SubscriptionSpec[] {
    return chosenSubscriptions(this.#app!, this.#options);
  }

  async #newApp(): Promise<Turbine> {
    return this.#app = await appOf(this.#source);
  }

  async #createTopics(): Promise<void> {
    const topics = topicsToCreate(this.#subscriptions, this.#options.partitions ?? {});
    if (topics.length === 0) return;
    const admin = await this.broker.admin();
    await admin.createTopics(topics);
    await admin.close();
  }

  #launch(worker: TestWorker): void {
    const { life, number } = worker;
    const environment = {
      clock: mortalClock(this.clock, life),
      random: this.#random,
      observer: this.#observer(worker),
    };
    const connection = this.broker.connect(
      environment,
      (server) => losingLink(server, (call) => this.#fate(call, number)),
    );
    life.onDeath(() => connection.crash());
    const transactionInstance = randomId(this.#random);
    const isStatic = this.#options.isStatic !== false;
    worker.launch({
      ...this.#options,
      environment,
      places: {
        broker: mortal(connection, this.#link(life)),
        state: mortal(worker.state, life),
        checkpoints: mortal(this.#blobs, life),
        ...(isStatic ? { instanceId: `worker-${number}` } : {}),
      },
      ...(isStatic ? {} : { transactionInstance }),
      onFailure: (error) => this.#failures.push(error),
    });
  }

  #link(life: Life): Link {
    const { latencyMs = 0 } = this.#options;
    if (latencyMs === 0) return { life };
    return { life, latency: () => this.clock.sleep(this.#random.integer(0, latencyMs)) };
  }

  #observer({ life, number }: TestWorker): Observer {
    const note = (entry: TraceEntry): void => {
      this.trace.push(entry);
      if (this.trace.length > 100_000) this.trace.splice(0, 50_000);
      if (this.#options.isTracing) console.log(`[${number}] ${entry.label} ${entry.message ?? ""}`, entry.detail);
    };
    return {
      step: (label, detail = {}) => {
        if (life.isDead) return;
        note({ worker: number, label, detail });
        if (this.#pauseTrap?.pass(label, number)) life.pause();
        if (this.#crashTrap?.pass(label, number)) life.end();
      },
      log: (level, message, detail = {}) => {
        if (!life.isDead) note({ worker: number, label: level, message, detail });
      },
    };
  }

  async #sprung(trap: Trap<string>, what: string): Promise<number> {
    await this.#sending;
    await this.until(() => trap.sprungIn !== undefined, what);
    return trap.sprungIn!;
  }

  async #lose(call: ClientCall, place: TrapPlace, kind: LostCall): Promise<void> {
    const trap = new Trap(call, place);
    this.#callTrap = { trap, kind };
    await this.#sprung(trap, `a call '${call}'`).finally(() => this.#callTrap = undefined);
  }

  #fate(call: ClientCall, worker: number): LostCall | undefined {
    return this.#callTrap?.trap.pass(call, worker) ? this.#callTrap.kind : undefined;
  }

  #throwFailure(): void {
    const failure = this.#failures.shift();
    if (failure !== undefined) throw failure;
  }

  /**
   * Lets virtual time pass, from one sleeper to the next, until something holds.
   *
   * @param holds Asked whenever something may have happened.
   * @param what What is waited for, for the message.
   * @throws {Error} when it does not hold after ten virtual minutes, or what made an app stop by itself.
   */
  async until(holds: () => boolean, what = "what the test waits for"): Promise<void> {
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

  async #drive<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    promise.then(() => isSettled = true, () => isSettled = true);
    await this.until(() => isSettled, "a call to end");
    return await promise;
  }
}
