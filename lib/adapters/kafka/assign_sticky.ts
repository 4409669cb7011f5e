import type { TopicPartition } from "../../seams/broker.ts";
import type { Subscriber } from "./assign_range.ts";

/** What a member of a group held. */
export interface GroupAssignment {
  /** Generation in which it was assigned; -1 for none. */
  readonly generation: number;
  /** The partitions. */
  readonly partitions: readonly TopicPartition[];
}

/** A member, and what it last held. */
export interface StickySubscriber extends Subscriber {
  /** What it last held. */
  readonly owned: GroupAssignment;
}

/** A member while partitions are handed out. */
interface Taker {
  readonly memberId: string;
  readonly topics: ReadonlySet<string>;
  /** Partitions that it had before come first: those that are new to it are the first to be moved on. */
  readonly partitions: TopicPartition[];
}

/**
 * Divides partitions so that members keep what they had as far as balance allows: each partition goes to one subscriber of
 * its topic, and nobody could hand a partition to another subscriber who has two fewer. So when all subscribe to the same
 * topics, counts differ by one at most, and who stays keeps what it had up to the fair share.
 *
 * When two members say that they had the same partition, the one of the newer generation is believed.
 *
 * @param members Members of the group.
 * @param partitionCounts Number of partitions of each topic; topics that do not exist are left away.
 * @returns Partitions of each member by its member id.
 */
export function assignSticky(
  members: readonly StickySubscriber[],
  partitionCounts: ReadonlyMap<string, number>,
): Map<string, TopicPartition[]> {
  const sorted = [...members].sort((a, b) => compareText(a.instanceId ?? a.memberId, b.instanceId ?? b.memberId));
  const takers = sorted.map(({ memberId, topics }): Taker => ({ memberId, topics: new Set(topics), partitions: [] }));
  const owners = previousOwners(sorted, takers, partitionCounts);
  for (const [topic, count] of byFewestTakers(partitionCounts, takers)) {
    for (let partition = 0; partition < count; partition++) {
      owners.get(keyOf({ topic, partition }))?.partitions.push({ topic, partition });
    }
  }
  for (const [topic, count] of byFewestTakers(partitionCounts, takers)) {
    for (let partition = 0; partition < count; partition++) {
      if (!owners.has(keyOf({ topic, partition }))) leastLoaded(takers, topic)?.partitions.push({ topic, partition });
    }
  }
  while (moveOne(takers));
  return new Map(takers.map(({ memberId, partitions }) => [memberId, partitions.sort(comparePlaces)]));
}

/** Who keeps a partition, by what members say that they had. */
function previousOwners(
  members: readonly StickySubscriber[],
  takers: readonly Taker[],
  partitionCounts: ReadonlyMap<string, number>,
): Map<string, Taker> {
  const claims = new Map<string, { readonly taker: Taker; readonly generation: number }>();
  for (const [i, { owned, topics }] of members.entries()) {
    for (const place of owned.partitions) {
      if (!topics.includes(place.topic) || place.partition >= (partitionCounts.get(place.topic) ?? 0)) continue;
      const claim = claims.get(keyOf(place));
      if (claim !== undefined && claim.generation >= owned.generation) continue;
      claims.set(keyOf(place), { taker: takers[i]!, generation: owned.generation });
    }
  }
  return new Map([...claims].map(([key, { taker }]) => [key, taker]));
}

/** Topics that few subscribe to come first, while there is the most choice for the others. */
function byFewestTakers(
  partitionCounts: ReadonlyMap<string, number>,
  takers: readonly Taker[],
): [topic: string, count: number][] {
  const choice = (topic: string) => takers.filter(({ topics }) => topics.has(topic)).length;
  return [...partitionCounts].sort(([a], [b]) => choice(a) - choice(b) || compareText(a, b));
}

function leastLoaded(takers: readonly Taker[], topic: string): Taker | null {
  let least: Taker | null = null;
  for (const taker of takers) {
    if (!taker.topics.has(topic)) continue;
    if (least === null || taker.partitions.length < least.partitions.length) least = taker;
  }
  return least;
}

/** Moves one partition from the one who has most, if that makes anything more even. */
function moveOne(takers: readonly Taker[]): boolean {
  const fullest = [...takers].sort((a, b) => b.partitions.length - a.partitions.length);
  for (const giver of fullest) {
    // The last ones are new to it, if any are.
    for (let at = giver.partitions.length - 1; at >= 0; at--) {
      const place = giver.partitions[at]!;
      const taker = leastLoaded(takers, place.topic);
      if (taker === null || giver.partitions.length - taker.partitions.length < 2) continue;
      giver.partitions.splice(at, 1);
      taker.partitions.push(place);
      return true;
    }
  }
  return false;
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

function comparePlaces(a: TopicPartition, b: TopicPartition): number {
  return compareText(a.topic, b.topic) || a.partition - b.partition;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
