/** A world in which a test says what happens, and sees what faults ask for. Holds no test of its own. */
import type { StepLabel } from "../../../lib/seams/observer.ts";
import { SeededRandom } from "../../seeded_random.ts";
import { GROUP, PlayedRun, TOPIC } from "../checkers/fixtures_test.ts";
import type { SimProcess } from "../contracts.ts";
import type { FaultKind, PlannedFault } from "../fault_kinds.ts";
import type { CallStrike, FaultWorld, FaultyClock } from "../fault_world.ts";

/** Topic that the job of the world writes. */
export const OUT_TOPIC = "out";

/** Something that a fault has asked of the world. */
export interface Asked {
  /** Which method. */
  readonly what: string;
  /** Its arguments. */
  readonly args: readonly unknown[];
}

interface Hook {
  readonly labels: readonly StepLabel[];
  readonly process: number | undefined;
  skip: number;
  readonly action: (process: SimProcess, label: StepLabel) => void;
}

/** See the top of the file. */
export class PlayedWorld extends PlayedRun implements FaultWorld {
  readonly faultRandom: SeededRandom = new SeededRandom(5);
  readonly groupIds: readonly string[] = [GROUP];
  readonly inputTopics: readonly string[] = [TOPIC];
  readonly beforeColdRestart: (() => void)[] = [];
  /** What was asked, oldest first. */
  readonly asked: Asked[] = [];
  #hooks: Hook[] = [];
  #later: { atMs: number; run: () => void }[] = [];

  constructor(processes = 2) {
    super(processes);
    this.broker.createTopic(OUT_TOPIC, 3);
    this.blobs.onFired(({ fault, what }) => this.fire(fault, what));
    for (const { disk } of this.processes) disk.onFired(({ fault, what }) => this.fire(fault, what));
  }

  /** Names of the methods that were asked. */
  get askedNames(): string[] {
    return this.asked.map(({ what }) => what);
  }

  /** Kinds that have struck. */
  get firedKinds(): FaultKind[] {
    return this.fired.map(({ fault }) => fault.kind);
  }

  fire(fault: PlannedFault, what: string): void {
    this.fired.push({ fault, atMs: this.nowMs, what });
  }

  excuse(topic: string, partition: number, reason: string): void {
    this.excused.set(`${topic}:${partition}`, reason);
  }

  after(ms: number, run: () => void): void {
    this.#later.push({ atMs: this.nowMs + ms, run });
  }

  /** Lets time pass. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const due = this.#later.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#later.splice(this.#later.indexOf(due), 1);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.run();
    }
    this.nowMs = endMs;
  }

  whenStep(
    labels: readonly StepLabel[],
    options: { readonly process?: number; readonly skip?: number },
    action: (process: SimProcess, label: StepLabel) => void,
  ): void {
    this.#hooks.push({ labels, process: options.process, skip: options.skip ?? 0, action });
  }

  /** A process passes a step. */
  pastStep(number: number, label: StepLabel): void {
    const hooks = this.#hooks.filter(({ labels, process }) => labels.includes(label) && (process ?? number) === number);
    for (const hook of hooks) {
      if (hook.skip-- > 0) continue;
      this.#hooks = this.#hooks.filter((each) => each !== hook);
      hook.action(this.processes[number]!, label);
    }
  }

  crash(number: number, options: { readonly restartAfterMs: number | null; readonly node: "same" | "new" }): void {
    this.#note("crash", number, options);
    const process = this.processes[number]!;
    process.status = "dead";
    if (options.restartAfterMs === null) return;
    this.after(options.restartAfterMs, () => {
      process.incarnation++;
      process.status = "running";
    });
  }

  pause(number: number, forMs: number): void {
    this.#note("pause", number, forMs);
  }

  stop(number: number, options: { readonly restartAfterMs: number; readonly node: "same" | "new" }): void {
    this.#note("stop", number, options);
    this.processes[number]!.status = "closing";
  }

  /** A call is struck at once, as if it were made now. */
  strike(fault: PlannedFault, strike: CallStrike): void {
    this.#note("strike", fault, strike);
    this.fire(fault, `${strike.fate} ${strike.calls.join()}`);
  }

  block(process: number | "all", direction: string, forMs: number): void {
    this.#note("block", process, direction, forMs);
  }

  clog(process: number | "all", forMs: number): void {
    this.#note("clog", process, forMs);
  }

  outage(forMs: number): void {
    this.#note("outage", forMs);
  }

  clockOf(process: number | "broker"): FaultyClock {
    return {
      jumpWall: (ms) => this.#note("jumpWall", process, ms),
      freezeWall: (isFrozen) => this.#note("freezeWall", process, isFrozen),
      drift: (rate) => this.#note("drift", process, rate),
      jumpMonotonic: (ms) => this.#note("jumpMonotonic", process, ms),
    };
  }

  strikeHandler(fault: PlannedFault, strike: { readonly process: number; readonly how: string }): void {
    this.#note("strikeHandler", fault, strike);
    this.fire(fault, strike.how);
  }

  #note(what: string, ...args: readonly unknown[]): void {
    this.asked.push({ what, args });
  }
}

/** A fault of a kind, at second 10, for a second. */
export function planned(kind: FaultKind, more: Partial<PlannedFault> = {}): PlannedFault {
  return { kind, atMs: 10_000, process: 0, durationMs: 1_000, draw: 1, ...more };
}
