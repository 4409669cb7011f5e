import type { Place } from "./cluster.ts";
import { partitionKey } from "./cluster_state.ts";
import type { Core, Times } from "./core.ts";
import { type Refusal, refused } from "./reply.ts";

/**
 * Troubles of a cluster that pass: a partition without a leader, too few replicas, a coordinator that moves. They are
 * volatile, a request that meets one is refused before it changes anything, and clients may try it again.
 */
export interface Troubles {
  /** Partitions that have no leader now. */
  readonly leaderless: Set<string>;
  /** Partitions that have too few replicas in sync to take records. */
  readonly short: Set<string>;
  /** Groups whose coordinator moves: until which monotonic time in milliseconds. */
  readonly movingGroups: Map<string, number>;
  /** Transactional ids whose coordinator moves: until which monotonic time in milliseconds. */
  readonly movingTransactions: Map<string, number>;
  /** Topics that take only smaller records than the cluster does: their bound in bytes. */
  readonly recordBytesMax: Map<string, number>;
}

/** A cluster in good health. */
export function noTroubles(): Troubles {
  return {
    leaderless: new Set(),
    short: new Set(),
    movingGroups: new Map(),
    movingTransactions: new Map(),
    recordBytesMax: new Map(),
  };
}

/** Refuses while nobody leads the partition. */
export function checkLeader(core: Core, { topic, partition }: Place): Refusal | null {
  if (!core.troubles.leaderless.has(partitionKey(topic, partition))) return null;
  return refused("not-leader", `partition ${partition} of '${topic}' has no leader now`, { topic, partition });
}

/** Refuses while the partition cannot take records. */
export function checkReplicas(core: Core, { topic, partition }: Place): Refusal | null {
  if (!core.troubles.short.has(partitionKey(topic, partition))) return null;
  const message = `partition ${partition} of '${topic}' has too few replicas in sync`;
  return refused("not-enough-replicas", message, { topic, partition });
}

/** Refuses while the group's coordinator moves. */
export function checkGroupCoordinator(core: Core, groupId: string, times: Times): Refusal | null {
  return checkMoving(core.troubles.movingGroups, groupId, times);
}

/** Refuses while the coordinator of a transactional id moves. */
export function checkTransactionCoordinator(core: Core, transactionalId: string, times: Times): Refusal | null {
  return checkMoving(core.troubles.movingTransactions, transactionalId, times);
}

function checkMoving(moving: Map<string, number>, name: string, times: Times): Refusal | null {
  const untilMs = moving.get(name);
  if (untilMs === undefined || times.monotonicMs >= untilMs) return null;
  return refused("not-coordinator", `the coordinator of '${name}' is moving`, { name, untilMs });
}
