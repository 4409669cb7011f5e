import { invariant } from "../base/assert.ts";
import type { Change, OffsetEntry } from "./change.ts";
import type { ClusterState, GroupState, TopicState, TransactionState } from "./cluster_state.ts";
import type { LogBatch } from "./log_batch.ts";
import type { PartitionLog } from "./partition_log.ts";

/** What {@linkcode snapshotChanges} needs of a cluster. */
export interface HasState {
  /** The cluster's state. */
  readonly state: ClusterState;
}

/**
 * The shortest history that rebuilds the present durable state: applied to a new cluster, in order, it gives an equal
 * one. It is lazy and must be consumed before the cluster changes.
 *
 * @param cluster The cluster.
 * @returns Changes, batches without a copy.
 */
export function* snapshotChanges(cluster: HasState): Generator<Change, void, undefined> {
  const { state } = cluster;
  if (state.clusterId !== "") yield { kind: "cluster-named", clusterId: state.clusterId };
  yield { kind: "transaction-version-set", version: state.transactionVersion };
  if (state.nextProducerId > 1) yield { kind: "producer-allocated", producerId: state.nextProducerId - 1 };
  for (const topic of state.topics.values()) yield* topicChanges(topic);
  for (const [, transaction] of sorted(state.transactions)) yield* transactionChanges(state, transaction);
  for (const [, group] of sorted(state.groups)) yield* groupChanges(group);
}

/** By name, so that equal states have equal snapshots whatever they went through. */
function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => a < b ? -1 : 1);
}

function* topicChanges({ topic, topicId, logs }: TopicState): Generator<Change, void, undefined> {
  yield { kind: "topic-created", topic, topicId, partitions: logs.length };
  for (const [partition, log] of logs.entries()) yield* logChanges({ topic, partition }, log);
}

function* logChanges(
  place: { readonly topic: string; readonly partition: number },
  log: PartitionLog,
): Generator<Change, void, undefined> {
  const firstBatch = log.batchCount === 0 ? log.logEnd : log.batchAt(0).baseOffset;
  const first = Math.min(log.logStart, firstBatch);
  const epochs = log.epochs.starts();
  if (firstBatch > 0 || log.leaderEpoch > 0) {
    yield { kind: "log-restored", ...place, nextOffset: first, leaderEpoch: log.leaderEpoch, epochs };
  }
  let nextOffset = first;
  for (const batch of log.batches()) {
    if (batch.baseOffset > nextOffset) yield { kind: "offsets-skipped", ...place, nextOffset: batch.baseOffset };
    yield batchChange(place, batch);
    nextOffset = batch.lastOffset + 1;
  }
  if (log.logEnd > nextOffset) yield { kind: "offsets-skipped", ...place, nextOffset: log.logEnd };
  if (log.logStart > first) yield { kind: "log-start-moved", ...place, logStart: log.logStart };
  for (const { producerId, epoch, batches, openFrom } of log.producers.values()) {
    yield {
      kind: "producer-restored",
      ...place,
      producerId,
      producerEpoch: epoch,
      batches: batches.map(([firstSequence, lastSequence, offset]) => [firstSequence, lastSequence, offset] as const),
      openFrom,
    };
  }
}

function batchChange(place: { readonly topic: string; readonly partition: number }, batch: LogBatch): Change {
  const { baseOffset, lastOffset, records, deltas, marker } = batch;
  const { leaderEpoch, producerId, producerEpoch, sequence, isTransactional } = batch;
  if (records === null) {
    invariant(marker !== null, "a batch holds records or a marker");
    return {
      kind: "marker-appended",
      ...place,
      offset: baseOffset,
      leaderEpoch,
      producerId,
      producerEpoch,
      transactionalId: null,
      isCommit: marker.isCommit,
      timestamp: marker.timestamp,
    };
  }
  return {
    kind: "batch-appended",
    ...place,
    baseOffset,
    leaderEpoch,
    producerId,
    producerEpoch,
    sequence,
    isTransactional,
    records,
    ...deltas === null ? {} : { compacted: { lastOffset, deltas: [...deltas] } },
  };
}

function* transactionChanges(state: ClusterState, transaction: TransactionState): Generator<Change, void, undefined> {
  const { transactionalId, status, ended, timeoutMs, producerId, producerEpoch } = transaction;
  yield {
    kind: "transaction-initialized",
    transactionalId,
    producerId: ended?.producerId ?? producerId,
    producerEpoch: ended?.producerEpoch ?? producerEpoch,
    timeoutMs,
  };
  if (status === "Ongoing" || transaction.partitions.size > 0) {
    yield { kind: "transaction-partitions-added", transactionalId, partitions: [...transaction.partitions.values()] };
  }
  for (const groupId of transaction.groups) {
    const offsets: OffsetEntry[] = [...state.groups.get(groupId)?.pending.get(transactionalId)?.values() ?? []];
    yield { kind: "transaction-offsets-staged", transactionalId, groupId, offsets };
  }
  if (ended !== null) {
    const { isCommit, isFenced, markerEpoch } = ended;
    yield { kind: "transaction-prepared", transactionalId, isCommit, isFenced, markerEpoch, producerId, producerEpoch };
    if (status.startsWith("Complete")) yield { kind: "transaction-completed", transactionalId };
  }
  if (transaction.isExhausted) yield { kind: "transaction-epochs-exhausted", transactionalId };
}

function* groupChanges(group: GroupState): Generator<Change, void, undefined> {
  const { groupId, generation, hasDynamicMembers } = group;
  if (generation > 0) {
    yield { kind: "group-settled", groupId, generation, statics: [...group.statics.values()], hasDynamicMembers };
  }
  if (group.offsets.size > 0) yield { kind: "offsets-committed", groupId, offsets: [...group.offsets.values()] };
}
