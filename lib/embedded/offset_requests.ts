import type { OffsetEntry, PartitionEntry } from "./change.ts";
import { findLog, partitionKey } from "./cluster_state.ts";
import type { Core, Times } from "./core.ts";
import { checkFence, type GroupFence } from "./group_fence.ts";
import { done, type Refusal, refused, type Reply } from "./reply.ts";
import { unknownPartition } from "./topic_requests.ts";
import { checkGroupCoordinator } from "./troubles.ts";

const encoder = new TextEncoder();

/**
 * Refuses metadata past the bound, partitions that do not exist, and positions that no reader can have. A real broker
 * takes any position; a leader epoch that the log never had comes from another incarnation of the topic, and is found here.
 */
export function checkOffsets(core: Core, offsets: readonly OffsetEntry[]): Refusal | null {
  const bound = core.options.metadataBytesMax;
  for (const { topic, partition, offset, leaderEpoch, metadata } of offsets) {
    const log = findLog(core.state, topic, partition);
    if (log === undefined) return unknownPartition(topic, partition);
    if (!Number.isSafeInteger(offset) || offset < 0) {
      return refused("not-modelled", `offset ${offset} of ${topic}:${partition} is no position`, { topic, partition });
    }
    if (leaderEpoch > log.leaderEpoch) {
      const message = `leader epoch ${leaderEpoch} of ${topic}:${partition} is newer than ${log.leaderEpoch}, ` +
        "the log's own: was the topic created again";
      return refused("unknown-leader-epoch", message, { topic, partition, leaderEpoch });
    }
    if (metadata.length * 3 <= bound) continue;
    const bytes = encoder.encode(metadata).length;
    if (bytes > bound) {
      const message = `commit metadata of ${topic}:${partition} has ${bytes} bytes, more than ${bound}`;
      return refused("metadata-too-large", message, { topic, partition, bytes });
    }
  }
  return null;
}

/** Commits offsets outside of a transaction, under the fence of the group. */
export function commitOffsets(
  core: Core,
  request: { readonly fence: GroupFence; readonly offsets: readonly OffsetEntry[] },
  times: Times,
): Reply<void> {
  const { fence, offsets } = request;
  const refusal = checkGroupCoordinator(core, fence.groupId, times) ?? checkFence(core, fence) ??
    checkOffsets(core, offsets);
  if (refusal !== null) return refusal;
  if (offsets.length > 0) core.emit({ kind: "offsets-committed", groupId: fence.groupId, offsets });
  return done(undefined);
}

/**
 * What a group committed.
 *
 * @param core The cluster.
 * @param request Which group and partitions; `isStable` refuses while open transactions hold offsets of them (KIP-447).
 * @returns One entry for each partition that has one.
 */
export function committedOffsets(
  core: Core,
  request: { readonly groupId: string; readonly partitions: readonly PartitionEntry[]; readonly isStable: boolean },
): Reply<OffsetEntry[]> {
  const group = core.state.groups.get(request.groupId);
  const found: OffsetEntry[] = [];
  for (const [topic, partition] of request.partitions) {
    const key = partitionKey(topic, partition);
    if (request.isStable) {
      for (const [transactionalId, staged] of group?.pending ?? []) {
        if (!staged.has(key)) continue;
        const message =
          `offsets of ${key} in group '${request.groupId}' wait for the transaction of '${transactionalId}'`;
        return refused("unstable-offsets", message, { groupId: request.groupId, topic, partition, transactionalId });
      }
    }
    const entry = group?.offsets.get(key);
    if (entry !== undefined) found.push(entry);
  }
  return done(found);
}

function groupNotEmpty(groupId: string, members: number): Refusal {
  return refused("group-not-empty", `group '${groupId}' has ${members} members`, { groupId, members });
}

/** Overwrites committed offsets of a group without members. */
export function overwriteOffsets(core: Core, groupId: string, offsets: readonly OffsetEntry[]): Reply<void> {
  const members = core.state.groups.get(groupId)?.members.size ?? 0;
  if (members > 0) return groupNotEmpty(groupId, members);
  const refusal = checkOffsets(core, offsets);
  if (refusal !== null) return refusal;
  if (offsets.length > 0) core.emit({ kind: "offsets-committed", groupId, offsets });
  return done(undefined);
}

/** Deletes (or lets expire) committed offsets of a group without members. */
export function deleteOffsets(core: Core, groupId: string, partitions: readonly PartitionEntry[]): Reply<void> {
  const group = core.state.groups.get(groupId);
  if (group === undefined) return done(undefined);
  if (group.members.size > 0) return groupNotEmpty(groupId, group.members.size);
  const present = partitions.filter((entry) => group.offsets.has(partitionKey(...entry)));
  if (present.length > 0) core.emit({ kind: "offsets-deleted", groupId, partitions: present });
  return done(undefined);
}

/** Deletes a group without members, with all that it committed. */
export function deleteGroup(core: Core, groupId: string): Reply<void> {
  const group = core.state.groups.get(groupId);
  if (group === undefined) return done(undefined);
  if (group.members.size > 0 || group.pending.size > 0) return groupNotEmpty(groupId, group.members.size);
  core.emit({ kind: "group-deleted", groupId });
  return done(undefined);
}
