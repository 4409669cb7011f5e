import { EVERYTHING, type Moved } from "../../embedded/moved.ts";
import type { ActivitySource } from "./server_link.ts";

/** Counts what happened, by what it concerns. */
export class ActivityCounts {
  /** All that happened. */
  count = 0;
  /** What concerns all topics and groups. */
  #everywhere = 0;
  readonly #topics = new Map<string, number>();
  readonly #groups = new Map<string, number>();

  /** Something happened. */
  add({ topic, groupId, isEverything }: Moved): void {
    this.count++;
    if (isEverything === true) this.#everywhere++;
    if (topic !== undefined) this.#topics.set(topic, (this.#topics.get(topic) ?? 0) + 1);
    if (groupId !== undefined) this.#groups.set(groupId, (this.#groups.get(groupId) ?? 0) + 1);
  }

  /** What concerns readers of a topic. */
  ofTopic(topic: string): number {
    return this.#everywhere + (this.#topics.get(topic) ?? 0);
  }

  /** What concerns members of a group. */
  ofGroup(groupId: string): number {
    return this.#everywhere + (this.#groups.get(groupId) ?? 0);
  }
}

/** Wakes those who wait for anything to happen in a cluster. Bursts of activity wake once. */
export class Activity implements ActivitySource {
  readonly #counts = new ActivityCounts();
  #isScheduled = false;
  #waiters = new Set<() => void>();

  /** How much happened so far: read it before looking, and hand it to {@linkcode Activity.next} after. */
  get count(): number {
    return this.#counts.count;
  }

  /** How much of it may concern readers of a topic. */
  ofTopic(topic: string): number {
    return this.#counts.ofTopic(topic);
  }

  /** How much of it may concern members of a group. */
  ofGroup(groupId: string): number {
    return this.#counts.ofGroup(groupId);
  }

  /**
   * Something happened.
   *
   * @param moved What. @default everything
   */
  notify(moved: Moved = EVERYTHING): void {
    this.#counts.add(moved);
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
   * Calls back once when something happened since `seen`.
   *
   * @param seen The count before the caller looked.
   * @param wake Called back; at once when something has happened already.
   * @returns How to stop waiting.
   */
  next(seen: number, wake: () => void): () => void {
    if (seen !== this.count) {
      wake();
      return () => {};
    }
    this.#waiters.add(wake);
    return () => void this.#waiters.delete(wake);
  }
}
