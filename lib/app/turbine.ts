import { environmentVariable } from "../adapters/system/environment_variable.ts";
import { ConsoleObserver } from "../adapters/system/console_observer.ts";
import { checkOptionNames } from "../base/check_option_names.ts";
import { holdProcess } from "../adapters/system/hold_process.ts";
import { onSignals } from "../adapters/system/on_signals.ts";
import { SystemClock } from "../adapters/system/system_clock.ts";
import { SystemRandom } from "../adapters/system/system_random.ts";
import type { Batch, Columns, RowOf } from "../columns/schema.ts";
import type { Context, Handler, Operator, StateTables, Topic } from "../operator/operator.ts";
import { asTopic } from "../operator/topic.ts";
import { asOperator } from "../operators/as_operator.ts";
import type { SubscriptionSpec } from "../runtime/subscription_spec.ts";
import type { Environment } from "../seams/adapter.ts";
import type { Broker } from "../seams/broker.ts";
import type { Clock } from "../seams/clock.ts";
import {
  checkAppOptions,
  ENVIRONMENT_NAMES,
  type ResolvedOptions,
  resolveOptions,
  type RunOverrides,
  type TurbineOptions,
} from "./app_options.ts";
import { BUILT_IN_ADAPTERS } from "./built_in_adapters.ts";
import { checkOutput } from "./check_output.ts";
import { resolveLocation } from "./locations.ts";
import { produceTo } from "./produce_to.ts";
import type { RunningApp } from "./running_app.ts";
import { type AppDefinition, openBroker, startApp } from "./start_app.ts";
import { withoutOurStack } from "./without_our_stack.ts";
import { resolveSubscribeOptions, type SubscribeOptions } from "./subscribe_options.ts";
import { type ReadOptions, TopicReader } from "./topic_reader.ts";

/** Options of {@linkcode RunOverrides}. */
const OVERRIDES = ["broker", "state", "checkpoints", "instanceId"];

/** Options of {@linkcode Turbine.run}: locations win over environment and constructor. */
export interface RunOptions extends RunOverrides {
  /** Ends the run in good order when it aborts. @default never */
  signal?: AbortSignal;
  /** Ends the run in good order on SIGTERM and SIGINT. @default {true} */
  handlesSignals?: boolean;
}

/**
 * A stream job: subscriptions of handlers to topics, with keyed state, checkpoints and a processing guarantee.
 *
 * @example A filter that runs on an in-memory broker
 * ```ts
 * import { filter, float64, json, topic, Turbine, utf8 } from "@turbine/turbine";
 * import { TestDriver } from "@turbine/turbine/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const readings = topic("readings", { value: json({ device: utf8(), temperature: float64() }), key: "device" });
 * const alerts = topic("alerts", { value: json({ device: utf8() }), key: "device" });
 *
 * const app = new Turbine("thermostat");
 * app.subscribe(readings, { publishTo: alerts }, (batch) => filter(batch, (c) => c.temperature.greaterThan(30)));
 *
 * await using driver = await TestDriver.start(app);
 * await driver.send(readings, [{ device: "a", temperature: 31 }, { device: "b", temperature: 20 }]);
 * await driver.settle();
 * assertEquals(await driver.read(alerts), [{ device: "a" }]);
 * ```
 */
export class Turbine {
  /** Name of the app: part of groups, directories and checkpoints. */
  readonly name: string;
  readonly #given: TurbineOptions;
  readonly #subscriptions: SubscriptionSpec[] = [];
  #running: RunningApp | undefined;
  #isStarting = false;
  /** A `memory:` broker lives as long as the app, so that what was produced before the start is there. */
  #memoryBroker: Broker | undefined;

  /**
   * Makes an app; nothing is opened, and the environment is not read.
   *
   * @param name Name of the app, of `A-Z a-z 0-9 _ -`.
   * @param options Where records, state and checkpoints live, and intervals.
   * @throws {TypeError} when an option is unknown or of another type.
   * @throws {RangeError} when a number is out of range.
   */
  constructor(name: string, options: TurbineOptions = {}) {
    checkAppOptions(name, options);
    this.name = name;
    this.#given = { ...options };
  }

  /** Options as far as the constructor decides them, or as the running app resolved them. */
  get options(): ResolvedOptions {
    return this.#active?.options ?? resolveOptions(this.name, { constructorOptions: this.#given });
  }

  /** The running app, unless it has been closed. */
  get #active(): RunningApp | undefined {
    return this.#running?.isClosed === false ? this.#running : undefined;
  }

  /** The subscriptions so far. */
  get subscriptions(): readonly SubscriptionSpec[] {
    return this.#subscriptions;
  }

  /**
   * Adds a subscription: a handler (or a chain of operators) for the batches of a topic.
   *
   * @param input The topic, or the name of a topic of JSON whose schema is inferred.
   * @param options Where results go, state, guarantee, batch and commit bounds.
   * @param step A function of a batch, or an operator.
   * @returns The app itself.
   * @throws {TypeError} when an option is unknown, a name is taken, or the step's columns do not fit.
   * @throws {RangeError} when a number is out of range.
   */
  subscribe<S extends Columns, O extends Columns = Columns, T extends StateTables = Record<never, never>>(
    input: Topic<S> | string,
    options: SubscribeOptions<O, T>,
    step: Operator<NoInfer<S>, NoInfer<O>> | Handler<NoInfer<S>, NoInfer<O>, Context<T>>,
  ): this {
    const topic = asTopic(input) as Topic;
    const settings = resolveSubscribeOptions(topic.name, options);
    const problem = `Cannot create subscription '${settings.name}' as`;
    if (this.#active !== undefined || this.#isStarting) {
      throw new TypeError(`${problem} the app is running: subscribe before start() or run()`);
    }
    if (this.#subscriptions.some((each) => each.name === settings.name)) {
      throw new TypeError(
        `${problem} its name is the identity of group, state and checkpoints and is taken: set 'name' to another one: current value is '${settings.name}'`,
      );
    }
    if (typeof step !== "function" && typeof step?.open !== "function") {
      throw new TypeError(`${problem} its step must be a function or an operator: current value is ${String(step)}`);
    }
    const publishTo = options.publishTo === undefined ? null : asTopic(options.publishTo) as Topic;
    const operator = asOperator(step as Operator) as Operator;
    if (typeof step !== "function") checkOutput(problem, { input: topic, operator, publishTo });
    this.#subscriptions.push({
      application: this.name,
      name: settings.name,
      input: topic,
      publishTo,
      operator,
      settings,
    });
    return this;
  }

  /**
   * Starts the app in this process, which stays alive until the app is closed.
   *
   * @param overrides Locations that win over environment and constructor.
   * @returns The running app; close it, or use `await using`.
   * @throws {BrokerUnavailableError} when the broker cannot be reached.
   * @throws {UnknownTopicError} when a topic is missing and may not be created.
   */
  async start(overrides: RunOverrides = {}): Promise<RunningApp> {
    checkOptionNames(`start of app '${this.name}'`, overrides, OVERRIDES);
    if (this.#active !== undefined || this.#isStarting) {
      throw new TypeError(`Cannot start app '${this.name}' as it is running: close it first`);
    }
    this.#isStarting = true;
    try {
      const running = await startApp(this.definition({ variables: environmentVariables(), overrides }));
      this.#running = running;
      const letGo = holdProcess();
      // A subscription that stops by itself ends the app; close() logs what goes wrong and never rejects.
      void running.ended.then(() => running.close()).finally(letGo);
      return running;
    } finally {
      this.#isStarting = false;
    }
  }

  /**
   * Starts the app and keeps it running until SIGTERM, SIGINT or `signal`, then closes in good order.
   *
   * @param options Signal and locations.
   * @throws {Error} what made a subscription stop by itself.
   */
  async run(options: RunOptions = {}): Promise<void> {
    checkOptionNames(`run of app '${this.name}'`, options, ["signal", "handlesSignals", ...OVERRIDES]);
    if (this.#subscriptions.length === 0) {
      throw new TypeError(`Cannot run app '${this.name}' as it has no subscription: call subscribe() first`);
    }
    const { signal, handlesSignals = true, ...overrides } = options;
    const running = await this.start(overrides).catch((error: unknown) => {
      throw withoutOurStack(error, this.run);
    });
    const stop = () => void running.close();
    // The first signal asks for a close in good order, a second one does not wait for it.
    const onSignal = (_signal: string, count: number) => void running.close({ isDirty: count > 1 });
    const removeSignals = handlesSignals ? onSignals(onSignal) : () => {};
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
    try {
      await running.ended;
      await running.close();
    } finally {
      removeSignals();
      signal?.removeEventListener("abort", stop);
    }
    const failure = running.failure ?? running.closeFailure;
    if (failure !== undefined) throw failure;
  }

  /**
   * Puts records into a topic; resolves when they are acknowledged. Works before, while and after the app runs.
   *
   * @param topic The topic, or its name.
   * @param rows Objects, or a batch.
   */
  async produce<S extends Columns>(
    topic: Topic<S> | string,
    rows: readonly RowOf<NoInfer<S>>[] | Batch<NoInfer<S>>,
  ): Promise<void> {
    const running = this.#active;
    if (running !== undefined) return await running.produce(topic, rows);
    const { broker, clock, close } = await this.#openBroker();
    try {
      const target = asTopic(topic);
      if (broker.capabilities.createsTopics || target.createTopics) {
        const admin = await broker.admin();
        await admin.createTopics([{ topic: target.name, partitions: target.partitions }]);
        await admin.close();
      }
      await produceTo(rows, { topic: target, broker, clock });
    } finally {
      await close();
    }
  }

  /**
   * All committed rows of a topic up to its end.
   *
   * @param topic The topic, or its name.
   * @param options Where to begin.
   */
  async read<S extends Columns>(topic: Topic<S> | string, options: ReadOptions = {}): Promise<RowOf<S>[]> {
    const running = this.#active;
    if (running !== undefined) return await running.read(topic, options);
    const { broker, environment, close } = await this.#openBroker();
    try {
      await using reader = new TopicReader(asTopic(topic), {
        open: () => Promise.resolve(broker),
        environment,
        options,
      });
      return await reader.rowsOrThrow();
    } finally {
      await close();
    }
  }

  /**
   * Everything that is needed to start the app, for drivers that start it in their own environment.
   *
   * @param layers Environment variables by name, and overrides. @default nothing is read from the environment
   */
  definition(
    layers: { readonly variables?: Readonly<Record<string, string | undefined>>; readonly overrides?: RunOverrides } =
      {},
  ): AppDefinition {
    const { variables = {}, overrides = {} } = layers;
    const options = resolveOptions(this.name, {
      constructorOptions: this.#given,
      environment: variables,
      run: overrides,
    });
    const { clock, random, observer } = this.#given.environment ?? {};
    const environment: Environment = {
      clock: clock ?? new SystemClock(),
      random: random ?? new SystemRandom(),
      observer: observer ?? new ConsoleObserver(),
    };
    const isMemory = typeof options.broker === "string" && options.broker.startsWith("memory:");
    const base = { name: this.name, subscriptions: [...this.#subscriptions], options, environment };
    if (!isMemory) return base;
    const adapters = [...options.adapters, ...BUILT_IN_ADAPTERS];
    this.#memoryBroker ??= resolveLocation<Broker>({ kind: "broker", place: options.broker }, {
      adapters,
      environment,
    });
    return { ...base, openBroker: this.#memoryBroker };
  }

  async #openBroker(): Promise<{ broker: Broker; environment: Environment; clock: Clock; close: () => Promise<void> }> {
    const { options, environment, openBroker: shared } = this.definition({ variables: environmentVariables() });
    const adapters = [...options.adapters, ...BUILT_IN_ADAPTERS];
    const broker = shared ??
      resolveLocation<Broker>({ kind: "broker", place: options.broker }, { adapters, environment });
    await openBroker(broker);
    const isOurs = shared === undefined && typeof options.broker === "string";
    const close = () => isOurs ? broker.close() : Promise.resolve();
    return { broker, environment, clock: environment.clock, close };
  }
}

/** The environment variables that stand for options; what may not be read counts as unset. */
function environmentVariables(): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.values(ENVIRONMENT_NAMES).map((name) => [name, environmentVariable(name)]));
}
