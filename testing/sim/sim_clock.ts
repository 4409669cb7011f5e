import type { Life } from "../mortal.ts";
import type { Clock } from "../../lib/seams/clock.ts";
import type { FaultyClock } from "./fault_world.ts";
import type { ScheduledEvent, Scheduler } from "./scheduler.ts";

/** Wall time at the start of every run: 2030-01-01T00:00:00Z. */
export const EPOCH_MS = 1_893_456_000_000;

/** How often one process may ask for the time within one event: more is a loop that waits for nothing. */
const READS_MAX = 100_000;

/** The machine's clock as its processes see it: it may drift, jump, and disagree with everybody else's about the date. */
export class SimClock implements FaultyClock {
  readonly #scheduler: Scheduler;
  #anchorMs = 0;
  #monotonicAtAnchorMs: number;
  #rate = 1;
  #wallOffsetMs: number;
  #frozenWallMs: number | undefined;
  #jumps = new Set<(ms: number) => void>();

  /**
   * @param scheduler Time of the world.
   * @param startMs Monotonic time at the start: machines do not agree about it.
   */
  constructor(scheduler: Scheduler, startMs: number) {
    this.#scheduler = scheduler;
    this.#monotonicAtAnchorMs = startMs;
    this.#wallOffsetMs = EPOCH_MS - startMs;
  }

  /** Wall time in epoch milliseconds. */
  wallMs(): number {
    return this.#frozenWallMs ?? Math.floor(this.monotonicMs() + this.#wallOffsetMs);
  }

  /** Monotonic time in milliseconds. */
  monotonicMs(): number {
    return this.#monotonicAtAnchorMs + (this.#scheduler.nowMs - this.#anchorMs) * this.#rate;
  }

  /** How long `ms` of this clock are for the world. */
  toWorldMs(ms: number): number {
    return ms / this.#rate;
  }

  /** Calls back when monotonic time jumps. Returns how to stop it. */
  onJump(listener: (ms: number) => void): () => void {
    this.#jumps.add(listener);
    return () => void this.#jumps.delete(listener);
  }

  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms;
    if (this.#frozenWallMs !== undefined) this.#frozenWallMs += ms;
  }

  freezeWall(isFrozen: boolean): void {
    this.#frozenWallMs = isFrozen ? this.wallMs() : undefined;
  }

  drift(rate: number): void {
    this.#monotonicAtAnchorMs = this.monotonicMs();
    this.#anchorMs = this.#scheduler.nowMs;
    this.#rate = rate;
  }

  jumpMonotonic(ms: number): void {
    this.#monotonicAtAnchorMs += ms;
    for (const listener of [...this.#jumps]) listener(ms);
  }
}

interface Sleeper {
  event: ScheduledEvent;
  wakeMs: number;
  readonly wake: () => void;
}

/** What one process has of its machine's clock: sleeps end with the process, and wait while it stands still. */
export class ProcessClock implements Clock {
  readonly #machine: SimClock;
  readonly #scheduler: Scheduler;
  readonly #life: Life;
  readonly #sleepers = new Set<Sleeper>();
  #step = 0;
  #reads = 0;

  /**
   * @param machine The machine's clock.
   * @param scheduler Time of the world.
   * @param life The process.
   */
  constructor(machine: SimClock, scheduler: Scheduler, life: Life) {
    this.#machine = machine;
    this.#scheduler = scheduler;
    this.#life = life;
    const stop = machine.onJump(() => this.#jumped());
    life.onDeath(() => {
      stop();
      for (const { event } of this.#sleepers) scheduler.cancel(event);
      this.#sleepers.clear();
    });
  }

  /** Wall time in epoch milliseconds. */
  wallMs(): number {
    return this.#machine.wallMs();
  }

  /**
   * Monotonic time in milliseconds.
   *
   * @throws {Error} when somebody asks without end while no time passes: the run would never end.
   */
  monotonicMs(): number {
    const nowMs = this.#machine.monotonicMs();
    const { steps } = this.#scheduler;
    if (steps !== this.#step) {
      this.#step = steps;
      this.#reads = 0;
    }
    if (++this.#reads > READS_MAX) {
      throw new Error(`Somebody goes round in circles at ${nowMs} ms and waits for nothing`);
    }
    return nowMs;
  }

  /** Sleeps of the process that have not ended. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  /**
   * Resolves after `ms` of this clock, or at once when `signal` aborts.
   *
   * @param ms How long.
   * @param signal Ends it early.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    if (this.#life.isDead) return new Promise(() => {});
    return new Promise((resolve) => {
      const finish = () => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener("abort", leave);
        if (this.#life.isPaused) void this.#life.running().then(() => void (this.#life.isDead || resolve()));
        else resolve();
      };
      const leave = () => {
        this.#scheduler.cancel(sleeper.event);
        finish();
      };
      const sleeper: Sleeper = {
        event: this.#scheduler.after(this.#machine.toWorldMs(ms), "wake", finish),
        wakeMs: this.monotonicMs() + ms,
        wake: finish,
      };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", leave, { once: true });
    });
  }

  /** What came due in the jump wakes now, the rest sooner. */
  #jumped(): void {
    for (const sleeper of this.#sleepers) {
      this.#scheduler.cancel(sleeper.event);
      const leftMs = this.#machine.toWorldMs(sleeper.wakeMs - this.monotonicMs());
      sleeper.event = this.#scheduler.after(leftMs, "wake", sleeper.wake);
    }
  }
}
