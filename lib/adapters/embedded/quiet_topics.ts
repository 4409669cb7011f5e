import type { TopicPartition } from "../../seams/broker.ts";
import type { ActivitySource } from "./server_link.ts";

/** While the topics are quiet, what was read to its end is fetched again after so long. */
const QUIET_MS = 1_000;

/** A moment as fetches know it: there is nothing new as long as nothing but time has changed. */
export interface Moment {
  /** Monotonic time in milliseconds. */
  readonly atMs: number;
  /** How much had happened to the topics. */
  readonly count: number;
  /** How often we had changed what we read. */
  readonly changes: number;
}

/** Remembers that topics were read to their end, so that they are not fetched until something happens to them. */
export class QuietTopics {
  readonly #activity: ActivitySource;
  #changes = 0;
  #quietSince: Moment | null = null;

  /** @param activity Tells what happens at the broker. */
  constructor(activity: ActivitySource) {
    this.#activity = activity;
  }

  /** Where to read, or what of, is another now. */
  changed(): void {
    this.#changes++;
  }

  /**
   * The moment before a fetch.
   *
   * @param partitions What is assigned.
   * @param atMs Monotonic time in milliseconds.
   */
  moment(partitions: readonly TopicPartition[], atMs: number): Moment {
    let count = 0;
    let last: string | undefined;
    for (const { topic } of partitions) {
      if (topic !== last) count += this.#activity.ofTopic(topic);
      last = topic;
    }
    return { atMs, count, changes: this.#changes };
  }

  /** Whether a fetch would find nothing, as far as we know. */
  isQuietAt({ atMs, count, changes }: Moment): boolean {
    const since = this.#quietSince;
    return since !== null && since.changes === changes && since.count === count && atMs - since.atMs < QUIET_MS;
  }

  /** A fetch that was begun at a moment has read everything to its end, or has not. */
  fetched(begun: Moment, isAtEnd: boolean): void {
    this.#quietSince = isAtEnd ? begun : null;
  }
}
