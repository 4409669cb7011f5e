/** Time, as the library sees it: nothing in `lib/` outside adapters reads a clock of its own. */
export interface Clock {
  /** Wall time in epoch milliseconds. May step back or forward; never reaches state. */
  wallMs(): number;
  /** Monotonic time in milliseconds since an arbitrary start; only differences have a meaning. */
  monotonicMs(): number;
  /**
   * Resolves after `ms` milliseconds of monotonic time, or at once when `signal` aborts (it never rejects).
   *
   * @param ms How long, in milliseconds.
   * @param signal Ends the sleep early.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
