import { groupOf } from "./apply_change.ts";
import { assignPartitions } from "./assign_partitions.ts";
import type { PartitionEntry, StaticMemberFact } from "./change.ts";
import type { GroupState, MemberState } from "./cluster_state.ts";
import type { Core, Times } from "./core.ts";
import { checkMember, type GroupFence, holderOf } from "./group_fence.ts";
import { done, refused, type Reply } from "./reply.ts";
import { checkGroupCoordinator } from "./troubles.ts";

/**
 * Group coordinator, classic protocol with the assignment made here.
 *
 *   empty -> preparing -> stable -> preparing ... -> empty
 *
 * A rebalance (*preparing*) waits until every member has joined again, which a member does only after it let go of its
 * partitions, or until the rebalance timeout; then the generation grows. So nobody gets a partition whose holder may
 * still commit: its generation is old from that moment on.
 */

/** A member that joins, for the first time or again. */
export interface JoinRequest {
  /** Consumer group. */
  readonly groupId: string;
  /** Member id, chosen by the client. */
  readonly memberId: string;
  /** `group.instance.id`, or `null`. */
  readonly instanceId: string | null;
  /** Subscribed topics. */
  readonly topics: readonly string[];
  /** A silent member is dropped after this, milliseconds. */
  readonly sessionTimeoutMs: number;
  /** How long a rebalance waits for this member, milliseconds. */
  readonly rebalanceTimeoutMs: number;
  /** Whether this member id joined before: it must not take its instance back from a newer member. */
  readonly isRejoin: boolean;
}

/** What a member is told after a rebalance. */
export type SyncResult =
  /** Others have not joined yet. */
  | { readonly kind: "pending" }
  /** Another rebalance began meanwhile: join again. */
  | { readonly kind: "rejoin" }
  /** The assignment of a generation. */
  | { readonly kind: "assigned"; readonly generation: number; readonly assignment: readonly PartitionEntry[] };

/** Puts back the static members that a restart left, with a fresh session. Idempotent. */
export function reviveGroup(group: GroupState, times: Times): void {
  if (group.isRevived) return;
  group.isRevived = true;
  for (const fact of group.statics.values()) {
    const { memberId, instanceId, topics, sessionTimeoutMs, rebalanceTimeoutMs, assignment } = fact;
    const volatile = { lastSeenMs: times.monotonicMs, isJoined: false, isSynced: true };
    const member = { memberId, instanceId, topics, sessionTimeoutMs, rebalanceTimeoutMs, assignment, ...volatile };
    group.members.set(memberId, member);
  }
  if (group.members.size === 0) return;
  group.phase = "stable";
  if (group.hasDynamicMembers) prepareRebalance(group, times);
}

/**
 * Joins a group. A static member that comes back within its session takes over its assignment without a rebalance, and
 * fences the older member of that instance.
 */
export function joinGroup(core: Core, request: JoinRequest, times: Times): Reply<void> {
  const moved = checkGroupCoordinator(core, request.groupId, times);
  if (moved !== null) return moved;
  if (!(request.sessionTimeoutMs > 0 && request.rebalanceTimeoutMs > 0)) {
    return refused("not-modelled", `timeouts of member '${request.memberId}' must be above 0`, { ...request });
  }
  const group = groupOf(core.state, request.groupId);
  reviveGroup(group, times);
  const topics = [...new Set(request.topics)].sort();
  const holder = request.instanceId === null ? undefined : holderOf(group, request.instanceId);
  if (request.isRejoin && holder !== undefined && holder !== request.memberId) {
    return checkMember(group, request)!;
  }
  const known = group.members.get(holder ?? request.memberId);
  if (known !== undefined && known.instanceId !== request.instanceId) {
    const message = `member '${request.memberId}' of group '${request.groupId}' cannot change its instance`;
    return refused("fenced-instance", message, { ...request });
  }
  const isSameTopics = known !== undefined && known.topics.join() === topics.join();
  group.members.delete(known?.memberId ?? "");
  const member: MemberState = {
    memberId: request.memberId,
    instanceId: request.instanceId,
    topics,
    sessionTimeoutMs: request.sessionTimeoutMs,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs,
    lastSeenMs: times.monotonicMs,
    isJoined: false,
    isSynced: false,
    assignment: known?.assignment ?? [],
  };
  group.members.set(member.memberId, member);
  const { groupId, memberId, instanceId } = request;
  // Also when its predecessor has left meanwhile: a restart must not revive that one in its place.
  const fact = instanceId === null ? undefined : group.statics.get(instanceId);
  if (fact !== undefined && fact.memberId !== memberId) {
    core.emit({ kind: "static-member-replaced", groupId, instanceId: instanceId!, memberId });
  }
  if (group.phase !== "preparing" && !isSameTopics) prepareRebalance(group, times);
  if (group.phase === "preparing") member.isJoined = true;
  completeIfJoined(core, group);
  core.touch(group);
  return done(undefined);
}

/** What a member that joined is to do next. */
export function syncGroup(
  core: Core,
  fence: Omit<GroupFence, "generation">,
  times: Times,
): Reply<SyncResult> {
  const group = core.state.groups.get(fence.groupId);
  const refusal = checkGroupCoordinator(core, fence.groupId, times) ?? checkMember(group, fence);
  if (refusal !== null) return refusal;
  const member = group!.members.get(fence.memberId)!;
  member.lastSeenMs = times.monotonicMs;
  if (group!.phase === "preparing") return done({ kind: member.isJoined ? "pending" : "rejoin" });
  member.isSynced = true;
  return done({ kind: "assigned", generation: group!.generation, assignment: member.assignment });
}

/** A sign of life. Tells whether a rebalance wants the member to join again. */
export function heartbeat(core: Core, fence: GroupFence, times: Times): Reply<"stable" | "rebalance"> {
  const group = core.state.groups.get(fence.groupId);
  const refusal = checkGroupCoordinator(core, fence.groupId, times) ?? checkMember(group, fence);
  if (refusal !== null) return refusal;
  group!.members.get(fence.memberId)!.lastSeenMs = times.monotonicMs;
  if (group!.generation !== fence.generation) {
    const message = `group '${fence.groupId}' is in generation ${group!.generation}, not ${fence.generation}`;
    return refused("illegal-generation", message, { ...fence });
  }
  return done(group!.phase === "preparing" ? "rebalance" : "stable");
}

/** A member leaves for good; its partitions are free at once. */
export function leaveGroup(core: Core, fence: Omit<GroupFence, "generation">, times: Times): Reply<void> {
  const group = core.state.groups.get(fence.groupId);
  const refusal = checkGroupCoordinator(core, fence.groupId, times) ?? checkMember(group, fence);
  if (refusal !== null) return refusal;
  removeMember(core, group!, { memberId: fence.memberId, times });
  return done(undefined);
}

/** Drops a member as if its session had expired. */
export function removeMember(
  core: Core,
  group: GroupState,
  { memberId, times }: { readonly memberId: string; readonly times: Times },
): void {
  if (!group.members.delete(memberId)) return;
  if (group.phase === "stable") prepareRebalance(group, times);
  completeIfJoined(core, group);
  core.touch(group);
}

/** Makes all members join again. */
export function rebalanceGroup(core: Core, group: GroupState, times: Times): void {
  if (group.phase === "stable") prepareRebalance(group, times);
  core.touch(group);
}

/** Topics changed: groups that subscribe to it divide anew. */
export function rebalanceSubscribers(core: Core, topic: string, times: Times): void {
  for (const group of core.state.groups.values()) {
    reviveGroup(group, times);
    const isSubscribed = [...group.members.values()].some(({ topics }) => topics.includes(topic));
    if (isSubscribed) rebalanceGroup(core, group, times);
  }
}

/** Drops members whose session expired and ends rebalances that waited for long enough. */
export function tickGroups(core: Core, times: Times): void {
  for (const group of core.state.groups.values()) {
    if (core.troubles.movingGroups.has(group.groupId)) continue;
    reviveGroup(group, times);
    for (const { memberId, lastSeenMs, sessionTimeoutMs } of [...group.members.values()]) {
      if (times.monotonicMs >= lastSeenMs + sessionTimeoutMs) removeMember(core, group, { memberId, times });
    }
    if (group.phase !== "preparing" || times.monotonicMs < group.rebalanceDeadlineMs) continue;
    settle(core, group);
    core.touch(group);
  }
}

/** A coordinator begins to count anew: sessions and the rebalance under way are as old as its start. */
export function freshenGroup(group: GroupState, times: Times): void {
  for (const member of group.members.values()) member.lastSeenMs = times.monotonicMs;
  if (group.phase === "preparing") group.rebalanceDeadlineMs = times.monotonicMs + longestRebalanceMs(group);
}

function prepareRebalance(group: GroupState, times: Times): void {
  group.phase = "preparing";
  for (const member of group.members.values()) member.isJoined = false;
  group.rebalanceDeadlineMs = times.monotonicMs + longestRebalanceMs(group);
}

function longestRebalanceMs(group: GroupState): number {
  let longestMs = 0;
  for (const { rebalanceTimeoutMs } of group.members.values()) longestMs = Math.max(longestMs, rebalanceTimeoutMs);
  return longestMs;
}

function completeIfJoined(core: Core, group: GroupState): void {
  if (group.phase !== "preparing") return;
  for (const member of group.members.values()) if (!member.isJoined) return;
  settle(core, group);
}

/** Ends a rebalance: dynamic members that did not join are out, static ones keep their seat until their session ends. */
function settle(core: Core, group: GroupState): void {
  for (const member of [...group.members.values()]) {
    if (!member.isJoined && member.instanceId === null) group.members.delete(member.memberId);
  }
  const assignees = [...group.members.values()].map(({ memberId, instanceId, topics, assignment }) => ({
    memberId,
    order: instanceId ?? memberId,
    topics,
    previous: assignment,
  }));
  const assigned = assignPartitions(assignees, (topic) => core.state.topics.get(topic)?.logs.length ?? 0);
  const statics: StaticMemberFact[] = [];
  for (const member of group.members.values()) {
    member.assignment = assigned.get(member.memberId)!;
    member.isJoined = false;
    member.isSynced = false;
    const { memberId, instanceId, topics, sessionTimeoutMs, rebalanceTimeoutMs, assignment } = member;
    if (instanceId === null) continue;
    statics.push({ instanceId, memberId, sessionTimeoutMs, rebalanceTimeoutMs, topics, assignment });
  }
  group.phase = group.members.size === 0 ? "empty" : "stable";
  group.rebalanceDeadlineMs = Infinity;
  core.emit({
    kind: "group-settled",
    groupId: group.groupId,
    generation: group.generation + 1,
    statics,
    hasDynamicMembers: group.members.size > statics.length,
  });
}
