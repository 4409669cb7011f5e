import type { Change } from "../../../lib/embedded/change.ts";
import type { RunView } from "../contracts.ts";
import { CommittedLog, type VisibleRecords } from "./committed_log.ts";

/** Called with what becomes visible in a topic. */
export type Deliver = (visible: VisibleRecords) => void;

/**
 * Some topics as readers see them, partition by partition; knows for which partitions a fault has made loss legal: nothing
 * is delivered of these from then on.
 */
export class WatchedTopics {
  readonly #view: RunView;
  readonly #deliver: ReadonlyMap<string, Deliver>;
  readonly #logs = new Map<string, CommittedLog>();
  /** Topics that were deleted: if they are there again, they are others. Partitions that lost what readers had seen. */
  readonly #damaged = new Set<string>();

  /**
   * @param view The run.
   * @param deliver By topic.
   */
  constructor(view: RunView, deliver: Readonly<Record<string, Deliver>>) {
    this.#view = view;
    this.#deliver = new Map(Object.entries(deliver));
  }

  /** Takes in a change of the broker. */
  change(change: Change): void {
    if (!("topic" in change)) return;
    const deliver = this.#deliver.get(change.topic);
    if (deliver === undefined) return;
    switch (change.kind) {
      case "batch-appended":
      case "marker-appended": {
        if (this.isExcused(change.topic, change.partition)) return;
        this.#log(change.topic, change.partition, deliver).change(change);
        return;
      }
      case "topic-deleted":
        this.#damaged.add(change.topic);
        return;
      case "log-truncated":
        this.#damaged.add(`${change.topic}:${change.partition}`);
        return;
    }
  }

  /**
   * Whether a fault has made loss legal.
   *
   * @param topic Topic.
   * @param partition Partition number. @default {any of its partitions}
   */
  isExcused(topic: string, partition?: number): boolean {
    const damaged = this.#damaged;
    const { excused } = this.#view;
    if (damaged.size === 0 && excused.size === 0) return false;
    if (damaged.has(topic)) return true;
    if (partition !== undefined) {
      const key = `${topic}:${partition}`;
      return excused.has(key) || damaged.has(key);
    }
    return [...excused.keys(), ...damaged].some((key) => key.startsWith(`${topic}:`));
  }

  #log(topic: string, partition: number, deliver: Deliver): CommittedLog {
    const key = `${topic}:${partition}`;
    let log = this.#logs.get(key);
    if (log === undefined) this.#logs.set(key, log = new CommittedLog(deliver));
    return log;
  }
}
