import { invariant } from "../base/assert.ts";
import { findLog, type TransactionState } from "./cluster_state.ts";
import type { Core, Times } from "./core.ts";
import { checkLeader, checkReplicas } from "./troubles.ts";

/**
 * Writes the control records that are still missing, resolves staged offsets, and completes when nothing is left. What
 * cannot be written now (no leader, too few replicas, a coordinator that moves) is written by a later tick: until then
 * the transaction stays in Prepare.
 *
 * @param core The cluster.
 * @param transaction A decided transaction.
 * @param times Stamp of the control records.
 */
export function completeTransaction(core: Core, transaction: TransactionState, times: Times): void {
  const { transactionalId, ended } = transaction;
  invariant(ended !== null && transaction.status.startsWith("Prepare"), "only a decided transaction is completed");
  if (core.holdsMarkers || core.troubles.movingTransactions.has(transactionalId)) return;
  for (const [topic, partition] of [...transaction.partitions.values()]) {
    if (!isWritable(core, topic, partition)) continue;
    const log = findLog(core.state, topic, partition);
    invariant(log !== undefined, "partitions of a deleted topic leave their transactions");
    core.emit({
      kind: "marker-appended",
      topic,
      partition,
      offset: log.logEnd,
      leaderEpoch: log.leaderEpoch,
      producerId: ended.producerId,
      producerEpoch: ended.markerEpoch,
      transactionalId,
      isCommit: ended.isCommit,
      timestamp: times.wallMs,
    });
  }
  for (const groupId of [...transaction.groups]) {
    if (core.troubles.movingGroups.has(groupId)) continue;
    core.emit({ kind: "transaction-offsets-resolved", transactionalId, groupId });
  }
  if (transaction.partitions.size + transaction.groups.size > 0) return;
  core.emit({ kind: "transaction-completed", transactionalId });
}

/** Whether a decided transaction can come closer to its completion now. */
export function isCompletable(core: Core, transaction: TransactionState): boolean {
  const { transactionalId, status, partitions, groups } = transaction;
  if (!status.startsWith("Prepare") || core.holdsMarkers) return false;
  const { movingTransactions, movingGroups } = core.troubles;
  if (movingTransactions.has(transactionalId)) return false;
  if (partitions.size + groups.size === 0) return true;
  for (const [topic, partition] of partitions.values()) if (isWritable(core, topic, partition)) return true;
  for (const groupId of groups) if (!movingGroups.has(groupId)) return true;
  return false;
}

function isWritable(core: Core, topic: string, partition: number): boolean {
  const place = { topic, partition };
  return checkLeader(core, place) === null && checkReplicas(core, place) === null;
}
