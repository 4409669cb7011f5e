/** What faults do to the world. */
import type { ClientCall } from "../../lib/adapters/embedded/client_calls.ts";
import type { StepLabel } from "../../lib/seams/observer.ts";
import type { SeededRandom } from "../seeded_random.ts";
import type { RunView, SimProcess } from "./contracts.ts";
import type { PlannedFault } from "./fault_kinds.ts";

/** What becomes of a request on its way. */
export type CallFate =
  /** Never reaches the broker; the client gives up after its timeout. */
  | "request-lost"
  /** Takes effect; the client gives up after its timeout. */
  | "reply-lost"
  /** The client gives up after its timeout; the request lands `delayMs` after it was sent. */
  | "delayed"
  /** Lands at once and again `delayMs` later; the client gets the first reply. */
  | "duplicated"
  /** Known not to have been taken: connection refused, not the leader, not the coordinator. */
  | "refused"
  /** The connection breaks: half of such requests have landed, all clients see it at once as an unknown outcome. */
  | "reset"
  /** Lands and is answered, each way `delayMs` late. */
  | "slow";

/** Strikes the next fitting requests. */
export interface CallStrike {
  /** Whose requests. @default anybody's */
  readonly process?: number;
  /** Which calls. */
  readonly calls: readonly ClientCall[];
  /** What becomes of them. */
  readonly fate: CallFate;
  /** See the fate, in milliseconds. @default {0} */
  readonly delayMs?: number;
  /** How many requests in a row. @default {1} */
  readonly times?: number;
}

/** Misbehaviour of user code; strikes the next batch of a process. */
export type HandlerFault =
  | "throw"
  | "reject"
  | "hang"
  | "wrong-shape"
  | "mutate-input"
  | "empty-batch"
  | "slow";

/** A clock that can be wrong. Monotonic time of a process never goes back. */
export interface FaultyClock {
  /** Steps the wall clock alone. */
  jumpWall(ms: number): void;
  /** Lets wall time stand still, or go on. */
  freezeWall(isFrozen: boolean): void;
  /** Both clocks run `rate` times as fast as the world, from now on. */
  drift(rate: number): void;
  /** Both clocks jump ahead, as after a suspend; sleeps that came due meanwhile end at once. */
  jumpMonotonic(ms: number): void;
}

/** The world as faults see it. */
export interface FaultWorld extends RunView {
  /** Randomness of faults alone, for what a plan did not draw. */
  readonly faultRandom: SeededRandom;
  /** Runs something later, in simulated milliseconds. */
  after(ms: number, run: () => void): void;
  /** A fault has struck: it is counted and traced. */
  fire(fault: PlannedFault, what: string): void;
  /** A fault has made loss, or a loud stop, of this partition legal. */
  excuse(topic: string, partition: number, reason: string): void;
  /** A process is gone at once; it is started again after `restartAfterMs` (`null`: when faults are healed). */
  crash(process: number, options: { readonly restartAfterMs: number | null; readonly node: "same" | "new" }): void;
  /** A process stands still. */
  pause(process: number, forMs: number): void;
  /** A process is closed in good order and started again after that. */
  stop(process: number, options: { readonly restartAfterMs: number; readonly node: "same" | "new" }): void;
  /** Does something when a process passes one of these steps next. */
  whenStep(
    labels: readonly StepLabel[],
    options: { readonly process?: number; readonly skip?: number },
    action: (process: SimProcess, label: StepLabel) => void,
  ): void;
  /** Strikes requests on the network; `fire` is called when they are. */
  strike(fault: PlannedFault, strike: CallStrike): void;
  /** Cuts a process (or all) off from the broker; requests and replies of the blocked direction are lost. */
  block(process: number | "all", direction: "to-broker" | "from-broker" | "both", forMs: number): void;
  /** Holds all messages of a process (or all) back and lets them through at the end, in seeded order. */
  clog(process: number | "all", forMs: number): void;
  /** The broker cannot be reached by anybody: requests are refused, those under way end unknown. */
  outage(forMs: number): void;
  /** The clock of a process, or of the broker. */
  clockOf(process: number | "broker"): FaultyClock;
  /** Strikes the next batch that a process hands to user code; `fire` is called when it is. */
  strikeHandler(
    fault: PlannedFault,
    strike: { readonly process: number; readonly how: HandlerFault; readonly ms?: number },
  ): void;
  /** Done when all is quiet, just before the machines are lost for the last time. */
  readonly beforeColdRestart: (() => void)[];
  /** Consumer groups of the job. */
  readonly groupIds: readonly string[];
  /** Topics that the job reads. */
  readonly inputTopics: readonly string[];
}
