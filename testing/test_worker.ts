import { resolveOptions, type RunOverrides, type TurbineOptions } from "../lib/app/app_options.ts";
import type { RunningApp } from "../lib/app/running_app.ts";
import { startApp } from "../lib/app/start_app.ts";
import { resolveSubscribeOptions, type SubscribeOptions } from "../lib/app/subscribe_options.ts";
import type { Turbine } from "../lib/app/turbine.ts";
import { checkOptionNames } from "../lib/base/check_option_names.ts";
import type { Columns } from "../lib/columns/schema.ts";
import type { StateTables } from "../lib/operator/operator.ts";
import type { SubscriptionSpec } from "../lib/runtime/subscription_spec.ts";
import type { Environment } from "../lib/seams/adapter.ts";
import type { StateStoreProvider } from "../lib/seams/state_store.ts";
import { Life } from "./mortal.ts";

/** An app, used as it is by all virtual processes, or a factory that makes one for each: a crash then forgets closures. */
export type AppSource = Turbine | (() => Turbine | Promise<Turbine>);

/** Options of the app and of its subscriptions that a test sets, whatever the job says. */
export interface OptionOverrides extends
  Pick<
    TurbineOptions,
    | "checkpointIntervalMs"
    | "retainedCheckpoints"
    | "stateFlushIntervalMs"
    | "failoverGraceMs"
    | "closeTimeoutMs"
    | "taskTimeoutMs"
  >,
  Pick<
    SubscribeOptions,
    | "processingGuarantee"
    | "batchRows"
    | "batchBytes"
    | "batchTimeoutMs"
    | "commitIntervalMs"
    | "stateFlushBytes"
    | "replayRowsMax"
    | "replayMsMax"
  > {
  /** As of a subscription; `undefined`: time never advances without records. */
  idleTimeoutMs?: number | undefined;
}

const APP_OPTIONS: readonly (keyof OptionOverrides & keyof TurbineOptions)[] = [
  "checkpointIntervalMs",
  "retainedCheckpoints",
  "stateFlushIntervalMs",
  "failoverGraceMs",
  "closeTimeoutMs",
  "taskTimeoutMs",
];
const SUBSCRIPTION_OPTIONS: readonly (keyof OptionOverrides & keyof SubscribeOptions)[] = [
  "processingGuarantee",
  "batchRows",
  "batchBytes",
  "batchTimeoutMs",
  "commitIntervalMs",
  "idleTimeoutMs",
  "stateFlushBytes",
  "replayRowsMax",
  "replayMsMax",
];

/**
 * Makes the app of a virtual process.
 *
 * @param source An app, or its factory.
 * @returns The app, not started.
 * @throws {TypeError} when it is neither.
 */
export async function appOf(source: AppSource): Promise<Turbine> {
  const app = typeof source === "function" ? await source() : source;
  if (typeof app?.definition === "function") return app;
  throw new TypeError(
    `Cannot test an app as it must be a Turbine or a function that makes one: current value is ${app}`,
  );
}

/** Which subscriptions of an app run, and with which options. */
export interface SubscriptionChoice {
  /** Names of the subscriptions. @default all */
  readonly subscriptions?: readonly string[];
  /** Options that are set otherwise. */
  readonly overrides?: OptionOverrides;
}

/**
 * The subscriptions of an app that a test runs, with the test's options.
 *
 * @param app The app.
 * @param choice Which ones, and the options.
 * @throws {TypeError} when a subscription or an option does not exist.
 * @throws {RangeError} when a number is out of range.
 */
export function chosenSubscriptions(app: Turbine, choice: SubscriptionChoice): readonly SubscriptionSpec[] {
  const { subscriptions: names, overrides = {} } = choice;
  checkOptionNames("overrides of a test", overrides, [...APP_OPTIONS, ...SUBSCRIPTION_OPTIONS]);
  const unknown = names?.find((name) => !app.subscriptions.some((spec) => spec.name === name));
  if (unknown !== undefined) {
    const known = app.subscriptions.map(({ name }) => `'${name}'`).join(", ");
    throw new TypeError(
      `Cannot run one subscription alone as app '${app.name}' has only ${known}: current value is '${unknown}'`,
    );
  }
  const specs = app.subscriptions.filter(({ name }) => names === undefined || names.includes(name));
  const changes = picked(overrides, SUBSCRIPTION_OPTIONS);
  if (Object.keys(changes).length === 0) return specs;
  return specs.map((spec) => {
    const given = Object.entries({ ...spec.settings, ...changes }).filter(([, value]) => value !== undefined);
    const options = Object.fromEntries(given) as SubscribeOptions<Columns, StateTables>;
    return { ...spec, settings: resolveSubscribeOptions(spec.input.name, options) };
  });
}

/**
 * Topics that exist before an app starts.
 *
 * @param subscriptions What the app reads and publishes to.
 * @param partitions Of all these topics, or of topics by name.
 */
export function topicsToCreate(
  subscriptions: readonly SubscriptionSpec[],
  partitions: number | Readonly<Record<string, number>>,
): { topic: string; partitions: number }[] {
  if (typeof partitions !== "number") {
    return Object.entries(partitions).map(([topic, count]) => ({ topic, partitions: count }));
  }
  const topics = subscriptions.flatMap(({ input, publishTo }) => [input, publishTo ?? input]);
  return [...new Set(topics.map(({ name }) => name))].map((topic) => ({ topic, partitions }));
}

function picked(from: object, names: readonly PropertyKey[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)));
}

/** What a process is given when it starts. */
export interface WorkerStart extends SubscriptionChoice {
  /** Broker, state and checkpoints, and the static instance if it has one. */
  readonly places: RunOverrides;
  /** Clock, randomness and observer of the process. */
  readonly environment: Environment;
  /** Part of the transactional ids, when there is no static instance. */
  readonly transactionInstance?: string;
  /** Hears why the app stopped by itself. */
  readonly onFailure: (error: Error) => void;
}

/** A virtual process: it starts, crashes, and starts again as another life. */
export class TestWorker {
  /** Number of the process. */
  readonly number: number;
  /** Whether it lives. */
  life = new Life();
  /** What it runs, made anew for each life by a factory. */
  app: Turbine;
  /** The app, once it has started. */
  running: RunningApp | undefined;
  /** Its local state. */
  state: StateStoreProvider;

  /** @param number Number of the process. @param parts What it runs, and its local state. */
  constructor(number: number, parts: { readonly app: Turbine; readonly state: StateStoreProvider }) {
    this.number = number;
    this.app = parts.app;
    this.state = parts.state;
  }

  /** Whether it runs, or never will. */
  get isStarted(): boolean {
    return this.running !== undefined || this.life.isDead;
  }

  /** Another life, after a crash or a close. @param app What it runs. */
  begin(app: Turbine): void {
    this.life = new Life();
    this.app = app;
    this.running = undefined;
  }

  /** Starts the app; `running` tells when it has started. */
  launch(start: WorkerStart): void {
    const { life, app } = this;
    const { name } = app;
    const given = app.definition().options as TurbineOptions;
    const options = resolveOptions(name, {
      constructorOptions: { ...given, ...picked(start.overrides ?? {}, APP_OPTIONS) },
      run: start.places,
    });
    const { environment, transactionInstance } = start;
    const instance = transactionInstance === undefined ? {} : { transactionInstance };
    const subscriptions = chosenSubscriptions(app, start);
    startApp({ name, subscriptions, options, environment, ...instance }).then((running) => {
      if (life.isDead) return;
      this.running = running;
      running.ended.then(() => {
        if (!life.isDead && running.failure !== undefined) start.onFailure(running.failure);
      });
    }, (error) => {
      if (!life.isDead) start.onFailure(error as Error);
    });
  }
}
