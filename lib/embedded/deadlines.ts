import type { GroupState } from "./cluster_state.ts";
import type { Core } from "./core.ts";
import { isCompletable } from "./complete_transaction.ts";

/**
 * Monotonic time of the next timeout that a tick would act on; `Infinity` when there is none, `-Infinity` when there is
 * something to do at once. What a coordinator that moves would do waits until it has moved.
 *
 * @param core The cluster.
 */
export function nextDeadlineMs(core: Core): number {
  const { movingGroups, movingTransactions } = core.troubles;
  let nextMs = Infinity;
  for (const untilMs of movingGroups.values()) nextMs = Math.min(nextMs, untilMs);
  for (const untilMs of movingTransactions.values()) nextMs = Math.min(nextMs, untilMs);
  for (const transaction of core.state.transactions.values()) {
    const { transactionalId, status, startedMs, timeoutMs } = transaction;
    if (movingTransactions.has(transactionalId)) continue;
    if (status === "Ongoing") nextMs = Math.min(nextMs, (startedMs ?? -Infinity) + timeoutMs);
    else if (isCompletable(core, transaction)) return -Infinity;
  }
  for (const group of core.state.groups.values()) {
    if (!movingGroups.has(group.groupId)) nextMs = Math.min(nextMs, groupDeadlineMs(group));
  }
  return nextMs;
}

function groupDeadlineMs(group: GroupState): number {
  if (!group.isRevived && group.statics.size > 0) return -Infinity;
  let nextMs = group.phase === "preparing" ? group.rebalanceDeadlineMs : Infinity;
  for (const { lastSeenMs, sessionTimeoutMs } of group.members.values()) {
    nextMs = Math.min(nextMs, lastSeenMs + sessionTimeoutMs);
  }
  return nextMs;
}
