import type { TopicPartition } from "../../seams/broker.ts";
import type { PartitionsById } from "./protocol/member_calls.ts";

/** A partition of one incarnation of a topic. */
export interface HeldPartition extends TopicPartition {
  /** Id of the topic, 32 hexadecimal digits. */
  readonly topicId: string;
}

/** What a member holds, and since which of its epochs. */
export class HeldPartitions {
  readonly #held = new Map<string, HeldPartition & { readonly sinceEpoch: number }>();
  #places: readonly TopicPartition[] = [];

  /** The partitions, in the order in which they came. */
  get places(): readonly TopicPartition[] {
    return this.#places;
  }

  /** The partitions by topic id, as heartbeats name them. */
  get byId(): PartitionsById[] {
    const groups = new Map<string, number[]>();
    for (const { topicId, partition } of this.#held.values()) {
      const group = groups.get(topicId);
      if (group === undefined) groups.set(topicId, [partition]);
      else group.push(partition);
    }
    return [...groups].map(([topicId, partitions]) => ({ topicId, partitions }));
  }

  /** What leaves and what comes when others are to be held. */
  compare(wanted: readonly HeldPartition[]): { readonly leaving: HeldPartition[]; readonly coming: HeldPartition[] } {
    const keys = new Set(wanted.map(keyOf));
    return {
      leaving: [...this.#held.values()].filter((place) => !keys.has(keyOf(place))),
      coming: wanted.filter((place) => !this.#held.has(keyOf(place))),
    };
  }

  /** Takes partitions. */
  add(places: readonly HeldPartition[], sinceEpoch: number): void {
    for (const place of places) this.#held.set(keyOf(place), { ...place, sinceEpoch });
    this.#settle();
  }

  /** Lets go of partitions. */
  remove(places: readonly HeldPartition[]): void {
    for (const place of places) this.#held.delete(keyOf(place));
    this.#settle();
  }

  /** Lets go of all. */
  clear(): void {
    this.#held.clear();
    this.#settle();
  }

  /** Whether partitions have been held, without a break, since an epoch. */
  areHeldSince(places: readonly TopicPartition[], epoch: number): boolean {
    const since = new Map(
      [...this.#held.values()].map(({ topic, partition, sinceEpoch }) => [`${topic}/${partition}`, sinceEpoch]),
    );
    return places.every(({ topic, partition }) => (since.get(`${topic}/${partition}`) ?? Infinity) <= epoch);
  }

  #settle(): void {
    this.#places = [...this.#held.values()].map(placeOf);
  }
}

/** The bare partition. */
export function placeOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition };
}

function keyOf({ topicId, partition }: HeldPartition): string {
  return `${topicId}/${partition}`;
}
