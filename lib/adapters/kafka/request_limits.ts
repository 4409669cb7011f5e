import type { Clock } from "../../seams/clock.ts";

/** Something that must have ended by a time. */
export interface Limited {
  /** Monotonic time, in milliseconds. */
  readonly deadlineMs: number;
}

/**
 * Watches time limits with one sleep for all of them: requests follow each other by the thousand, and nearly none reaches
 * its limit.
 */
export class RequestLimits<T extends Limited> {
  readonly #clock: Clock;
  readonly #pending: readonly T[];
  readonly #onLate: (late: T) => void;
  #wake: AbortController | null = null;
  #wakeMs = 0;
  #isClosed = false;

  /**
   * @param clock Time.
   * @param pending What is watched; others add and remove.
   * @param onLate Told of the first that is late; nothing is watched afterwards.
   */
  constructor(clock: Clock, pending: readonly T[], onLate: (late: T) => void) {
    this.#clock = clock;
    this.#pending = pending;
    this.#onLate = onLate;
  }

  /** To be called when something was added. */
  watch({ deadlineMs }: T): void {
    if (this.#isClosed) return;
    if (this.#wake === null) void this.#run();
    else if (deadlineMs < this.#wakeMs) this.#wake.abort();
  }

  /** Watches no longer. */
  close(): void {
    this.#isClosed = true;
    this.#wake?.abort();
  }

  async #run(): Promise<void> {
    while (this.#pending.length > 0 && !this.#isClosed) {
      const first = this.#pending.reduce((least, each) => each.deadlineMs < least.deadlineMs ? each : least);
      const restMs = first.deadlineMs - this.#clock.monotonicMs();
      if (restMs <= 0) {
        this.#isClosed = true;
        this.#onLate(first);
        break;
      }
      this.#wake = new AbortController();
      this.#wakeMs = first.deadlineMs;
      await this.#clock.sleep(restMs, this.#wake.signal);
    }
    this.#wake = null;
  }
}
