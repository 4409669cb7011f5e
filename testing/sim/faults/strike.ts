import type { StepLabel } from "../../../lib/seams/observer.ts";
import { hashOf, mixed } from "../mixed_hash.ts";
import type { SimProcess } from "../contracts.ts";
import type { FaultWorld } from "../fault_world.ts";
import type { FaultKind, PlannedFault } from "../fault_kinds.ts";

/** How often a fault looks for a process to strike, and how long it waits in between. */
const LOOKS_MAX = 40;
const LOOK_MS = 250;

/** Lets one planned fault strike, now or at the first occasion from now on. */
export type Injector = (strike: Strike) => void;

/** Injectors of some kinds. */
export type Injectors<K extends FaultKind> = Readonly<Record<K, Injector>>;

/** One partition. */
export interface Place {
  /** Topic name. */
  readonly topic: string;
  /** Partition number. */
  readonly partition: number;
}

/** When in its work a process is to be struck. */
export interface Occasion {
  /** Which process; any when left away. */
  readonly process?: number;
  /** So many fitting steps are let pass. @default {0} */
  readonly skip?: number;
  /** Strikes at the latest after so long, step or no step; never when left away. */
  readonly withinMs?: number;
}

/** One planned fault and the world that it strikes: when, whom and where, drawn from the plan alone. */
export class Strike {
  /** What is struck. */
  readonly world: FaultWorld;
  /** As planned. */
  readonly fault: PlannedFault;

  /**
   * @param world What is struck.
   * @param fault As planned.
   */
  constructor(world: FaultWorld, fault: PlannedFault) {
    this.world = world;
    this.fault = fault;
  }

  /** How long it lasts, so that it ends with the time of faults. */
  get lastingMs(): number {
    const { warmUpMs, safetyMs } = this.world.options;
    return Math.max(1, Math.min(this.fault.durationMs, warmUpMs + safetyMs - this.world.nowMs));
  }

  /** Whether faults may strike now: not while everything is to become well again. */
  get isDue(): boolean {
    const { phase } = this.world;
    return phase === "warm-up" || phase === "safety";
  }

  /** It has struck. @param what What exactly it did, for people. */
  fire(what: string): void {
    this.world.fire(this.fault, what);
  }

  /**
   * A number in [0, count) for one purpose, independent of those for others.
   *
   * @param purpose What it is for.
   * @param count How many there are.
   */
  draw(purpose: string, count: number): number {
    return mixed(this.fault.draw ^ hashOf(purpose)) % count;
  }

  /** One of the items, or `undefined` when there is none. @param purpose What it is for. @param items Which. */
  pick<T>(purpose: string, items: readonly T[]): T | undefined {
    return items[this.draw(purpose, Math.max(1, items.length))];
  }

  /** Runs something later, unless faults are over by then. @param ms How much later. @param run What. */
  later(ms: number, run: () => void): void {
    this.world.after(ms, () => {
      if (this.isDue) run();
    });
  }

  /**
   * Strikes the fault's process, or the next one that runs; looks again for a while when none does.
   *
   * @param strike Is told which one.
   */
  whenUp(strike: (process: SimProcess) => void): void {
    const { processes } = this.world;
    const look = (looks: number): void => {
      for (let at = 0; at < processes.length; at++) {
        const process = processes[(this.fault.process + at) % processes.length]!;
        if (process.status === "running") return strike(process);
      }
      if (looks < LOOKS_MAX) this.later(LOOK_MS, () => look(looks + 1));
    };
    look(1);
  }

  /**
   * Strikes once, when a process passes one of some steps.
   *
   * @param labels Which steps.
   * @param occasion Which process, and how long to wait for the step.
   * @param strike Is told the step, or nothing when it was waited for too long.
   */
  atStep(
    labels: readonly StepLabel[],
    occasion: Occasion,
    strike: (process: SimProcess | undefined, label: StepLabel | undefined) => void,
  ): void {
    let isDone = false;
    const once = (process?: SimProcess, label?: StepLabel): void => {
      if (isDone || !this.isDue) return;
      isDone = true;
      strike(process, label);
    };
    const { withinMs, ...which } = occasion;
    this.world.whenStep(labels, which, once);
    if (withinMs !== undefined) this.later(withinMs, () => once());
  }

  /** A partition of one of some topics. */
  place(topics: readonly string[]): Place | undefined {
    return this.pick("place", this.places(topics));
  }

  /** All partitions of some topics. */
  places(topics: readonly string[]): Place[] {
    const known = this.world.broker.cluster.state.topics;
    return topics.flatMap((topic) => (known.get(topic)?.logs ?? []).map((_, partition) => ({ topic, partition })));
  }

  /** Topics that the job writes. */
  get outputTopics(): string[] {
    const known = this.world.broker.cluster.state.topics;
    return [...known.keys()].filter((topic) => !this.world.inputTopics.includes(topic));
  }

  /** A consumer group of the job. */
  get groupId(): string | undefined {
    return this.pick("group", this.world.groupIds);
  }

  /** A transactional id of the job, preferably one with an open transaction. */
  get transactionalId(): string | undefined {
    const all = [...this.world.broker.cluster.state.transactions.values()].filter(({ transactionalId }) =>
      this.world.groupIds.some((groupId) => transactionalId.startsWith(`${groupId}.`))
    );
    const open = all.filter(({ status }) => status === "Ongoing");
    return this.pick("transaction", open.length > 0 ? open : all)?.transactionalId;
  }
}

/** Begins the names of everything that faults bring into the world: producers, members, instances. */
export const FOREIGN = "foreign-";
