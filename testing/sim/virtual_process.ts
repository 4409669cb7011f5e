import { resolveOptions, type TurbineOptions } from "../../lib/app/app_options.ts";
import type { RunningApp } from "../../lib/app/running_app.ts";
import { startApp } from "../../lib/app/start_app.ts";
import type { LogLevel, Observer, StepDetail, StepLabel } from "../../lib/seams/observer.ts";
import { randomId } from "../../lib/seams/random.ts";
import type { MemoryBroker } from "../memory_broker.ts";
import { Life, mortal } from "../mortal.ts";
import { SeededRandom } from "../seeded_random.ts";
import { changedAppOptions, withChangedOptions } from "./changed_options.ts";
import type { SeamCall, SimJob, SimOptions, SimProcess, StateCall } from "./contracts.ts";
import { type HandlerStrike, withHandlerStrikes } from "./handler_strikes.ts";
import type { SimNetwork } from "./network.ts";
import type { Scheduler } from "./scheduler.ts";
import { ProcessClock, SimClock } from "./sim_clock.ts";
import { DiskStateProvider } from "./stores/disk_state_provider.ts";
import type { SimBlobStore } from "./stores/sim_blob_store.ts";
import type { SimDisk } from "./stores/sim_disk.ts";
import { watchBroker } from "./watched_broker.ts";
import { watchState } from "./watched_state.ts";

/** What a process is told of its world, and tells it. */
export interface ProcessParts {
  /** What was drawn. */
  readonly options: SimOptions;
  /** Time. */
  readonly scheduler: Scheduler;
  /** The network. */
  readonly network: SimNetwork;
  /** The broker. */
  readonly broker: MemoryBroker;
  /** The object store. */
  readonly blobs: SimBlobStore;
  /** The job. */
  readonly job: Pick<SimJob, "createApp" | "appOptions" | "tune">;
  /** A disk for a new machine. */
  readonly newDisk: (name: string) => SimDisk;
  /** Told of a labelled step. */
  readonly step: (process: VirtualProcess, label: StepLabel, detail: StepDetail) => void;
  /** Told of a log line. */
  readonly log: (process: VirtualProcess, level: LogLevel, message: string, detail: StepDetail) => void;
  /** Told of calls of the broker seam. */
  readonly seam: (call: SeamCall) => void;
  /** Told of calls of local state stores. */
  readonly state: (call: StateCall) => void;
  /** Told of what becomes of the process. */
  readonly tell: (process: VirtualProcess, what: ProcessNews, error?: Error) => void;
}

/** What becomes of a process. */
export type ProcessNews = "crashed" | "paused" | "resumed" | "starting" | "started" | "closing" | "closed" | "failed";

/** One instance of the app on one machine, which can crash, stand still, and start again. */
export class VirtualProcess implements SimProcess {
  readonly number: number;
  /** The machine's clock. */
  readonly clock: SimClock;
  incarnation = 0;
  node = 0;
  disk: SimDisk;
  app: RunningApp | undefined;
  /** Misbehaviours of user code that wait for a batch. */
  readonly strikes: HandlerStrike[] = [];
  /** Counts pauses, so that only the last one's end lets the process go on. */
  pauses = 0;
  #life = new Life();
  #state: "starting" | "running" | "dead" | "closing" | "closed" = "dead";
  readonly #parts: ProcessParts;

  /**
   * @param number From 0.
   * @param parts The world.
   */
  constructor(number: number, parts: ProcessParts) {
    this.number = number;
    this.#parts = parts;
    this.clock = new SimClock(parts.scheduler, 1_000 * (number + 1));
    this.disk = parts.newDisk(`disk-${number}-0`);
    this.#life.end();
  }

  get status(): SimProcess["status"] {
    if (this.#life.isPaused && !this.#life.isDead) return "paused";
    return this.#state;
  }

  /** Whether it lives, standing still or not. */
  get isAlive(): boolean {
    return !this.#life.isDead;
  }

  /** Moves to a new machine, with an empty disk. Only while it is dead. */
  moveToNewNode(): void {
    this.node++;
    this.disk = this.#parts.newDisk(`disk-${this.number}-${this.node}`);
  }

  /** Starts the app. Resolves when the start is under way: building the app may take real turns of the event loop. */
  async start(): Promise<void> {
    const { options, scheduler, network, broker, blobs, job } = this.#parts;
    const life = new Life();
    this.#life = life;
    this.app = undefined;
    this.incarnation++;
    this.#state = "starting";
    this.#parts.tell(this, "starting");
    const clock = new ProcessClock(this.clock, scheduler, life);
    const random = new SeededRandom((BigInt(options.seed) << 20n) + BigInt(this.number * 4_096 + this.incarnation));
    const environment = { clock, random, observer: this.#observer(life) };
    const connection = broker.connect(environment, (server) => network.link({ process: this, life }, server));
    const { incarnation } = this;
    const watched = watchBroker(connection, (call) => {
      if (!life.isDead) this.#parts.seam({ ...call, process: this, incarnation });
    });
    const { isStateSynced, diskLatencyMs, journalBytesMax } = options;
    const stores = new DiskStateProvider(this.disk, {
      syncEveryApply: isStateSynced,
      ...(diskLatencyMs > 0 ? { beforeApply: () => clock.sleep(diskLatencyMs) } : {}),
    });
    const app = await job.createApp();
    const resolved = resolveOptions(app.name, {
      constructorOptions: {
        ...app.definition().options as TurbineOptions,
        ...job.appOptions,
        ...changedAppOptions(this),
      },
      run: {
        broker: watched,
        state: mortal(watchState(stores, (call) => this.#parts.state({ ...call, process: this, incarnation })), life),
        checkpoints: mortal(blobs.handle({ who: `process-${this.number}` }), life),
        ...(options.isStatic ? { instanceId: `instance-${this.number}` } : {}),
      },
    });
    const hooks = { clock, take: () => this.strikes.shift() };
    const subscriptions = app.subscriptions.map((spec) =>
      withHandlerStrikes(withChangedOptions(this, job.tune?.(spec) ?? spec), hooks)
    );
    const transactionInstance = options.isStatic ? {} : { transactionInstance: randomId(random) };
    // A run that was written down before this was drawn does not have it.
    const journal = typeof journalBytesMax === "number" ? { journalBytesMax } : {};
    startApp({ name: app.name, subscriptions, options: resolved, environment, ...transactionInstance, ...journal })
      .then(
        (running) => this.#started(running, life),
        (error) => this.#failed(error as Error, life),
      );
  }

  /** The process is gone. */
  crash(): void {
    if (this.#life.isDead) return;
    this.#end("dead");
    this.#parts.tell(this, "crashed");
  }

  /** The process stands still. */
  pause(): void {
    if (this.#life.isDead || this.#life.isPaused) return;
    this.#life.pause();
    this.#parts.tell(this, "paused");
  }

  /** The process goes on. */
  resume(): void {
    if (this.#life.isDead || !this.#life.isPaused) return;
    this.#parts.tell(this, "resumed");
    this.#life.resume();
  }

  /** Closes the app in good order; `closed` is told when it is done. */
  close(): void {
    const { app } = this;
    if (app === undefined || this.#state !== "running" || this.#life.isDead) return;
    const life = this.#life;
    this.#state = "closing";
    this.#parts.tell(this, "closing");
    app.close().then(() => {
      if (life.isDead) return;
      this.#end("closed");
      this.#parts.tell(this, "closed");
    }, (error) => this.#failed(error as Error, life));
  }

  #end(state: "dead" | "closed"): void {
    this.#state = state;
    this.strikes.length = 0;
    this.#life.end();
  }

  #started(running: RunningApp, life: Life): void {
    if (life.isDead) return;
    this.app = running;
    this.#state = "running";
    this.#parts.tell(this, "started");
    running.ended.then(() => {
      if (running.failure !== undefined && this.#state === "running") this.#failed(running.failure, life);
    });
  }

  /** The app has given up by itself: the process exits. */
  #failed(error: Error, life: Life): void {
    if (life.isDead) return;
    this.#parts.tell(this, "failed", error);
    this.#end("dead");
  }

  #observer(life: Life): Observer {
    return {
      step: (label, detail = {}) => {
        if (!life.isDead) this.#parts.step(this, label, detail);
      },
      log: (level, message, detail = {}) => {
        if (!life.isDead) this.#parts.log(this, level, message, detail);
      },
    };
  }
}
