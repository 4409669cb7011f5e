import type { Clock } from "../../seams/clock.ts";

/** Why a wait ends; an abort without a reason would make an error, with its stack, each time. */
const HAPPENED = "something has happened";

/** Wakes whoever waits for something to happen. What happens while nobody waits ends the next wait at once. */
export class Notice {
  readonly #clock: Clock;
  #hasHappened = false;
  #waiting: AbortController | null = null;

  /** @param clock Time of the waits. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something has happened. */
  give(): void {
    this.#hasHappened = true;
    this.#waiting?.abort(HAPPENED);
  }

  /**
   * Waits until something happens.
   *
   * @param ms At most so long, in milliseconds.
   */
  async wait(ms: number): Promise<void> {
    if (!this.#hasHappened) {
      this.#waiting = new AbortController();
      await this.#clock.sleep(ms, this.#waiting.signal);
      this.#waiting = null;
    }
    this.#hasHappened = false;
  }
}
