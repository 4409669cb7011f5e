import { invariant } from "../base/assert.ts";

/** States of a task. */
export type TaskState = "created" | "restoring" | "replaying" | "running" | "suspended" | "closing" | "closed";

/** Legal transitions. */
export const TASK_TRANSITIONS: Readonly<Record<TaskState, readonly TaskState[]>> = Object.freeze({
  created: ["restoring", "closing", "closed"],
  restoring: ["replaying", "running", "closing", "closed"],
  replaying: ["running", "closing", "closed"],
  running: ["suspended", "closing", "closed"],
  suspended: ["running", "closing", "closed"],
  closing: ["closed"],
  closed: [],
});

/**
 * Where a task is in its life.
 *
 * ```
 * created -> restoring -> replaying -> running <-> suspended
 *               |             ^ |         |            |
 *               |             | v         v            v
 *               +--> (no replay needed: running)    closing -> closed        (any state: -> closing, -> closed when dirty)
 * ```
 * `suspended`: revoked, committed and flushed, waits whether the partition comes back. `closing`: a clean close under way;
 * a dirty close goes straight to `closed`.
 */
export class TaskLifecycle {
  #state: TaskState = "created";

  /** Present state. */
  get state(): TaskState {
    return this.#state;
  }

  /** Whether the task has closed. */
  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Whether records are processed: silently or live. */
  get isProcessing(): boolean {
    return this.#state === "replaying" || this.#state === "running";
  }

  /**
   * Goes to another state.
   *
   * @param next Where to.
   */
  to(next: TaskState): void {
    invariant(TASK_TRANSITIONS[this.#state].includes(next), `a task cannot go from '${this.#state}' to '${next}'`);
    this.#state = next;
  }
}
