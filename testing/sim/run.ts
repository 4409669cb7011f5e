import { groupIdOf } from "../../lib/runtime/subscription_spec.ts";
import { SeededRandom } from "../seeded_random.ts";
import type { Checker, RunView, SimJob, SimOptions } from "./contracts.ts";
import { Feeder } from "./feeder.ts";
import { operatorOnCall } from "./faults/on_call.ts";
import type { FaultKind, PlannedFault } from "./fault_kinds.ts";
import type { FaultWorld } from "./fault_world.ts";
import { installGuard } from "./guard.ts";
import { settleTurn } from "./scheduler.ts";
import { Trace } from "./trace.ts";
import { SimWorld, type Violation } from "./world.ts";

/** What a run is made of. */
export interface RunSetup {
  /** What was drawn. */
  readonly options: SimOptions;
  /** The job. */
  readonly job: SimJob;
  /** What goes wrong, sorted by time. */
  readonly plan: readonly PlannedFault[];
  /** Lets a fault happen. */
  readonly inject: (world: FaultWorld, fault: PlannedFault) => void;
  /** Who watches. */
  readonly checkers: (view: RunView) => readonly Checker[];
  /** Ends the run at this event. @default {Infinity} */
  readonly untilStep?: number;
  /** Gets every line of the trace. @default nobody */
  readonly print?: (line: string) => void;
  /** Whether the real world's clocks and randomness throw meanwhile. @default {true} */
  readonly isGuarded?: boolean;
  /** Called with the world before anything happens. @default {nothing} */
  readonly prepare?: (world: SimWorld) => void;
}

/** What became of a run. */
export interface RunResult {
  /** What was drawn. */
  readonly options: SimOptions;
  /** What did not hold, if anything. */
  readonly violation: Violation | undefined;
  /** Events. */
  readonly steps: number;
  /** Simulated time. */
  readonly simulatedMs: number;
  /** Lines of the trace. */
  readonly traceLines: number;
  /** Hash over all lines of the trace. */
  readonly traceHash: string;
  /** The last lines. */
  readonly traceTail: readonly string[];
  /** How often each fault has struck. */
  readonly fired: Readonly<Partial<Record<FaultKind, number>>>;
  /** How often each mark was seen. */
  readonly marks: Readonly<Record<string, number>>;
}

/** How long everybody may take to process what is left once nothing goes wrong any more, beside the broker's timeouts. */
const QUIET_MS = 60_000;
/** Events that may happen, however little time has passed, and events for each millisecond after that: more are a loop. */
const STEPS_FREE = 200_000;
const STEPS_PER_MS = 20;

/**
 * Runs a job in a simulated world: warm-up, faults, healing, then a cold restart from checkpoints alone. The same setup
 * gives the same run, to the letter.
 *
 * @param setup Job, options, faults and checkers.
 */
export async function runSimulation(setup: RunSetup): Promise<RunResult> {
  const { options, job } = setup;
  const trace = new Trace(setup.print);
  const app = await job.createApp();
  const world = new SimWorld({
    options,
    job,
    groupIds: app.subscriptions.map(groupIdOf),
    inputTopics: app.subscriptions.map(({ input }) => input.name),
    trace,
  });
  const onRejection = (event: PromiseRejectionEvent): void => {
    event.preventDefault();
    const { reason } = event;
    world.violate("I-31", `a rejection was not handled: ${reason?.stack ?? reason}`);
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  const removeGuard = setup.isGuarded === false
    ? () => {}
    : installGuard((error) => world.violate("I-32", error.message));
  try {
    await new Run(setup, world).play();
  } finally {
    // Rejections of the last events are told at a turn, be the run cut short or not.
    await settleTurn();
    removeGuard();
    globalThis.removeEventListener("unhandledrejection", onRejection);
  }
  world.note(`end after ${world.steps} events, next draw ${world.faultRandom.uint32()}`);
  const fired: Partial<Record<FaultKind, number>> = {};
  for (const { fault } of world.fired) fired[fault.kind] = (fired[fault.kind] ?? 0) + 1;
  return {
    options,
    violation: world.violation,
    steps: world.steps,
    simulatedMs: world.nowMs,
    traceLines: trace.count,
    traceHash: trace.hash,
    traceTail: trace.tail(),
    fired,
    marks: Object.fromEntries([...world.marks].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

class Run {
  readonly #setup: RunSetup;
  readonly #world: SimWorld;
  readonly #feeder: Feeder;

  constructor(setup: RunSetup, world: SimWorld) {
    this.#setup = setup;
    this.#world = world;
    this.#feeder = new Feeder(world, new SeededRandom((BigInt(setup.options.seed) << 8n) + 255n));
  }

  async play(): Promise<void> {
    const { options, job, plan, checkers, prepare } = this.#setup;
    const world = this.#world;
    world.watch([...checkers(world), operatorOnCall(world)]);
    prepare?.(world);
    for (const [topic, partitions] of Object.entries(job.topics)) world.broker.createTopic(topic, partitions);
    for (const { number } of world.processes) world.after(50 * number, () => world.start(number));
    world.supervise();
    const endMs = options.warmUpMs + options.safetyMs;
    this.#feeder.run(endMs);
    world.after(options.warmUpMs, () => {
      if (world.phase === "warm-up") world.phase = "safety";
    });
    for (const fault of plan) {
      world.after(fault.atMs, () => {
        if (!world.isHealed) this.#strike(fault);
      });
    }
    if (!await this.#advance(endMs)) return;
    world.heal();
    world.note("healed");
    world.phase = "liveness";
    if (!await this.#catchUp("after all faults were healed")) return;
    world.check("quiet");
    if (world.violation !== undefined) return;
    await this.#coldRestart();
  }

  /** A fault that cannot strike is a mistake of ours, not the end of all other runs. */
  #strike(fault: PlannedFault): void {
    try {
      this.#setup.inject(this.#world, fault);
    } catch (error) {
      this.#world.violate("I-31", `${fault.kind} could not strike: ${(error as Error).message}`);
    }
  }

  async #coldRestart(): Promise<void> {
    const world = this.#world;
    world.phase = "cold-restart";
    world.note("cold restart");
    for (const strike of world.beforeColdRestart) strike();
    for (const { number } of world.processes) world.crash(number, { restartAfterMs: 10, node: "new" });
    if (!await this.#catchUp("after a cold restart")) return;
    this.#feeder.feed(world.job.workload.probe?.() ?? []);
    if (!await this.#catchUp("after the probe")) return;
    world.phase = "end";
    world.check("end");
  }

  /** Lets time pass until nothing is left to do (I-24). */
  async #catchUp(when: string): Promise<boolean> {
    const world = this.#world;
    const { failoverGraceMs, commitIntervalMs } = this.#setup.options;
    const transactionTimeoutMs = Math.max(60_000, 2 * commitIntervalMs, failoverGraceMs);
    const endMs = world.nowMs + failoverGraceMs + transactionTimeoutMs + QUIET_MS;
    // Twice in a row, so that what is about to begin is not overlooked.
    for (let seen = 0; seen < 2;) {
      if (world.nowMs >= endMs) {
        world.violate("I-24", `${when}, the input is not processed after ${endMs} ms: ${this.#whatIsLeft()}`);
        return false;
      }
      if (!await this.#advance(Math.min(endMs, world.nowMs + 500))) return false;
      const isUp = world.processes.every(({ status }) => status === "running");
      seen = isUp && this.#feeder.isDone && world.isCaughtUp ? seen + 1 : 0;
    }
    return true;
  }

  #whatIsLeft(): string {
    const { broker, inputTopics, groupIds, processes } = this.#world;
    const left: string[] = processes.map(({ number, status }) => `process ${number} is ${status}`);
    for (const groupId of groupIds) {
      const committed = broker.committedOffsets(groupId).map(({ topic, partition, offset }) =>
        `${topic}:${partition}=${offset}`
      );
      left.push(`group ${groupId} committed ${committed.join(" ")}`);
    }
    for (const topic of inputTopics) {
      const ends = broker.cluster.state.topics.get(topic)?.logs.map((log) =>
        `${log.logStart}..${log.lastStableOffset}`
      );
      left.push(`topic ${topic} holds ${ends?.join(" ")}`);
    }
    for (const [id, { status }] of broker.cluster.state.transactions) left.push(`transaction ${id} is ${status}`);
    return left.join("; ");
  }

  /** Lets events happen up to a time. Returns whether the run goes on. */
  async #advance(untilMs: number): Promise<boolean> {
    const world = this.#world;
    const { scheduler } = world;
    const { untilStep = Infinity } = this.#setup;
    const isCircling = (): boolean => scheduler.steps > STEPS_FREE + STEPS_PER_MS * scheduler.nowMs;
    const goesOn = (): boolean => {
      world.check("afterEvent");
      const isOver = world.violation !== undefined || scheduler.steps >= untilStep;
      return !isOver && !isCircling() && world.starting.size === 0;
    };
    for (;;) {
      while (world.starting.size > 0) await Promise.all(world.starting);
      if (await scheduler.run(untilMs, goesOn)) {
        await settleTurn();
        return world.violation === undefined;
      }
      if (world.violation !== undefined || scheduler.steps >= untilStep) return false;
      if (isCircling()) {
        await this.#tellCircle();
        return false;
      }
    }
  }

  async #tellCircle(): Promise<void> {
    const world = this.#world;
    const { scheduler } = world;
    const { steps, nowMs } = scheduler;
    const labels: string[] = [];
    for (let event = scheduler.next(Infinity); event !== undefined && labels.length < 12;) {
      labels.push(event.label);
      await scheduler.settle();
      event = scheduler.next(Infinity);
    }
    const circle = `somebody goes round in circles: ${steps} events by ${nowMs} ms`;
    world.violate("I-24", `${circle}, such as ${labels.join(", ")}`);
  }
}
