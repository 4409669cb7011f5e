import { ByteReader } from "./protocol/byte_reader.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";
import { byTopic } from "./protocol/offset_calls.ts";
import type { TopicPartition } from "../../seams/broker.ts";

/** One member and what it subscribed to. */
export interface Subscriber {
  /** Member id. */
  readonly memberId: string;
  /** `group.instance.id`, or `null`. */
  readonly instanceId: string | null;
  /** Topics. */
  readonly topics: readonly string[];
}

/**
 * Kafka's range assignment: of each topic, members in order of their instance or member ids get consecutive partitions,
 * the first ones one more. The same partition number of topics with equal partition counts goes to one member.
 *
 * @param members Members of the group.
 * @param partitionCounts Number of partitions of each topic; topics that do not exist are left away.
 * @returns Partitions of each member by its member id.
 */
export function assignRange(
  members: readonly Subscriber[],
  partitionCounts: ReadonlyMap<string, number>,
): Map<string, TopicPartition[]> {
  const sorted = [...members].sort((a, b) => compareText(a.instanceId ?? a.memberId, b.instanceId ?? b.memberId));
  const assignments = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]));
  for (const [topic, count] of [...partitionCounts].sort(([a], [b]) => compareText(a, b))) {
    const takers = sorted.filter(({ topics }) => topics.includes(topic));
    if (takers.length === 0) continue;
    const share = Math.floor(count / takers.length);
    const extra = count % takers.length;
    let partition = 0;
    for (const [index, { memberId }] of takers.entries()) {
      const end = partition + share + (index < extra ? 1 : 0);
      for (; partition < end; partition++) assignments.get(memberId)!.push({ topic, partition });
    }
  }
  return assignments;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * A subscription as Kafka's consumer protocol writes it, version 0.
 *
 * @param topics What is subscribed to.
 * @param userData What the way to assign needs. @default {nothing}
 */
export function encodeSubscription(topics: readonly string[], userData: Uint8Array = new Uint8Array(0)): Uint8Array {
  const writer = new ByteWriter();
  return writer.int16(0).array(topics, (topic) => writer.string(topic)).bytes(userData).finish();
}

/** Topics and user data of a subscription, of any version. */
export function decodeSubscription(
  bytes: Uint8Array,
): { readonly topics: string[]; readonly userData: Uint8Array } {
  const reader = new ByteReader(bytes);
  reader.int16();
  return { topics: reader.array(() => reader.string()), userData: reader.nullableBytes() ?? new Uint8Array(0) };
}

/** An assignment as Kafka's consumer protocol writes it, version 0. */
export function encodeAssignment(partitions: readonly TopicPartition[]): Uint8Array {
  const writer = new ByteWriter();
  writer.int16(0).array(byTopic(partitions), ([topic, places]) => {
    writer.string(topic).array(places, ({ partition }) => writer.int32(partition));
  });
  return writer.bytes(new Uint8Array(0)).finish();
}

/** Partitions of an assignment, of any version; none for no bytes. */
export function decodeAssignment(bytes: Uint8Array): TopicPartition[] {
  if (bytes.length === 0) return [];
  const reader = new ByteReader(bytes);
  reader.int16();
  return reader.array(() => {
    const topic = reader.string();
    return reader.array(() => ({ topic, partition: reader.int32() }));
  }).flat();
}
