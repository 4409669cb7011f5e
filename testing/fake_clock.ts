import type { Clock } from "../lib/seams/clock.ts";
import { setImmediate } from "node:timers";

/** Options of {@linkcode FakeClock}. */
export interface FakeClockOptions {
  /** Wall time at the start, in epoch milliseconds. @default {Date.UTC(2026, 0, 1)} */
  wallMs?: number;
  /** Monotonic time at the start, in milliseconds. @default {0} */
  monotonicMs?: number;
}

interface Sleeper {
  readonly wakeMs: number;
  readonly sequence: number;
  wake(): void;
}

/**
 * A clock that stands still until a test moves it. Sleepers wake in the order of their times, those of the same time in
 * the order in which they fell asleep, and each one's consequences settle before the next one wakes.
 *
 * @example Time passes only when asked
 * ```ts
 * import { FakeClock } from "@turbine/turbine/testing";
 *
 * const clock = new FakeClock();
 * let isAwake = false;
 * clock.sleep(1_000).then(() => isAwake = true);
 * await clock.advance(999);
 * if (isAwake) throw new Error("woke too early");
 * await clock.advance(1);
 * if (!isAwake) throw new Error("did not wake");
 * ```
 */
export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs: number;
  #sequence = 0;
  #sleepers: Sleeper[] = [];

  /**
   * A clock that stands still.
   *
   * @param options Where the two clocks start.
   */
  constructor(options: FakeClockOptions = {}) {
    this.#wallMs = options.wallMs ?? Date.UTC(2026, 0, 1);
    this.#monotonicMs = options.monotonicMs ?? 0;
  }

  /** Wall time in epoch milliseconds. */
  wallMs(): number {
    return this.#wallMs;
  }

  /** Monotonic time in milliseconds. */
  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** How many sleeps are under way. */
  get sleeperCount(): number {
    return this.#sleepers.length;
  }

  /** Monotonic time at which the next sleeper wakes, or `undefined` when nobody sleeps. */
  get nextWakeMs(): number | undefined {
    return this.#sleepers[0]?.wakeMs;
  }

  /**
   * Resolves when the clock was advanced by `ms`, or at once when `signal` aborts. A sleep of 0 also waits for the next
   * {@linkcode FakeClock.advance}, so that a loop of sleeps cannot run without one.
   *
   * @param ms How long, in milliseconds.
   * @param signal Ends the sleep early.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const leave = () => {
        const at = this.#sleepers.indexOf(sleeper);
        if (at >= 0) this.#sleepers.splice(at, 1);
        resolve();
      };
      const sleeper: Sleeper = {
        wakeMs: this.#monotonicMs + Math.max(0, ms),
        sequence: this.#sequence++,
        wake: () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        },
      };
      this.#insert(sleeper);
      signal?.addEventListener("abort", leave, { once: true });
    });
  }

  /**
   * Moves both clocks forward. Sleepers that come due wake one by one at their own time; what they cause settles (all
   * microtasks run) before time goes on, so a sleeper that sleeps again within the span wakes again.
   *
   * @param ms How far, in milliseconds; 0 lets only what is due now run.
   * @throws {RangeError} when `ms` is negative or not a number.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`Cannot advance clock as 'ms' must be a number >= 0: current value is ${ms}`);
    const endMs = this.#monotonicMs + ms;
    await settle();
    for (;;) {
      const next = this.#sleepers[0];
      if (next === undefined || next.wakeMs > endMs) break;
      this.#sleepers.shift();
      this.#moveTo(next.wakeMs);
      next.wake();
      await settle();
    }
    this.#moveTo(endMs);
  }

  /**
   * Steps the wall clock alone, as a time server or an operator would.
   *
   * @param ms How far, in milliseconds; negative steps back.
   */
  jumpWall(ms: number): void {
    this.#wallMs += ms;
  }

  #moveTo(monotonicMs: number): void {
    const elapsedMs = monotonicMs - this.#monotonicMs;
    if (elapsedMs <= 0) return;
    this.#monotonicMs = monotonicMs;
    this.#wallMs += elapsedMs;
  }

  #insert(sleeper: Sleeper): void {
    let at = this.#sleepers.length;
    while (at > 0 && this.#sleepers[at - 1]!.wakeMs > sleeper.wakeMs) at--;
    this.#sleepers.splice(at, 0, sleeper);
  }
}

/** One turn of the event loop: all microtasks that are queued now, and those that they queue, have run. */
function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
