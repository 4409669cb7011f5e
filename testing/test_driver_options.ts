import type { OptionOverrides } from "./test_worker.ts";
import type { MemoryBroker } from "./memory_broker.ts";
import type { BlobStore } from "../lib/seams/blob_store.ts";
import type { LogLevel, StepDetail, StepLabel } from "../lib/seams/observer.ts";
import type { StateStoreProvider } from "../lib/seams/state_store.ts";
import type { TrapPlace } from "./traps.ts";

/** Options of {@linkcode TestDriver.start}. */
export interface TestDriverOptions {
  /** Partitions of all topics of the app, or of topics by name. @default what the topics say */
  partitions?: number | Readonly<Record<string, number>>;
  /** Virtual processes, each a member of the groups. @default {1} */
  workers?: number;
  /** Names of the subscriptions that run. @default all of the app */
  subscriptions?: readonly string[];
  /** Options of the app and of its subscriptions that the test sets otherwise, batch bounds and intervals for example. */
  overrides?: OptionOverrides;
  /** Seed of all randomness. @default {1} */
  seed?: number;
  /** Wall time at the start, in epoch milliseconds. @default {Date.UTC(2026, 0, 1)} */
  wallMs?: number;
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

/** Where a worker crashes, and where it comes back. */
export interface CrashOptions extends TrapPlace {
  /** `same`: with its local state; `new`: without; `none`: nowhere. @default {"same"} */
  readonly node?: "same" | "new" | "none";
}

/** Where a worker is paused, and for how long. */
export interface PauseOptions extends TrapPlace {
  /** It goes on after so many virtual milliseconds. @default not before `resume()` */
  readonly forMs?: number;
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
