import { backoffMs } from "../base/backoff.ts";
import { BrokerUnavailableError } from "../base/errors.ts";
import { errorAction } from "../core/error_policy.ts";
import type { Environment } from "../seams/adapter.ts";

/**
 * Failures of one thing that is tried again: how long to wait before the next attempt, and when to stop trying. A failure
 * long after the last one is a new trouble.
 */
export class Trouble {
  readonly #environment: Environment;
  readonly #boundMs: number;
  #sinceMs = 0;
  #lastMs = 0;
  #attempts = 0;
  #notBeforeMs = -Infinity;

  /**
   * @param environment Clock and randomness.
   * @param boundMs After so long without success it is over.
   */
  constructor(environment: Environment, boundMs: number) {
    this.#environment = environment;
    this.#boundMs = boundMs;
  }

  /** Failures so far. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Whether another attempt has to wait. */
  get isWaiting(): boolean {
    return this.#environment.clock.monotonicMs() < this.#notBeforeMs;
  }

  /** It worked. */
  clear(): void {
    this.#attempts = 0;
    this.#notBeforeMs = -Infinity;
  }

  /**
   * It failed.
   *
   * @returns How long to wait before the next attempt, or `undefined` when the bound is used up.
   */
  note(): number | undefined {
    const { clock, random } = this.#environment;
    const nowMs = clock.monotonicMs();
    if (this.#attempts === 0 || nowMs - this.#lastMs > Math.max(this.#boundMs, 1)) {
      this.#attempts = 0;
      this.#sinceMs = nowMs;
    }
    this.#lastMs = nowMs;
    if (nowMs - this.#sinceMs >= this.#boundMs) return undefined;
    const waitMs = backoffMs(this.#attempts++, random.uint32());
    this.#notBeforeMs = nowMs + waitMs;
    return waitMs;
  }
}

/** Whether trying again may help: nothing is wrong with us, the records or the options. */
export function isPassing(error: unknown): boolean {
  const action = errorAction(error);
  return action === "retry" || action === "resolve-outcome" || action === "process-again" || action === "close-dirty";
}

/** Ends a subscription: carries why through everything that would else try again. */
export class Stop {
  /** Why. */
  readonly reason: Error;

  /** @param reason Why. */
  constructor(reason: Error) {
    this.reason = reason;
  }
}

/** The error of work that was cut off by a dirty close. */
export function closedDirty(): BrokerUnavailableError {
  return new BrokerUnavailableError("Cannot go on as the subscription is closed without a commit");
}
