import type { PartitionEntry } from "./change.ts";

/** A member as the assignment sees it. */
export interface Assignee {
  /** Member id, the key of the result. */
  readonly memberId: string;
  /** What members are sorted by: the instance id of a static member, else the member id. */
  readonly order: string;
  /** Subscribed topics, sorted. */
  readonly topics: readonly string[];
  /** What it held in the last generation. */
  readonly previous: readonly PartitionEntry[];
}

/**
 * Divides partitions among members: balanced to one, sticky (a member keeps what it had as far as balance allows),
 * the same for the same input. Partition n of all topics goes to one member when all subscribe to the same topics, so
 * that co-partitioned inputs of a task stay together; else each topic is divided on its own.
 *
 * @param members The members, in any order.
 * @param partitionsOf Number of partitions of a topic, 0 when there is no such topic.
 * @returns For each member id its partitions, sorted by topic and partition.
 */
export function assignPartitions(
  members: readonly Assignee[],
  partitionsOf: (topic: string) => number,
): Map<string, PartitionEntry[]> {
  const sorted = [...members].sort((a, b) => compare(a.order, b.order));
  const result = new Map<string, PartitionEntry[]>(sorted.map(({ memberId }) => [memberId, []]));
  for (const { topics, subscribers } of topicSets(sorted)) {
    const counts = topics.map(partitionsOf);
    const units = Math.max(0, ...counts);
    const owned = subscribers.map(({ previous }) => previousUnits(previous, topics, units));
    for (const [index, kept] of divide(units, owned).entries()) {
      const assigned = result.get(subscribers[index]!.memberId)!;
      for (const unit of kept) {
        for (const [t, topic] of topics.entries()) if (unit < counts[t]!) assigned.push([topic, unit]);
      }
    }
  }
  for (const assigned of result.values()) assigned.sort((a, b) => compare(a[0], b[0]) || a[1] - b[1]);
  return result;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Topics that are divided together, with who subscribes to them. */
function topicSets(members: readonly Assignee[]): { topics: readonly string[]; subscribers: readonly Assignee[] }[] {
  const first = members[0];
  if (first === undefined) return [];
  if (members.every(({ topics }) => topics.join() === first.topics.join())) {
    return [{ topics: first.topics, subscribers: members }];
  }
  const topics = [...new Set(members.flatMap((member) => member.topics))].sort(compare);
  return topics.map((topic) => ({
    topics: [topic],
    subscribers: members.filter((member) => member.topics.includes(topic)),
  }));
}

function previousUnits(previous: readonly PartitionEntry[], topics: readonly string[], units: number): number[] {
  const owned = new Set<number>();
  for (const [topic, partition] of previous) if (partition < units && topics.includes(topic)) owned.add(partition);
  return [...owned].sort((a, b) => a - b);
}

/** Divides `units` numbers: everyone gets the floor of the mean, the first comers one more. */
function divide(units: number, owned: readonly (readonly number[])[]): number[][] {
  const floor = Math.floor(units / owned.length);
  let extra = units % owned.length;
  const taken = new Set<number>();
  const kept = owned.map((wanted) => {
    const mine: number[] = [];
    for (const unit of wanted) {
      if (taken.has(unit)) continue;
      if (mine.length >= floor) {
        if (mine.length > floor || extra === 0) break;
        extra--;
      }
      mine.push(unit);
      taken.add(unit);
    }
    return mine;
  });
  for (let unit = 0; unit < units; unit++) {
    if (taken.has(unit)) continue;
    const needy = kept.find((mine) => mine.length < floor) ?? kept.find((mine) => mine.length === floor)!;
    needy.push(unit);
  }
  return kept;
}
