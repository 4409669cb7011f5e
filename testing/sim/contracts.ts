/** What the parts of the simulator know of each other. */
import type { Change } from "../../lib/embedded/change.ts";
import type { ClientCall } from "../../lib/adapters/embedded/client_calls.ts";
import type { TurbineOptions } from "../../lib/app/app_options.ts";
import type { RunningApp } from "../../lib/app/running_app.ts";
import type { Turbine } from "../../lib/app/turbine.ts";
import type { SubscriptionSpec } from "../../lib/runtime/subscription_spec.ts";
import type { LogLevel, StepDetail, StepLabel } from "../../lib/seams/observer.ts";
import type { StateStoreKey } from "../../lib/seams/state_store.ts";
import type { MemoryBroker } from "../memory_broker.ts";
import type { RecordRow } from "../record_rows.ts";
import type { SeededRandom } from "../seeded_random.ts";
import type { FaultKind, PlannedFault } from "./fault_kinds.ts";
import type { SimBlobStore } from "./stores/sim_blob_store.ts";
import type { SimDisk } from "./stores/sim_disk.ts";

/** How much is simulated. */
export type Profile = "small" | "standard" | "soak";

/** What is drawn for a run before it begins: the same seed gives the same options. */
export interface SimOptions {
  /** Seed of the run. */
  readonly seed: number;
  /** How much is simulated. */
  readonly profile: Profile;
  /** Name of the job, for jobs of our own. */
  readonly job: string;
  /** The guarantee. */
  readonly guarantee: "at-least-once" | "exactly-once";
  /** Virtual processes: 1 to 5. */
  readonly processes: number;
  /** Partitions of each input topic: 1 to 24. */
  readonly partitions: number;
  /** Rows of a batch: 1 to 4,096. */
  readonly batchRows: number;
  /** Time between two commits, 0 to 5,000 ms. */
  readonly commitIntervalMs: number;
  /** Time between two checkpoints, 1,000 to 60,000 ms. */
  readonly checkpointIntervalMs: number;
  /** Checkpoints kept: 2 to 4. */
  readonly retainedCheckpoints: number;
  /** Time between two flushes of state. */
  readonly stateFlushIntervalMs: number;
  /** Session timeout of the group. */
  readonly failoverGraceMs: number;
  /** Idle time-out of the subscription, or `null`. */
  readonly idleTimeoutMs: number | null;
  /** Whether members are static. */
  readonly isStatic: boolean;
  /** Generation of the transaction protocol. */
  readonly transactionVersion: 1 | 2;
  /** Whether the state store syncs each write: otherwise a crash of the machine may take the last ones back. */
  readonly isStateSynced: boolean;
  /** How long a write of state takes; 0: no time. */
  readonly diskLatencyMs: number;
  /** A checkpoint is forced when a replay would process so many rows; `null`: hardly ever. */
  readonly replayRowsMax: number | null;
  /** Bytes that decisions may take in a commit before a checkpoint is forced; `null`: as many as in real life. */
  readonly journalBytesMax: number | null;
  /** Whether the input is written by transactions, some of them aborted. */
  readonly isInputTransactional: boolean;
  /** Mean latency of one way to the broker. */
  readonly latencyMs: number;
  /** A client gives up on a reply after this. */
  readonly requestTimeoutMs: number;
  /** Mean rows per second of the workload over all partitions. */
  readonly rowsPerSecond: number;
  /** Now and then so many batches come at once for one partition; 0: never. */
  readonly burstBatches: number;
  /** Whether records come after a silence that were made before it, and at the end of the input some more. */
  readonly hasStragglers: boolean;
  /** Different keys of the workload. */
  readonly keys: number;
  /** Share of rows that go to one hot key, 0 to 0.99. */
  readonly hotShare: number;
  /** Share of rows that are poison, 0 to 0.05. */
  readonly poisonShare: number;
  /** Policy for poison. */
  readonly onRecordError: "skip" | "dead-letter";
  /** Time without faults at the beginning. */
  readonly warmUpMs: number;
  /** Time with faults. */
  readonly safetyMs: number;
  /** Fault kinds that may strike in this run, each with its rate per simulated minute. */
  readonly rates: Readonly<Partial<Record<FaultKind, number>>>;
}

/** A job under simulation. */
export interface SimJob {
  /** Its name. */
  readonly name: string;
  /** Builds the app anew for a virtual process, so that a crash forgets what closures hold. */
  createApp(): Turbine | Promise<Turbine>;
  /** Partitions of topics that exist before the job starts. */
  readonly topics: Readonly<Record<string, number>>;
  /** Feeds it. */
  readonly workload: SimWorkload;
  /** What only this job's results can tell. */
  readonly checkers?: (view: RunView) => readonly Checker[];
  /** Settings of the app instead of its own. @default {its own} */
  readonly appOptions?: TurbineOptions;
  /** Settings of a subscription instead of its own. @default {its own} */
  readonly tune?: (spec: SubscriptionSpec) => SubscriptionSpec;
}

/** Records for one partition. */
export interface Feed {
  /** Input topic. */
  readonly topic: string;
  /** Partition. */
  readonly partition: number;
  /** The records. */
  readonly rows: readonly RecordRow[];
  /** How they are written: plainly, in a transaction, or in one that is aborted. @default {"plain"} */
  readonly as?: "plain" | "committed" | "aborted";
}

/** Makes the input of a job. */
export interface SimWorkload {
  /**
   * The next records.
   *
   * @param random Randomness of the workload alone.
   * @param atMs Simulated milliseconds since the start.
   * @returns What is written now, and after how many milliseconds to ask again; `null` ends the input.
   */
  next(random: SeededRandom, atMs: number): { readonly feeds: readonly Feed[]; readonly afterMs: number } | null;
  /** Records after the end of all faults, one for each key and partition, that make the whole state visible. */
  probe?(): readonly Feed[];
}

/** A virtual process: one instance of the app on one machine. */
export interface SimProcess {
  /** From 0. */
  readonly number: number;
  /** Counts its starts, from 1. */
  readonly incarnation: number;
  /** Where it stands. */
  readonly status: "starting" | "running" | "paused" | "dead" | "closing" | "closed";
  /** Its machine: counts the machines, a new one has an empty disk. */
  readonly node: number;
  /** The disk of that machine. */
  readonly disk: SimDisk;
  /** The app, once it runs. */
  readonly app: RunningApp | undefined;
}

/** A request on its way, as the network sees it. */
export interface CallEvent {
  /** Who asks. */
  readonly process: SimProcess;
  /** Incarnation of the process that asked. */
  readonly incarnation: number;
  /** Numbers the requests of a run. */
  readonly id: number;
  /** Which call. */
  readonly call: ClientCall;
  /** Where it is: `landed` may happen never or twice; `answered` and `failed` end it for the client. */
  readonly phase: "sent" | "landed" | "answered" | "failed";
}

/** A call of a handle of the broker seam, as the library makes it. */
export interface SeamCall {
  /** Who calls. */
  readonly process: SimProcess;
  /** Incarnation of the process that called. */
  readonly incarnation: number;
  /** Numbers the handles of a run: each consumer and producer has one. */
  readonly handle: number;
  /** What it is. */
  readonly kind: "consumer" | "producer" | "transactional" | "listener" | "admin";
  /** Method of the seam: `poll`, `commit`, `produce`, `sendOffsets`, `revoked` ... */
  readonly method: string;
  /** Before the call, or after it. */
  readonly phase: "called" | "settled";
  /** Arguments. */
  readonly args: readonly unknown[];
  /** What it resolved with, when settled well. */
  readonly value?: unknown;
  /** What it was rejected with. */
  readonly error?: unknown;
}

/** A call of a local state store: when it is made, and when it has taken effect or failed. */
export interface StateCall {
  /** Whose store it is. */
  readonly process: SimProcess;
  /** Incarnation of the process that called. */
  readonly incarnation: number;
  /** Which store. */
  readonly key: StateStoreKey;
  /** What was done. Reads and snapshots are not told. */
  readonly method: "open" | "readPosition" | "apply" | "load" | "close" | "destroy";
  /** Before the call, or after it. */
  readonly phase: "called" | "settled";
  /** Position that was written or found; `undefined` for none. */
  readonly position?: Uint8Array | undefined;
  /** What it was rejected with. */
  readonly error?: unknown;
}

/** A fault that has struck. */
export interface FiredFault {
  /** As planned. */
  readonly fault: PlannedFault;
  /** When, simulated. */
  readonly atMs: number;
  /** What exactly it did, for people. */
  readonly what: string;
}

/** Numbers of the invariants of the design. */
export type InvariantId = `I-${string}`;

/** What checkers see of a run. */
export interface RunView {
  /** What was drawn. */
  readonly options: SimOptions;
  /** The job. */
  readonly job: SimJob;
  /** Simulated milliseconds since the start. */
  readonly nowMs: number;
  /** Events so far. */
  readonly steps: number;
  /** Where the run is. */
  readonly phase: "warm-up" | "safety" | "liveness" | "cold-restart" | "end";
  /** The broker with its state machines. */
  readonly broker: MemoryBroker;
  /** The object store. */
  readonly blobs: SimBlobStore;
  /** All processes. */
  readonly processes: readonly SimProcess[];
  /** Faults that have struck, oldest first. */
  readonly fired: readonly FiredFault[];
  /** Partitions for which a fault made loss or a stop legal (retention past the position, truncation), with the reason. */
  readonly excused: ReadonlyMap<string, string>;
  /** Says that something rare happened: a coverage mark. */
  mark(name: string): void;
  /** An invariant does not hold: the run ends here. The first one counts. */
  violate(invariant: InvariantId, message: string): void;
}

/** Watches a run for some invariants. Every method may be left away; those called after each event must be cheap. */
export interface Checker {
  /** Invariants that it keeps. */
  readonly invariants: readonly InvariantId[];
  /** A change of the broker's durable state, right after it. */
  change?(change: Change): void;
  /** A labelled step of a process that lives. */
  step?(process: SimProcess, label: StepLabel, detail: StepDetail): void;
  /** A log line of a process that lives. */
  log?(process: SimProcess, level: LogLevel, message: string, detail: StepDetail): void;
  /** A request moved on. */
  call?(event: CallEvent): void;
  /** A handle of the broker seam was called, or answered. */
  seam?(call: SeamCall): void;
  /** A local state store was opened, written or closed. */
  state?(call: StateCall): void;
  /** A process crashed, stood still, went on, was started, stopped in good order, or ended by itself with an error. */
  process?(
    process: SimProcess,
    what: "crashed" | "paused" | "resumed" | "starting" | "started" | "closing" | "closed" | "failed",
    error?: Error,
  ): void;
  /** A fault has struck. */
  fault?(fired: FiredFault): void;
  /** After each event and all microtasks that it caused. */
  afterEvent?(): void;
  /** All faults are healed and everything has been processed. */
  quiet?(): void;
  /** After the last cold restart from checkpoints alone has processed the probe. */
  end?(): void;
}
