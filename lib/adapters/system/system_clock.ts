import { performance } from "node:perf_hooks";
import { clearTimeout, setTimeout } from "node:timers";
import type { Clock } from "../../seams/clock.ts";

/** Timers take at most a signed 32-bit number of milliseconds; longer sleeps are cut into pieces. */
const TIMER_MS_MAX = 0x7fff_ffff;

/**
 * The clock of the machine. Timers of sleeps do not hold the process: when nothing but sleeps is left, it ends. Whoever
 * must stay alive holds the process by something else (a socket, `holdProcess()`).
 */
export class SystemClock implements Clock {
  /** Wall time in epoch milliseconds. */
  wallMs(): number {
    return Date.now();
  }

  /** Monotonic time in milliseconds since the process began. */
  monotonicMs(): number {
    return performance.now();
  }

  /**
   * Resolves after at least `ms` milliseconds of monotonic time, or at once when `signal` aborts.
   *
   * @param ms How long, in milliseconds; `Infinity` sleeps until `signal` aborts.
   * @param signal Ends the sleep early.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    const wakeMs = performance.now() + (ms > 0 ? ms : 0);
    return new Promise((resolve) => {
      let timer: ReturnType<typeof setTimeout>;
      const arm = (leftMs: number) => {
        timer = setTimeout(check, Math.min(Math.ceil(leftMs), TIMER_MS_MAX));
        timer.unref();
      };
      // A timer may fire a fraction of a millisecond early: the rest is slept too.
      const check = () => {
        const leftMs = wakeMs - performance.now();
        if (leftMs > 0) return arm(leftMs);
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      const abort = () => {
        clearTimeout(timer);
        resolve();
      };
      arm(wakeMs - performance.now());
      signal?.addEventListener("abort", abort, { once: true });
    });
  }
}
