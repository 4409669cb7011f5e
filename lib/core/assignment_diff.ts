import type { TopicPartition } from "../seams/broker.ts";

/** What an assignment changes. */
export interface AssignmentDiff {
  /** Newly held. */
  readonly added: readonly TopicPartition[];
  /** Taken away: flush and close these only. */
  readonly removed: readonly TopicPartition[];
  /** Held before and after: their tasks go on. */
  readonly kept: readonly TopicPartition[];
}

/**
 * Compares two assignments; each list is sorted by topic and partition, without duplicates.
 *
 * @param before Partitions held before.
 * @param after Partitions held after.
 */
export function assignmentDiff(before: readonly TopicPartition[], after: readonly TopicPartition[]): AssignmentDiff {
  const old = byName(before);
  const now = byName(after);
  return {
    added: [...now.values()].filter((at) => !old.has(nameOf(at))).sort(compare),
    removed: [...old.values()].filter((at) => !now.has(nameOf(at))).sort(compare),
    kept: [...now.values()].filter((at) => old.has(nameOf(at))).sort(compare),
  };
}

function byName(partitions: readonly TopicPartition[]): Map<string, TopicPartition> {
  return new Map(partitions.map((at) => [nameOf(at), { topic: at.topic, partition: at.partition }]));
}

function nameOf(at: TopicPartition): string {
  return `${at.partition}:${at.topic}`;
}

function compare(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition;
}
