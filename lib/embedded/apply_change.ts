import { invariant } from "../base/assert.ts";
import type { Change, GroupChange, LogChange, ProducerChange, TopicChange, TransactionChange } from "./change.ts";
import {
  type ClusterState,
  emptyGroup,
  findLog,
  type GroupState,
  newLogs,
  partitionKey,
  type TransactionState,
} from "./cluster_state.ts";
import type { PartitionLog } from "./partition_log.ts";

/**
 * The only mutator of durable state, live and at recovery: a pure function of (state, change).
 *
 * @param state The state to change.
 * @param change What happened.
 * @throws {InvariantError} when the change does not fit the state, which a validated request never causes.
 */
export function applyChange(state: ClusterState, change: Change): void {
  switch (change.kind) {
    case "cluster-named":
      state.clusterId = change.clusterId;
      return;
    case "transaction-version-set":
      state.transactionVersion = change.version;
      return;
    case "topic-created":
    case "topic-deleted":
    case "partitions-added":
      return applyTopic(state, change);
    case "batch-appended":
    case "marker-appended":
    case "log-start-moved":
    case "log-compacted":
    case "log-truncated":
    case "log-restored":
    case "offsets-skipped":
    case "leader-epoch-bumped":
      return applyLog(state, change);
    case "producer-allocated":
    case "producer-restored":
      return applyProducer(state, change);
    case "group-settled":
    case "static-member-replaced":
    case "offsets-committed":
    case "offsets-deleted":
    case "group-deleted":
      return applyGroup(state, change);
    default:
      return applyTransaction(state, change);
  }
}

function logOf(state: ClusterState, place: { topic: string; partition: number }): PartitionLog {
  const log = findLog(state, place.topic, place.partition);
  invariant(log !== undefined, `a change names a partition that exists: ${place.topic}:${place.partition}`);
  return log;
}

function applyTopic(state: ClusterState, change: TopicChange): void {
  const { topic } = change;
  if (change.kind === "topic-created") {
    invariant(!state.topics.has(topic), "a topic is created once");
    state.topics.set(topic, { topic, topicId: change.topicId, logs: newLogs(change.partitions) });
    return;
  }
  const found = state.topics.get(topic);
  invariant(found !== undefined, "a change names a topic that exists");
  if (change.kind === "partitions-added") {
    invariant(change.partitions > found.logs.length, "partitions are only added");
    found.logs.push(...newLogs(change.partitions - found.logs.length));
    return;
  }
  state.topics.delete(topic);
  for (const transaction of state.transactions.values()) {
    for (const [key, [name]] of transaction.partitions) if (name === topic) transaction.partitions.delete(key);
  }
  for (const group of state.groups.values()) {
    for (const offsets of [group.offsets, ...group.pending.values()]) {
      for (const [key, entry] of offsets) if (entry.topic === topic) offsets.delete(key);
    }
  }
}

function applyLog(state: ClusterState, change: LogChange): void {
  const log = logOf(state, change);
  switch (change.kind) {
    case "batch-appended":
      return log.append(change);
    case "marker-appended":
      log.appendMarker(change);
      if (change.transactionalId !== null) {
        const transaction = state.transactions.get(change.transactionalId);
        transaction?.partitions.delete(partitionKey(change.topic, change.partition));
      }
      return;
    case "log-start-moved":
      return log.moveStart(change.logStart);
    case "log-compacted":
      return log.compact(change.removed);
    case "log-truncated":
      return log.truncate(change.logEnd, change.leaderEpoch);
    case "log-restored":
      return log.restore(change);
    case "offsets-skipped":
      return log.skipTo(change.nextOffset);
    case "leader-epoch-bumped":
      return log.bumpLeaderEpoch(change.leaderEpoch);
  }
}

function applyProducer(state: ClusterState, change: ProducerChange): void {
  if (change.kind === "producer-allocated") {
    state.nextProducerId = Math.max(state.nextProducerId, change.producerId + 1);
    return;
  }
  logOf(state, change).restoreProducer({
    producerId: change.producerId,
    epoch: change.producerEpoch,
    batches: change.batches.map(([first, last, offset]) => [first, last, offset]),
    openFrom: change.openFrom,
  });
}

function transactionOf(state: ClusterState, transactionalId: string): TransactionState {
  const transaction = state.transactions.get(transactionalId);
  invariant(transaction !== undefined, `a change names a transactional id that exists: ${transactionalId}`);
  return transaction;
}

function applyTransaction(state: ClusterState, change: TransactionChange): void {
  const { transactionalId } = change;
  switch (change.kind) {
    case "transaction-initialized":
      return applyInitialized(state, change);
    case "transaction-expired":
      state.transactions.delete(transactionalId);
      return;
    case "transaction-partitions-added": {
      const transaction = begun(state, transactionalId);
      for (const entry of change.partitions) transaction.partitions.set(partitionKey(...entry), [...entry]);
      return;
    }
    case "transaction-offsets-staged": {
      begun(state, transactionalId).groups.add(change.groupId);
      const { pending } = groupOf(state, change.groupId);
      const staged = pending.get(transactionalId) ?? new Map();
      for (const entry of change.offsets) staged.set(partitionKey(entry.topic, entry.partition), entry);
      pending.set(transactionalId, staged);
      return;
    }
    case "transaction-prepared": {
      const transaction = transactionOf(state, transactionalId);
      transaction.ended = {
        producerId: transaction.producerId,
        producerEpoch: transaction.producerEpoch,
        markerEpoch: change.markerEpoch,
        isCommit: change.isCommit,
        isFenced: change.isFenced,
      };
      transaction.status = change.isCommit ? "PrepareCommit" : "PrepareAbort";
      if (change.producerId !== transaction.producerId) transaction.isExhausted = false;
      transaction.producerId = change.producerId;
      transaction.producerEpoch = change.producerEpoch;
      state.nextProducerId = Math.max(state.nextProducerId, change.producerId + 1);
      return;
    }
    case "transaction-epochs-exhausted":
      transactionOf(state, transactionalId).isExhausted = true;
      return;
    case "transaction-offsets-resolved":
      return applyResolved(state, transactionOf(state, transactionalId), change.groupId);
    case "transaction-completed": {
      const transaction = transactionOf(state, transactionalId);
      invariant(transaction.partitions.size === 0 && transaction.groups.size === 0, "all markers are written");
      transaction.status = transaction.status === "PrepareCommit" ? "CompleteCommit" : "CompleteAbort";
      transaction.startedMs = null;
      return;
    }
  }
}

function applyInitialized(
  state: ClusterState,
  change: Extract<TransactionChange, { kind: "transaction-initialized" }>,
): void {
  state.transactions.set(change.transactionalId, {
    transactionalId: change.transactionalId,
    status: "Empty",
    producerId: change.producerId,
    producerEpoch: change.producerEpoch,
    timeoutMs: change.timeoutMs,
    ended: null,
    isExhausted: false,
    partitions: new Map(),
    groups: new Set(),
    startedMs: null,
  });
  state.nextProducerId = Math.max(state.nextProducerId, change.producerId + 1);
}

/** The transaction, Ongoing now. */
function begun(state: ClusterState, transactionalId: string): TransactionState {
  const transaction = transactionOf(state, transactionalId);
  invariant(!transaction.status.startsWith("Prepare"), "nothing joins a transaction that is ending");
  transaction.status = "Ongoing";
  transaction.ended = null;
  return transaction;
}

function applyResolved(state: ClusterState, transaction: TransactionState, groupId: string): void {
  transaction.groups.delete(groupId);
  const group = groupOf(state, groupId);
  const staged = group.pending.get(transaction.transactionalId);
  group.pending.delete(transaction.transactionalId);
  if (transaction.status !== "PrepareCommit" || staged === undefined) return;
  for (const [key, entry] of staged) group.offsets.set(key, entry);
}

/** The group, made when it is missing. */
export function groupOf(state: ClusterState, groupId: string): GroupState {
  let group = state.groups.get(groupId);
  if (group === undefined) {
    group = emptyGroup(groupId);
    state.groups.set(groupId, group);
  }
  return group;
}

function applyGroup(state: ClusterState, change: GroupChange): void {
  if (change.kind === "group-deleted") {
    state.groups.delete(change.groupId);
    return;
  }
  const group = groupOf(state, change.groupId);
  switch (change.kind) {
    case "group-settled":
      invariant(change.generation > group.generation, "generations only grow");
      group.generation = change.generation;
      group.statics = new Map(change.statics.map((fact) => [fact.instanceId, fact]));
      group.hasDynamicMembers = change.hasDynamicMembers;
      return;
    case "static-member-replaced": {
      const fact = group.statics.get(change.instanceId);
      invariant(fact !== undefined, "only a known static member is replaced");
      group.statics.set(change.instanceId, { ...fact, memberId: change.memberId });
      return;
    }
    case "offsets-committed":
      for (const entry of change.offsets) group.offsets.set(partitionKey(entry.topic, entry.partition), entry);
      return;
    case "offsets-deleted":
      for (const entry of change.partitions) group.offsets.delete(partitionKey(...entry));
      return;
  }
}
