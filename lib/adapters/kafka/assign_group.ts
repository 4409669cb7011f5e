import type { TopicPartition } from "../../seams/broker.ts";
import { assignRange, decodeSubscription, encodeSubscription } from "./assign_range.ts";
import { assignSticky, type GroupAssignment } from "./assign_sticky.ts";
import { ByteReader } from "./protocol/byte_reader.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";
import type { JoinedMember, JoinProtocol } from "./protocol/group_calls.ts";
import { byTopic } from "./protocol/offset_calls.ts";

export type { GroupAssignment } from "./assign_sticky.ts";

/** Names of the ways to assign, as Kafka's other clients know them. */
const RANGE = "range";
const STICKY = "sticky";

/**
 * The ways to assign that a member takes, the preferred one first; a group uses one that all its members take. Members of
 * one topic keep what they have (sticky). Those of several topics need the same partition numbers together, which range
 * gives them.
 *
 * @param topics What it subscribes to.
 * @param owned What it last held.
 */
export function joinProtocols(topics: readonly string[], owned: GroupAssignment): JoinProtocol[] {
  const sticky = { name: STICKY, metadata: encodeSubscription(topics, encodeOwned(owned)) };
  const range = { name: RANGE, metadata: encodeSubscription(topics) };
  return topics.length > 1 ? [range, sticky] : [sticky, range];
}

/**
 * Assigns partitions as the leader of a group.
 *
 * @param protocol The way that the group uses.
 * @param members All members.
 * @param more Number of partitions of each topic; what was assigned to static members before, by instance id: one that
 * was started again does not know it.
 * @returns Partitions of each member by its member id.
 */
export function assignGroup(
  protocol: string,
  members: readonly JoinedMember[],
  more: {
    readonly partitionCounts: ReadonlyMap<string, number>;
    readonly assigned: ReadonlyMap<string, GroupAssignment>;
  },
): Map<string, TopicPartition[]> {
  const subscribers = members.map(({ memberId, instanceId, metadata }) => {
    const { topics, userData } = decodeSubscription(metadata);
    const told = decodeOwned(userData);
    const known = instanceId === null ? undefined : more.assigned.get(instanceId);
    return { memberId, instanceId, topics, owned: told.generation < 0 && known !== undefined ? known : told };
  });
  const assign = protocol === STICKY ? assignSticky : assignRange;
  return assign(subscribers, more.partitionCounts);
}

/** What a member held, as Kafka's sticky assignors write it, version 1; nothing for nothing. */
export function encodeOwned({ generation, partitions }: GroupAssignment): Uint8Array {
  if (partitions.length === 0) return new Uint8Array(0);
  const writer = new ByteWriter();
  writer.array(byTopic(partitions), ([topic, places]) => {
    writer.string(topic).array(places, ({ partition }) => writer.int32(partition));
  });
  return writer.int32(generation).finish();
}

/** What a member held; version 0 has no generation. What cannot be read counts for nothing, as others have it. */
export function decodeOwned(bytes: Uint8Array): GroupAssignment {
  if (bytes.length === 0) return { generation: -1, partitions: [] };
  try {
    const reader = new ByteReader(bytes);
    const partitions = reader.array(() => {
      const topic = reader.string();
      return reader.array(() => ({ topic, partition: reader.int32() }));
    }).flat();
    return { generation: reader.at < bytes.length ? reader.int32() : -1, partitions };
  } catch {
    return { generation: -1, partitions: [] };
  }
}
