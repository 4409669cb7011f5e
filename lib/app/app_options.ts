import type { ValueCodec } from "../codecs/value_codec.ts";
import type { Adapter, Environment } from "../seams/adapter.ts";
import type { BlobStore } from "../seams/blob_store.ts";
import type { Broker } from "../seams/broker.ts";
import type { StateStoreProvider } from "../seams/state_store.ts";
import { checkOptions, type OptionRule, type OptionSource, type PlannedOptions, show } from "./option_rules.ts";

/** Where a subscription starts that has never committed. */
export type StartFrom = "earliest" | "latest" | {
  /** First record at or after this epoch time. */ readonly atMs: number;
};

/** Options of an app; strings name a scheme of one of `adapters`. */
export interface TurbineOptions {
  /** Adapters whose schemes may be used in option and environment strings. @default {[]} */
  adapters?: readonly Adapter[];
  /** Broker, as an object or `scheme:...`. @default {"file:./.turbine/broker"} */
  broker?: Broker | string;
  /** Where state lives between batches. @default {"memory:"} */
  state?: StateStoreProvider | string;
  /** How values of the free form of state are written. @default {jsonValues()} */
  stateCodec?: ValueCodec;
  /** Where checkpoints go. @default {"file:./.turbine/<app>/checkpoints"} */
  checkpoints?: BlobStore | string;
  /** Time between two checkpoints of a task, in milliseconds. @default {30_000} */
  checkpointIntervalMs?: number;
  /** Intact checkpoints that are kept for each task. @default {3} */
  retainedCheckpoints?: number;
  /** Time between two flushes of committed state to the store, in milliseconds. @default {1_000} */
  stateFlushIntervalMs?: number;
  /** Where a subscription starts that has never committed. @default {"earliest"} */
  startFrom?: StartFrom;
  /** Static membership: unique for each running instance of the app. @default a random one for each start */
  instanceId?: string;
  /** Session timeout of the group: a silent instance loses its partitions after this, in milliseconds. @default {60_000} */
  failoverGraceMs?: number;
  /** Bound on an orderly close, in milliseconds; after it the close is dirty. @default {30_000} */
  closeTimeoutMs?: number;
  /** Bound on retries while the broker cannot be reached, in milliseconds. @default {300_000} */
  taskTimeoutMs?: number;
  /** Clock, randomness and observer, for tests. @default the system's */
  environment?: Partial<Environment>;
}

/** Options that `run()` and `start()` may override. */
export interface RunOverrides {
  /** Broker location; wins over environment and constructor. */
  broker?: Broker | string;
  /** State location. */
  state?: StateStoreProvider | string;
  /** Checkpoint location. */
  checkpoints?: BlobStore | string;
  /** Static member id. */
  instanceId?: string;
}

/** Resolved options: frozen, with the source of each. */
export interface ResolvedOptions extends Required<Omit<TurbineOptions, "instanceId" | "environment" | "stateCodec">> {
  /** Static member id, or `undefined` for a dynamic member. */
  readonly instanceId: string | undefined;
  /** Codec of free-form state. */
  readonly stateCodec: ValueCodec | undefined;
  /** Where each value came from. */
  readonly sources: Readonly<Record<string, OptionSource>>;
}

const RULES: Readonly<Record<keyof TurbineOptions, OptionRule>> = {
  adapters: { kind: "any" },
  broker: { kind: "any" },
  state: { kind: "any" },
  stateCodec: { kind: "any" },
  checkpoints: { kind: "any" },
  checkpointIntervalMs: { kind: "integer", min: 1 },
  retainedCheckpoints: { kind: "integer", min: 1, max: 1_000 },
  stateFlushIntervalMs: { kind: "integer", min: 0 },
  startFrom: { kind: "any" },
  instanceId: { kind: "any" },
  failoverGraceMs: { kind: "integer", min: 1_000 },
  closeTimeoutMs: { kind: "integer", min: 0 },
  taskTimeoutMs: { kind: "integer", min: 0 },
  environment: { kind: "any" },
};

const PLANNED: PlannedOptions = {
  workers: "a process runs one worker, and more processes join the same group",
  maxLagMs: "a job reads every record",
};

/** Environment variables that stand for options. */
export const ENVIRONMENT_NAMES = {
  broker: "TURBINE_BROKER",
  state: "TURBINE_STATE",
  checkpoints: "TURBINE_CHECKPOINTS",
  instanceId: "TURBINE_INSTANCE_ID",
} as const;

const NAME = /^[A-Za-z0-9_-]{1,80}$/;

/**
 * Throws unless `name` can name an app or a subscription: it becomes part of group ids, directories and object names.
 *
 * @throws {TypeError} when it has other characters.
 */
export function checkName(what: string, name: string): void {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new TypeError(
      `Cannot create ${what} as its name must be 1 to 80 characters of A-Z a-z 0-9 _ -: current value is ${show(name)}`,
    );
  }
}

function checkPlace(subject: string, name: string, value: unknown): void {
  const isPlace = typeof value === "string" ? /^[a-z0-9]+:/.test(value) : typeof value === "object" && value !== null;
  if (!isPlace) {
    throw new TypeError(
      `Cannot create ${subject} as '${name}' must be an adapter's object or a string such as 'file:./path': current value is ${
        show(value)
      }`,
    );
  }
}

/**
 * Throws unless a value says where to start.
 *
 * @param subject What is being made, for the message.
 * @param option Name of the option and its value; `undefined` is fine.
 * @throws {TypeError} when it does not.
 */
export function checkStartFrom(subject: string, option: { readonly name: string; readonly value: unknown }): void {
  const { name, value } = option;
  const isTime = typeof value === "object" && value !== null && Number.isFinite((value as { atMs?: unknown }).atMs);
  if (value === undefined || value === "earliest" || value === "latest" || isTime) return;
  throw new TypeError(
    `Cannot create ${subject} as '${name}' must be 'earliest' | 'latest' | { atMs }: current value is ${show(value)}`,
  );
}

/**
 * Checks the constructor's options, without reading the environment.
 *
 * @param application Name of the app.
 * @param options What the user passed.
 * @throws {TypeError} when an option is unknown or of another type.
 * @throws {RangeError} when a number is out of range.
 */
export function checkAppOptions(application: string, options: TurbineOptions): void {
  checkName("app", application);
  const subject = `app '${application}'`;
  checkOptions(options, { subject, rules: RULES, planned: PLANNED });
  for (const name of ["broker", "state", "checkpoints"] as const) {
    if (options[name] !== undefined) checkPlace(subject, name, options[name]);
  }
  const { startFrom, instanceId, adapters } = options;
  checkStartFrom(subject, { name: "startFrom", value: startFrom });
  if (instanceId !== undefined) checkName(`${subject} 'instanceId'`, instanceId);
  if (
    adapters !== undefined &&
    !(Array.isArray(adapters) && adapters.every((adapter) => typeof adapter?.scheme === "string"))
  ) {
    throw new TypeError(
      `Cannot create ${subject} as 'adapters' must be an array of adapters: current value is ${show(adapters)}`,
    );
  }
}

/**
 * Merges run overrides over the environment over the constructor over the defaults.
 *
 * @param application Name of the app.
 * @param layers Constructor options, environment by variable name, and run overrides.
 * @returns Frozen values with their sources.
 * @throws {TypeError} when a value from the environment or from run is of another form.
 */
export function resolveOptions(
  application: string,
  layers: {
    readonly constructorOptions: TurbineOptions;
    readonly environment?: Readonly<Record<string, string | undefined>>;
    readonly run?: RunOverrides;
  },
): ResolvedOptions {
  const { constructorOptions, environment = {}, run = {} } = layers;
  const sources: Record<string, OptionSource> = {};
  const defaults = {
    adapters: [],
    broker: "file:./.turbine/broker",
    state: "memory:",
    stateCodec: undefined,
    checkpoints: `file:./.turbine/${application}/checkpoints`,
    checkpointIntervalMs: 30_000,
    retainedCheckpoints: 3,
    stateFlushIntervalMs: 1_000,
    startFrom: "earliest",
    instanceId: undefined,
    failoverGraceMs: 60_000,
    closeTimeoutMs: 30_000,
    taskTimeoutMs: 300_000,
  };
  const values: Record<string, unknown> = {};
  for (const [name, fallback] of Object.entries(defaults)) {
    const fromConstructor = constructorOptions[name as keyof TurbineOptions];
    values[name] = fromConstructor ?? fallback;
    sources[name] = fromConstructor === undefined ? "default" : "constructor";
  }
  for (const [name, variable] of Object.entries(ENVIRONMENT_NAMES)) {
    const text = environment[variable];
    if (text === undefined || text === "") continue;
    if (name === "instanceId") checkName(`app '${application}' from ${variable}`, text);
    else checkPlace(`app '${application}' from ${variable}`, name, text);
    values[name] = text;
    sources[name] = "environment";
  }
  for (const name of ["broker", "state", "checkpoints", "instanceId"] as const) {
    if (run[name] === undefined) continue;
    if (name === "instanceId") checkName(`app '${application}' from run()`, run[name]!);
    else checkPlace(`app '${application}' from run()`, name, run[name]);
    values[name] = run[name];
    sources[name] = "run";
  }
  return Object.freeze({ ...values, sources: Object.freeze(sources) }) as ResolvedOptions;
}
