import { invariant } from "../base/assert.ts";

/** Options of {@linkcode TaskTime}. */
export interface TaskTimeOptions {
  /** How far event times may be out of order, ms: watermark = task time - this. @default {0} */
  readonly outOfOrdernessMs?: number;
  /** An input without records for so long lets task time advance by elapsed monotonic time. @default {undefined} */
  readonly idleTimeoutMs?: number | undefined;
}

/** What undo restores. */
export interface TaskTimeSnapshot {
  /** Task time, or `null` before the first record. */
  readonly taskTimeMs: number | null;
  /** Task time at the last record: what idle time is added to. */
  readonly idleBaseMs: number | null;
}

/**
 * The only time that may reach state: the running maximum of event time, row by row, and of journaled jumps.
 *
 * - It never goes back but by {@linkcode TaskTime.restore}.
 * - The wall clock does not come into it: an idle input advances it by elapsed monotonic time, counted from its last
 *   record, and each such jump is journaled before it is taken.
 */
export class TaskTime {
  readonly #outOfOrdernessMs: number;
  readonly #idleTimeoutMs: number | undefined;
  #taskTimeMs: number | null = null;
  #idleBaseMs: number | null = null;
  #lastRecordsAtMs: number | null = null;

  /** @param options Out-of-orderness and idle time-out. */
  constructor(options: TaskTimeOptions = {}) {
    const { outOfOrdernessMs = 0, idleTimeoutMs } = options;
    if (!(outOfOrdernessMs >= 0)) {
      throw new RangeError(
        `Cannot create task time as 'outOfOrdernessMs' must be a number >= 0: current value is ${outOfOrdernessMs}`,
      );
    }
    if (idleTimeoutMs !== undefined && !(idleTimeoutMs > 0)) {
      throw new RangeError(
        `Cannot create task time as 'idleTimeoutMs' must be a number > 0: current value is ${idleTimeoutMs}`,
      );
    }
    this.#outOfOrdernessMs = outOfOrdernessMs;
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  /** Task time in epoch ms, or `null` before the first record. */
  get taskTimeMs(): number | null {
    return this.#taskTimeMs;
  }

  /** Watermark in epoch ms, or `null` before the first record. */
  get watermarkMs(): number | null {
    return this.#taskTimeMs === null ? null : this.#taskTimeMs - this.#outOfOrdernessMs;
  }

  /**
   * Takes in the event times of rows, in input order.
   *
   * @param eventTimes Epoch ms of each row; `NaN` moves nothing.
   * @param monotonicMs Monotonic time at which the rows arrived: idle time is counted from it.
   * @param into Gets task time up to and with each row (`-Infinity` before the first time). @default {not written}
   */
  observe(eventTimes: Float64Array, monotonicMs: number, into?: Float64Array): void {
    const highest = runningMaximum(eventTimes, this.#taskTimeMs ?? -Infinity, into);
    if (highest !== -Infinity) this.#taskTimeMs = highest;
    if (eventTimes.length > 0) this.wake(monotonicMs);
  }

  /**
   * As {@linkcode TaskTime.observe} with rows of no own time, and when the task goes live: idle time is counted from here.
   *
   * @param monotonicMs Monotonic time.
   */
  wake(monotonicMs: number): void {
    this.#lastRecordsAtMs = monotonicMs;
    this.#idleBaseMs = this.#taskTimeMs;
  }

  /**
   * Where task time should jump to, as the input has been idle for long enough. Does not jump: the decision is journaled
   * first, see `DecisionJournal.canHold`.
   *
   * @param monotonicMs Monotonic time.
   * @returns Task time to jump to in whole ms above the present one, or `undefined`.
   */
  idleTarget(monotonicMs: number): number | undefined {
    if (this.#idleTimeoutMs === undefined || this.#lastRecordsAtMs === null || this.#idleBaseMs === null) {
      return undefined;
    }
    const elapsedMs = monotonicMs - this.#lastRecordsAtMs;
    if (elapsedMs < this.#idleTimeoutMs) return undefined;
    const target = Math.floor(this.#idleBaseMs + elapsedMs);
    return target > this.#taskTimeMs! ? target : undefined;
  }

  /**
   * Monotonic time from which {@linkcode TaskTime.idleTarget} may answer, or `undefined` when it never does.
   */
  get idleAtMs(): number | undefined {
    if (this.#idleTimeoutMs === undefined || this.#lastRecordsAtMs === null || this.#idleBaseMs === null) {
      return undefined;
    }
    return this.#lastRecordsAtMs + this.#idleTimeoutMs;
  }

  /**
   * Takes a journaled jump, live or in replay. One that lies behind changes nothing.
   *
   * @param taskTimeMs Task time to jump to.
   * @returns Whether task time moved.
   */
  jump(taskTimeMs: number): boolean {
    invariant(Number.isFinite(taskTimeMs), `task time cannot jump to ${taskTimeMs}`);
    if (this.#taskTimeMs !== null && taskTimeMs <= this.#taskTimeMs) return false;
    this.#taskTimeMs = taskTimeMs;
    return true;
  }

  /** What {@linkcode TaskTime.restore} needs to come back here. */
  snapshot(): TaskTimeSnapshot {
    return { taskTimeMs: this.#taskTimeMs, idleBaseMs: this.#idleBaseMs };
  }

  /**
   * Goes back to a snapshot (undo), or to the time of a restored position.
   *
   * @param snapshot A snapshot, or the task time of a position.
   */
  restore(snapshot: TaskTimeSnapshot | number | null): void {
    const isSnapshot = typeof snapshot === "object" && snapshot !== null;
    this.#taskTimeMs = isSnapshot ? snapshot.taskTimeMs : snapshot;
    this.#idleBaseMs = isSnapshot ? snapshot.idleBaseMs : snapshot;
  }
}

/**
 * Running maximum of a column of times, row by row: what lateness is judged by, so that it does not depend on where
 * batches are cut.
 *
 * @param times One value for each row; `NaN` moves nothing.
 * @param before Maximum before the first row, `-Infinity` when there is none.
 * @param into Gets the maximum up to and with each row. @default {not written}
 * @returns The maximum after the last row.
 */
export function runningMaximum(times: Float64Array, before: number, into?: Float64Array): number {
  let highest = before;
  const count = times.length;
  if (into === undefined) {
    for (let row = 0; row < count; row++) if (times[row]! > highest) highest = times[row]!;
    return highest;
  }
  for (let row = 0; row < count; row++) {
    if (times[row]! > highest) highest = times[row]!;
    into[row] = highest;
  }
  return highest;
}

/**
 * {@linkcode runningMaximum} of 64-bit times as they lie in a timestamp column: pairs of (low, high) 32-bit words.
 *
 * @param pairs Two words for each row; exact up to 2^53.
 * @param before Maximum before the first row, `-Infinity` when there is none.
 * @param into Gets the maximum up to and with each row. @default {not written}
 * @returns The maximum after the last row.
 */
export function runningMaximumOfPairs(pairs: Int32Array, before: number, into?: Float64Array): number {
  let highest = before;
  const count = pairs.length >> 1;
  for (let row = 0; row < count; row++) {
    const time = (pairs[2 * row]! >>> 0) + pairs[2 * row + 1]! * 0x1_0000_0000;
    if (time > highest) highest = time;
    if (into !== undefined) into[row] = highest;
  }
  return highest;
}
