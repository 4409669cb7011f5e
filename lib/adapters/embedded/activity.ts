import type { ActivitySource } from "./server_link.ts";

/** Wakes those who wait for anything to happen in a cluster. Bursts of activity wake once. */
export class Activity implements ActivitySource {
  #count = 0;
  #isScheduled = false;
  #waiters = new Set<() => void>();

  /** How much happened so far: read it before looking, and hand it to {@linkcode Activity.wait} after. */
  get count(): number {
    return this.#count;
  }

  /** Something happened. */
  notify(): void {
    this.#count++;
    if (this.#isScheduled || this.#waiters.size === 0) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      const waiters = this.#waiters;
      this.#waiters = new Set();
      for (const wake of waiters) wake();
    });
  }

  /**
   * Resolves when something happened since `seen`, or when `signal` aborts.
   *
   * @param seen The count before the caller looked.
   * @param signal Ends the wait.
   */
  wait(seen: number, signal: AbortSignal): Promise<void> {
    if (seen !== this.#count || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiters.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
