import type { Place } from "./cluster.ts";
import { findLog, partitionKey } from "./cluster_state.ts";
import type { Core, Times } from "./core.ts";
import { freshenGroup, reviveGroup } from "./group_requests.ts";
import { done, type Reply } from "./reply.ts";
import { bumpLeaderEpoch, unknownPartition } from "./topic_requests.ts";

/** The partition loses its leader, or gets a new one. */
export function setLeaderless(core: Core, place: Place, isLeaderless: boolean): Reply<void> {
  const { topic, partition } = place;
  if (findLog(core.state, topic, partition) === undefined) return unknownPartition(topic, partition);
  const key = partitionKey(topic, partition);
  if (isLeaderless) core.troubles.leaderless.add(key);
  else if (core.troubles.leaderless.delete(key)) bumpLeaderEpoch(core, place);
  core.touch();
  return done(undefined);
}

/** The partition has too few replicas in sync, or enough again. */
export function setReplicasShort(core: Core, { topic, partition }: Place, isShort: boolean): Reply<void> {
  if (findLog(core.state, topic, partition) === undefined) return unknownPartition(topic, partition);
  const key = partitionKey(topic, partition);
  if (isShort) core.troubles.short.add(key);
  else core.troubles.short.delete(key);
  core.touch();
  return done(undefined);
}

/** A topic takes only records up to a size, or again what the cluster takes. */
export function setRecordBytesMax(core: Core, topic: string, recordBytesMax: number | null): Reply<void> {
  if (!core.state.topics.has(topic)) return unknownPartition(topic, 0);
  if (recordBytesMax === null) core.troubles.recordBytesMax.delete(topic);
  else core.troubles.recordBytesMax.set(topic, recordBytesMax);
  return done(undefined);
}

/** Requests to the group's coordinator are refused until a monotonic time. */
export function moveGroupCoordinator(core: Core, groupId: string, { untilMs }: { readonly untilMs: number }): void {
  core.troubles.movingGroups.set(groupId, untilMs);
  core.touch();
}

/** Requests to the coordinator of a transactional id are refused until a monotonic time. */
export function moveTransactionCoordinator(
  core: Core,
  transactionalId: string,
  { untilMs }: { readonly untilMs: number },
): void {
  core.troubles.movingTransactions.set(transactionalId, untilMs);
  core.touch();
}

/** Coordinators that have arrived begin to count anew, and take requests again. */
export function endMoves(core: Core, times: Times): void {
  const { movingGroups, movingTransactions } = core.troubles;
  for (const [groupId, untilMs] of movingGroups) {
    if (times.monotonicMs < untilMs) continue;
    movingGroups.delete(groupId);
    const group = core.state.groups.get(groupId);
    if (group !== undefined) freshenGroup(group, times);
    core.touch();
  }
  for (const [transactionalId, untilMs] of movingTransactions) {
    if (times.monotonicMs < untilMs) continue;
    movingTransactions.delete(transactionalId);
    core.touch();
  }
}

/**
 * Forgets what a restart of the broker forgets: members (the static ones are known by their last settled generation),
 * rebalances under way, ages of transactions and of sessions.
 */
export function restartCluster(core: Core, times: Times): void {
  for (const transaction of core.state.transactions.values()) {
    if (transaction.status === "Ongoing") transaction.startedMs = times.monotonicMs;
  }
  for (const group of core.state.groups.values()) {
    group.members.clear();
    group.phase = "empty";
    group.rebalanceDeadlineMs = Infinity;
    group.isRevived = false;
    reviveGroup(group, times);
  }
  core.touch();
}
