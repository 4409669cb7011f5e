import type { TaskTime } from "../core/task_time.ts";

/** Least time between two jumps of an idle task whose operators do not say when they are due, in milliseconds. */
const JUMP_MS_MIN = 10;

/** Options of {@linkcode IdleTime}. */
export interface IdleTimeOptions {
  /** Watermark = task time - this. */
  readonly outOfOrdernessMs: number;
  /** An operator that does not say when it is due is told of the time as often as there are commits. */
  readonly commitIntervalMs: number;
}

/** Decides when the time of an idle input jumps: only when there is something that the jump could close. */
export class IdleTime {
  readonly #time: TaskTime;
  readonly #options: IdleTimeOptions;
  #jumpedAtMs = -Infinity;

  /**
   * @param time Task time.
   * @param options Out-of-orderness and pause between jumps.
   */
  constructor(time: TaskTime, options: IdleTimeOptions) {
    this.#time = time;
    this.#options = options;
  }

  /**
   * Milliseconds until a jump may be due.
   *
   * @param nowMs Monotonic time.
   * @param dueMs Lowest watermark at which operators have something to do; `-Infinity`: they do not say, `undefined`: none.
   * @returns At least 1 once the input counts as idle; infinite when nothing could be closed.
   */
  inMs(nowMs: number, dueMs: number | undefined): number {
    const { idleAtMs } = this.#time;
    if (idleAtMs === undefined || dueMs === undefined) return Infinity;
    if (idleAtMs > nowMs) return idleAtMs - nowMs;
    const pauseMs = this.#jumpedAtMs + Math.max(JUMP_MS_MIN, this.#options.commitIntervalMs) - nowMs;
    if (dueMs === -Infinity) return Math.max(1, pauseMs);
    const timeMs = this.#time.idleTarget(nowMs) ?? this.#time.taskTimeMs ?? dueMs;
    return Math.max(1, dueMs + this.#options.outOfOrdernessMs - timeMs);
  }

  /**
   * Where task time is to jump now.
   *
   * @param nowMs Monotonic time.
   * @param dueMs As for {@linkcode IdleTime.inMs}.
   * @returns Task time to jump to, or `undefined` when it stays.
   */
  target(nowMs: number, dueMs: number | undefined): number | undefined {
    const target = this.#time.idleTarget(nowMs);
    if (target === undefined || dueMs === undefined || target - this.#options.outOfOrdernessMs < dueMs) {
      return undefined;
    }
    return dueMs === -Infinity && this.inMs(nowMs, dueMs) > 1 ? undefined : target;
  }

  /** A jump was made. */
  jumped(nowMs: number): void {
    this.#jumpedAtMs = nowMs;
  }
}
