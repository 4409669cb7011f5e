import type { Place } from "./cluster.ts";
import { findLog, partitionKey } from "./cluster_state.ts";
import type { Core, Times } from "./core.ts";
import { reviveGroup } from "./group_requests.ts";
import { done, refused, type Reply } from "./reply.ts";
import { bumpLeaderEpoch, unknownPartition } from "./topic_requests.ts";

/** See `EmbeddedCluster.compact`. */
export function compactLog(core: Core, { topic, partition }: Place, _upTo: number): Reply<number> {
  if (findLog(core.state, topic, partition) === undefined) return unknownPartition(topic, partition);
  return refused("not-modelled", "compaction is not modelled yet", { topic, partition });
}

/** See `EmbeddedCluster.truncate`. */
export function truncateLog(core: Core, { topic, partition }: Place, _offset: number): Reply<number> {
  if (findLog(core.state, topic, partition) === undefined) return unknownPartition(topic, partition);
  return refused("not-modelled", "truncation is not modelled yet", { topic, partition });
}

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

/** Forgets what a restart of the broker forgets. */
export function restartCluster(core: Core, times: Times): void {
  for (const transaction of core.state.transactions.values()) transaction.startedMs = null;
  for (const group of core.state.groups.values()) {
    group.members.clear();
    group.phase = "empty";
    group.rebalanceDeadlineMs = Infinity;
    group.isRevived = false;
    reviveGroup(group, times);
  }
  core.touch();
}
