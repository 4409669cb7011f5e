import {
  assignRange,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "./assign_range.ts";
import { CODE } from "./broker_codes.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { type JoinedMember, joinGroupCall, type MemberIdentity, syncGroupCall } from "./protocol/group_calls.ts";
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
  }
  | { readonly kind: "refused"; readonly code: number; readonly memberId: string };

/** What a member asks for. */
export interface JoinWish extends MemberIdentity {
  /** Topics. */
  readonly topics: readonly string[];
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
  const metadata = encodeSubscription(topics);
  const more = { channel, timeoutMs: rebalanceTimeoutMs + NETWORK_DELAY_MS };
  const join = (memberId: string) => {
    const request = { groupId, instanceId, memberId, sessionTimeoutMs, rebalanceTimeoutMs, metadata };
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
  const assignments = isLeader ? await assignAll(client, reply.members) : new Map<string, Uint8Array>();
  const identity = { groupId, memberId, instanceId };
  const synced = await client.sendToCoordinator(groupId, syncGroupCall(identity, { generation, assignments }), more);
  if (synced.errorCode !== 0) return { kind: "refused", code: synced.errorCode, memberId };
  return { kind: "joined", memberId, generation, assignment: decodeAssignment(synced.assignment), isLeader };
}

async function assignAll(client: KafkaClient, members: readonly JoinedMember[]): Promise<Map<string, Uint8Array>> {
  const subscribers = members.map(({ memberId, instanceId, metadata }) => ({
    memberId,
    instanceId,
    topics: decodeSubscription(metadata),
  }));
  const counts = await partitionCounts(client, [...new Set(subscribers.flatMap(({ topics }) => topics))]);
  const assignments = assignRange(subscribers, counts);
  return new Map([...assignments].map(([memberId, partitions]) => [memberId, encodeAssignment(partitions)]));
}

/** Number of partitions of the topics that exist, fresh from the cluster. */
export async function partitionCounts(client: KafkaClient, topics: readonly string[]): Promise<Map<string, number>> {
  const metadata = await client.metadata(topics);
  const existing = metadata.topics.filter(({ errorCode }) => errorCode === 0);
  return new Map(existing.map(({ topic, leaders }) => [topic, leaders.length]));
}
