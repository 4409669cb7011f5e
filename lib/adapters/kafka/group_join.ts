import { assignGroup, type GroupAssignment, joinProtocols } from "./assign_group.ts";
import { decodeAssignment, decodeSubscription, encodeAssignment } from "./assign_range.ts";
import { CODE } from "./broker_codes.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { joinGroupCall, type JoinReply, type MemberIdentity, syncGroupCall } from "./protocol/group_calls.ts";
import type { TopicPartition } from "../../seams/broker.ts";

/** Beyond the broker's own time limit of a rebalance. */
const NETWORK_DELAY_MS = 5_000;

/** What an attempt to join came to. */
export type JoinResult =
  | {
    readonly kind: "joined";
    readonly memberId: string;
    readonly generation: number;
    readonly assignment: readonly TopicPartition[];
    readonly isLeader: boolean;
    /** What the leader has assigned to static members, by instance id; `null` for others. */
    readonly assigned: ReadonlyMap<string, GroupAssignment> | null;
  }
  | { readonly kind: "refused"; readonly code: number; readonly memberId: string };

/** What a member asks for. */
export interface JoinWish extends MemberIdentity {
  /** Topics. */
  readonly topics: readonly string[];
  /** What we last held. */
  readonly owned: GroupAssignment;
  /** What we assigned to static members as the leader, by instance id. */
  readonly assigned: ReadonlyMap<string, GroupAssignment>;
  /** A silent member is dropped after this, in milliseconds. */
  readonly sessionTimeoutMs: number;
  /** Told of the member id as soon as the group gives one: who leaves while joining needs it. */
  noteMemberId(memberId: string): void;
}

/**
 * Joins a group once: join, assign when the group makes us its leader, sync.
 *
 * @param client Connections.
 * @param wish Who we are and what we want.
 * @param channel The channel that waits for the other members; nothing else may use it meanwhile.
 * @returns The assignment, or the code with which the group refused.
 * @throws {BrokerUnavailableError} when the coordinator cannot be reached.
 */
export async function joinGroup(client: KafkaClient, wish: JoinWish, channel: Channel): Promise<JoinResult> {
  const { groupId, instanceId, topics, sessionTimeoutMs } = wish;
  const rebalanceTimeoutMs = Math.max(sessionTimeoutMs, client.options.rebalanceTimeoutMs);
  const protocols = joinProtocols(topics, wish.owned);
  const more = { channel, timeoutMs: rebalanceTimeoutMs + NETWORK_DELAY_MS };
  const join = (memberId: string) => {
    const request = { groupId, instanceId, memberId, sessionTimeoutMs, rebalanceTimeoutMs, protocols };
    return client.sendToCoordinator(groupId, joinGroupCall(request), more);
  };
  let reply = await join(wish.memberId);
  if (reply.errorCode === CODE.memberIdRequired) {
    wish.noteMemberId(reply.memberId);
    reply = await join(reply.memberId);
  }
  if (reply.errorCode !== 0) return { kind: "refused", code: reply.errorCode, memberId: wish.memberId };
  const { memberId, generation } = reply;
  const isLeader = reply.leaderId === memberId;
  const shares = isLeader ? await assignAll(client, reply, wish.assigned) : new Map<string, TopicPartition[]>();
  const assignments = new Map([...shares].map(([member, partitions]) => [member, encodeAssignment(partitions)]));
  const identity = { groupId, memberId, instanceId };
  const synced = await client.sendToCoordinator(groupId, syncGroupCall(identity, { generation, assignments }), more);
  if (synced.errorCode !== 0) return { kind: "refused", code: synced.errorCode, memberId };
  const assignment = decodeAssignment(synced.assignment);
  // A leader that restarts under its instance id is given no members: it assigns nothing, and everybody keeps its own.
  const assigned = shares.size > 0 ? byInstance(reply, shares) : null;
  return { kind: "joined", memberId, generation, assignment, isLeader, assigned };
}

async function assignAll(
  client: KafkaClient,
  { protocol, members }: JoinReply,
  assigned: ReadonlyMap<string, GroupAssignment>,
): Promise<Map<string, TopicPartition[]>> {
  if (members.length === 0) return new Map();
  const topics = new Set(members.flatMap(({ metadata }) => decodeSubscription(metadata).topics));
  const counts = await partitionCounts(client, [...topics]);
  return assignGroup(protocol, members, { partitionCounts: counts, assigned });
}

function byInstance(
  { members, generation }: JoinReply,
  shares: ReadonlyMap<string, TopicPartition[]>,
): Map<string, GroupAssignment> {
  const assigned = new Map<string, GroupAssignment>();
  for (const { memberId, instanceId } of members) {
    if (instanceId !== null) assigned.set(instanceId, { generation, partitions: shares.get(memberId) ?? [] });
  }
  return assigned;
}

/** Number of partitions of the topics that exist, fresh from the cluster. */
export async function partitionCounts(client: KafkaClient, topics: readonly string[]): Promise<Map<string, number>> {
  const metadata = await client.metadata(topics);
  const existing = metadata.topics.filter(({ errorCode }) => errorCode === 0);
  return new Map(existing.map(({ topic, leaders }) => [topic, leaders.length]));
}
