import type { StepDetail, StepLabel } from "../../lib/seams/observer.ts";
import { MemoryBroker } from "../memory_broker.ts";
import { Life } from "../mortal.ts";
import { SeededRandom } from "../seeded_random.ts";
import type {
  Checker,
  FiredFault,
  InvariantId,
  RunView,
  SeamCall,
  SimJob,
  SimOptions,
  SimProcess,
  StateCall,
} from "./contracts.ts";
import type { CallStrike, FaultWorld, FaultyClock, HandlerFault } from "./fault_world.ts";
import type { PlannedFault } from "./fault_kinds.ts";
import { SimNetwork } from "./network.ts";
import { Scheduler } from "./scheduler.ts";
import { ProcessClock, SimClock } from "./sim_clock.ts";
import { StepHooks } from "./step_hooks.ts";
import { formatDetail, type Trace } from "./trace.ts";
import { SimBlobStore } from "./stores/sim_blob_store.ts";
import { SimDisk } from "./stores/sim_disk.ts";
import { type ProcessNews, VirtualProcess } from "./virtual_process.ts";
import { Watchers } from "./watchers.ts";

/** An invariant that did not hold. */
export interface Violation {
  /** Which one. */
  readonly invariant: InvariantId;
  /** What was expected, what was found, and where. */
  readonly message: string;
  /** Event at which it was found. */
  readonly step: number;
  /** Simulated time. */
  readonly atMs: number;
}

/** What a world is made of. */
export interface WorldParts {
  /** What was drawn. */
  readonly options: SimOptions;
  /** The job. */
  readonly job: SimJob;
  /** Its consumer groups. */
  readonly groupIds: readonly string[];
  /** Topics that it reads. */
  readonly inputTopics: readonly string[];
  /** Where lines go. */
  readonly trace: Trace;
}

/** Streams of randomness, each for one purpose, so that a draw more of one does not change the others. */
const STREAMS = { ties: 1, network: 2, faults: 3, broker: 4, feeder: 5, crash: 6 } as const;

/** A process that ended by itself is started again after about so long. */
const RESTART_MS = 1_500;
/** How often somebody looks whether a process still does its work. */
const SUPERVISE_MS = 1_000;

/** Everything that a run takes place in: processes, broker, network, stores and clocks, and what goes wrong with them. */
export class SimWorld implements FaultWorld {
  readonly options: SimOptions;
  readonly job: SimJob;
  readonly groupIds: readonly string[];
  readonly inputTopics: readonly string[];
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly broker: MemoryBroker;
  readonly blobs: SimBlobStore;
  readonly processes: readonly VirtualProcess[];
  readonly faultRandom: SeededRandom;
  readonly trace: Trace;
  readonly fired: FiredFault[] = [];
  readonly excused = new Map<string, string>();
  readonly beforeColdRestart: (() => void)[] = [];
  /** Coverage marks with how often they were seen. */
  readonly marks = new Map<string, number>();
  /** The first violation. */
  violation: Violation | undefined;
  /** Where the run is. */
  phase: RunView["phase"] = "warm-up";
  /** Starts that are under way: awaited before anything else happens. */
  readonly starting = new Set<Promise<void>>();
  readonly #brokerClock: SimClock;
  readonly #crashRandom: SeededRandom;
  #watchers = new Watchers([]);
  readonly #hooks = new StepHooks();
  #isHealed = false;

  /** @param parts Job, options and trace. */
  constructor(parts: WorldParts) {
    const { options, job, trace } = parts;
    this.options = options;
    this.job = job;
    this.groupIds = parts.groupIds;
    this.inputTopics = parts.inputTopics;
    this.trace = trace;
    const stream = (of: keyof typeof STREAMS) => new SeededRandom((BigInt(options.seed) << 8n) + BigInt(STREAMS[of]));
    this.scheduler = new Scheduler(stream("ties"));
    this.faultRandom = stream("faults");
    this.#crashRandom = stream("crash");
    this.#brokerClock = new SimClock(this.scheduler, 500);
    const brokerClock = new ProcessClock(this.#brokerClock, this.scheduler, new Life());
    const observer = { step: () => {}, log: () => {} };
    this.broker = new MemoryBroker({
      environment: { clock: brokerClock, random: stream("broker"), observer },
      transactionVersion: options.transactionVersion,
      requestTimeoutMs: options.requestTimeoutMs,
    });
    this.network = new SimNetwork({
      scheduler: this.scheduler,
      random: stream("network"),
      latencyMs: options.latencyMs,
      requestTimeoutMs: options.requestTimeoutMs,
      tell: (event) => {
        for (const checker of this.#watchers.call) checker.call(event);
      },
      fire: (fault, what) => this.fire(fault, what),
    });
    const clock = { nowMs: () => this.scheduler.nowMs, sleep: (ms: number) => this.sleep(ms) };
    this.blobs = new SimBlobStore(clock);
    this.blobs.onFired(({ fault, what }) => this.fire(fault, what));
    this.processes = Array.from({ length: options.processes }, (_, number) => this.#newProcess(number));
    this.broker.cluster.onChange((change) => {
      for (const checker of this.#watchers.change) checker.change(change);
    });
  }

  get nowMs(): number {
    return this.scheduler.nowMs;
  }

  get steps(): number {
    return this.scheduler.steps;
  }

  /** Who watches from now on. */
  watch(checkers: readonly Checker[]): void {
    this.#watchers = new Watchers(checkers);
  }

  /** Calls all checkers. */
  check(when: "afterEvent" | "quiet" | "end"): void {
    const watchers: readonly Checker[] = this.#watchers[when];
    for (const checker of watchers) checker[when]!();
  }

  /** Resolves after so much simulated time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.scheduler.after(ms, "sleep", resolve));
  }

  after(ms: number, run: () => void): void {
    this.scheduler.after(ms, "world", run);
  }

  mark(name: string): void {
    this.marks.set(name, (this.marks.get(name) ?? 0) + 1);
  }

  violate(invariant: InvariantId, message: string): void {
    if (this.violation !== undefined) return;
    this.violation = { invariant, message, step: this.steps, atMs: this.nowMs };
    this.note(`VIOLATION ${invariant} ${message}`);
  }

  /** A line of the trace. */
  note(text: string): void {
    this.trace.addAt(this.nowMs, text);
  }

  fire(fault: PlannedFault, what: string): void {
    const fired = { fault, atMs: this.nowMs, what };
    this.fired.push(fired);
    this.note(`FAULT ${fault.kind} ${what}`);
    for (const checker of this.#watchers.fault) checker.fault(fired);
  }

  excuse(topic: string, partition: number, reason: string): void {
    const place = `${topic}:${partition}`;
    if (this.excused.has(place)) return;
    this.excused.set(place, reason);
    this.note(`EXCUSED ${place} ${reason}`);
  }

  /** Starts a process, if it does not run. */
  start(number: number): void {
    const process = this.#process(number);
    if (process.isAlive) return;
    const started = process.start().finally(() => this.starting.delete(started));
    this.starting.add(started);
  }

  crash(number: number, options: { readonly restartAfterMs: number | null; readonly node: "same" | "new" }): void {
    const process = this.#process(number);
    if (!process.isAlive) return;
    process.crash();
    const draw = this.#crashRandom.uint32();
    process.disk = process.disk.crash(draw, { of: draw % 2 === 0 ? "process" : "machine" });
    if (options.node === "new") process.moveToNewNode();
    if (options.restartAfterMs !== null) this.after(options.restartAfterMs, () => this.start(number));
  }

  pause(number: number, forMs: number): void {
    const process = this.#process(number);
    process.pause();
    const mine = ++process.pauses;
    this.after(forMs, () => {
      if (process.pauses === mine) process.resume();
    });
  }

  stop(number: number, options: { readonly restartAfterMs: number; readonly node: "same" | "new" }): void {
    const process = this.#process(number);
    if (process.status !== "running") return;
    process.close();
    const again = (): void => {
      if (process.status === "closing" || process.status === "paused") return this.after(100, again);
      if (process.status === "closed" && options.node === "new") process.moveToNewNode();
      this.after(options.restartAfterMs, () => this.start(number));
    };
    this.after(100, again);
  }

  whenStep(
    labels: readonly StepLabel[],
    options: { readonly process?: number; readonly skip?: number },
    action: (process: SimProcess, label: StepLabel) => void,
  ): void {
    const { process, skip = 0 } = options;
    const number = process === undefined ? undefined : this.#process(process).number;
    this.#hooks.add({ labels, process: number, skip, action });
  }

  strike(fault: PlannedFault, strike: CallStrike): void {
    const { process } = strike;
    this.network.strike(
      fault,
      process === undefined ? strike : { ...strike, process: this.#process(process).number },
    );
  }

  block(process: number | "all", direction: "to-broker" | "from-broker" | "both", forMs: number): void {
    this.network.block(process === "all" ? process : this.#process(process).number, direction, forMs);
  }

  clog(process: number | "all", forMs: number): void {
    this.network.clog(process === "all" ? process : this.#process(process).number, forMs);
  }

  outage(forMs: number): void {
    this.network.outage(forMs);
  }

  clockOf(process: number | "broker"): FaultyClock {
    return process === "broker" ? this.#brokerClock : this.#process(process).clock;
  }

  strikeHandler(
    fault: PlannedFault,
    strike: { readonly process: number; readonly how: HandlerFault; readonly ms?: number },
  ): void {
    const { how, ms = 0 } = strike;
    const process = this.#process(strike.process);
    const struck = () => {
      this.fire(fault, `handler of process ${process.number}: ${how}`);
      if (how !== "hang") return;
      // Nobody but an operator helps against a handler that never returns.
      const { incarnation } = process;
      this.after(10_000, () => {
        if (process.incarnation === incarnation) {
          this.crash(process.number, { restartAfterMs: RESTART_MS, node: "same" });
        }
      });
    };
    process.strikes.push({ how, ms, struck });
  }

  /** Nothing goes wrong any more; what stands still or is dead comes back. */
  heal(): void {
    this.#isHealed = true;
    this.#hooks.clear();
    this.network.heal();
    this.blobs.heal();
    this.broker.faults.clear();
    this.broker.holdMarkers(false);
    this.#brokerClock.freezeWall(false);
    for (const process of this.processes) {
      process.clock.drift(1);
      process.clock.freezeWall(false);
      process.disk.heal();
      process.strikes.length = 0;
      process.resume();
      this.start(process.number);
    }
  }

  /** Looks after the processes: one that has given up work is started again, as an orchestrator would. */
  supervise(): void {
    this.after(SUPERVISE_MS, () => {
      for (const process of this.processes) {
        const hasFailedTasks = process.status === "running" &&
          process.app!.status().some(({ failures }) => failures.size > 0);
        if (hasFailedTasks) this.stop(process.number, { restartAfterMs: RESTART_MS, node: "same" });
      }
      this.supervise();
    });
  }

  /** Whether everything that was fed has been committed, and no transaction is open. */
  get isCaughtUp(): boolean {
    const { state } = this.broker.cluster;
    for (const { status } of state.transactions.values()) {
      if (status === "Ongoing" || status.startsWith("Prepare")) return false;
    }
    for (const groupId of this.groupIds) {
      const committed = new Map(
        this.broker.committedOffsets(groupId).map((each) => [`${each.topic}:${each.partition}`, each.offset]),
      );
      for (const topic of this.inputTopics) {
        if (!groupId.endsWith(`.${topic}`) && this.groupIds.length > 1) continue;
        for (const [partition, log] of state.topics.get(topic)?.logs.entries() ?? []) {
          const place = `${topic}:${partition}`;
          if (!this.excused.has(place) && (committed.get(place) ?? 0) < log.lastStableOffset) return false;
        }
      }
    }
    return true;
  }

  #process(number: number): VirtualProcess {
    return this.processes[number % this.processes.length]!;
  }

  #newProcess(number: number): VirtualProcess {
    const { options, scheduler, network, broker, blobs, job } = this;
    const clock = { nowMs: () => scheduler.nowMs };
    return new VirtualProcess(number, {
      options,
      scheduler,
      network,
      broker,
      blobs,
      job,
      newDisk: (name) => {
        const disk = new SimDisk(clock, { root: name });
        disk.onFired(({ fault, what }) => this.fire(fault, what));
        return disk;
      },
      step: (process, label, detail) => this.#stepped(process, label, detail),
      log: (process, level, message, detail) => {
        this.note(`${process.number}.${process.incarnation} ${level} ${message}`);
        for (const checker of this.#watchers.log) checker.log(process, level, message, detail);
      },
      seam: (call: SeamCall) => {
        for (const checker of this.#watchers.seam) checker.seam(call);
      },
      state: (call: StateCall) => {
        for (const checker of this.#watchers.state) checker.state(call);
      },
      tell: (process, what, error) => this.#told(process, what, error),
    });
  }

  #stepped(process: VirtualProcess, label: StepLabel, detail: StepDetail): void {
    this.note(`${process.number}.${process.incarnation} ${label}${formatDetail(detail)}`);
    for (const checker of this.#watchers.step) checker.step(process, label, detail);
    this.#hooks.stepped(process, label);
  }

  #told(process: VirtualProcess, what: ProcessNews, error?: Error): void {
    const reason = error === undefined ? "" : ` ${error.name}: ${error.message}`;
    this.note(`${process.number}.${process.incarnation} process ${what}${reason}`);
    for (const checker of this.#watchers.process) checker.process(process, what, error);
    if (what !== "failed" && what !== "closed") return;
    // The process has ended, the machine has not. At once, as somebody else may start it before we do.
    process.disk = process.disk.crash(this.#crashRandom.uint32(), { of: "process" });
    if (what === "failed") this.after(RESTART_MS, () => this.start(process.number));
  }

  /** Whether faults may still strike. */
  get isHealed(): boolean {
    return this.#isHealed;
  }
}
