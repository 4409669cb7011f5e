import type { RecordSlab } from "../columns/records.ts";
import { applyChange } from "./apply_change.ts";
import type { Change, OffsetEntry, PartitionEntry } from "./change.ts";
import { ClusterCore } from "./cluster_core.ts";
import type { ClusterState, GroupState, TransactionStatus } from "./cluster_state.ts";
import type { EmbeddedClusterOptions, Times } from "./core.ts";
import { nextDeadlineMs } from "./deadlines.ts";
import type { GroupFence } from "./group_fence.ts";
import * as groups from "./group_requests.ts";
import { abortHanging, compactLog, truncateLog } from "./log_requests.ts";
import type { Moved } from "./moved.ts";
import * as offsets from "./offset_requests.ts";
import * as operations from "./operations.ts";
import { type Appended, type ProduceToPartition, produceToPartition } from "./produce_request.ts";
import type { ReadOptions } from "./read_log.ts";
import * as reads from "./read_requests.ts";
import type { Reply } from "./reply.ts";
import * as topics from "./topic_requests.ts";
import * as transactions from "./transaction_requests.ts";
import { checkGroupCoordinator } from "./troubles.ts";

export type { EmbeddedClusterOptions, Times } from "./core.ts";

/** A partition in a request. */
export interface Place {
  /** Topic name. */
  readonly topic: string;
  /** Partition number. */
  readonly partition: number;
}

/** First offset, last stable offset and high watermark of a partition. */
export interface LogBounds {
  /** First offset that the log holds. */
  readonly logStart: number;
  /** Offset up to which every transaction is decided. */
  readonly lastStableOffset: number;
  /** Offset of the next record. */
  readonly logEnd: number;
}

/**
 * The embedded broker as one deterministic state machine: topics, logs, producers, transactions and groups. Requests are
 * synchronous; time, randomness and ids come in as arguments. Each request is validated, becomes changes, and these are
 * applied and shown to the observers in order: a journal of them rebuilds the cluster with {@linkcode apply}.
 */
export class EmbeddedCluster {
  readonly #core: ClusterCore;

  /**
   * An empty cluster.
   *
   * @param options Bounds.
   * @throws {RangeError} when a bound is not a number above 0.
   */
  constructor(options: EmbeddedClusterOptions = {}) {
    this.#core = new ClusterCore(options);
  }

  /** The state, to be read. */
  get state(): ClusterState {
    return this.#core.state;
  }

  /** Resolved options. */
  get options(): Readonly<Required<EmbeddedClusterOptions>> {
    return this.#core.options;
  }

  /** Applies a change of a journal or a snapshot; observers are not told. */
  apply(change: Change): void {
    applyChange(this.#core.state, change);
  }

  /** Calls `observer` with each change that a request makes, right after it is applied. Returns how to stop it. */
  onChange(observer: (change: Change) => void): () => void {
    this.#core.changeObservers.add(observer);
    return () => void this.#core.changeObservers.delete(observer);
  }

  /** Calls `observer` whenever anything moved that somebody may wait for, with what it was. Returns how to stop it. */
  onActivity(observer: (moved: Moved) => void): () => void {
    this.#core.activityObservers.add(observer);
    return () => void this.#core.activityObservers.delete(observer);
  }

  /** Names the cluster, once. */
  nameCluster(clusterId: string): void {
    if (this.state.clusterId === "") this.#core.emit({ kind: "cluster-named", clusterId });
  }

  /** Switches the generation of the transaction protocol, while no transaction is open. */
  setTransactionVersion(version: 1 | 2): Reply<void> {
    return transactions.setTransactionVersion(this.#core, version);
  }

  /** While held, ended transactions wait in Prepare for their markers; releasing writes them at the next tick. */
  holdMarkers(isHeld: boolean): void {
    this.#core.holdsMarkers = isHeld;
  }

  /** Creates a topic. */
  createTopic(request: { topic: string; partitions: number; topicId: string }, times: Times): Reply<void> {
    const reply = topics.createTopic(this.#core, request);
    if (reply.kind === "done") groups.rebalanceSubscribers(this.#core, request.topic, times);
    return reply;
  }

  /** Deletes a topic with its records and what groups committed for it. */
  deleteTopic(topic: string, times: Times): Reply<void> {
    const reply = topics.deleteTopic(this.#core, topic);
    if (reply.kind === "done") groups.rebalanceSubscribers(this.#core, topic, times);
    return reply;
  }

  /** Raises the number of partitions of a topic. */
  addPartitions(request: { topic: string; partitions: number }, times: Times): Reply<void> {
    const reply = topics.addPartitions(this.#core, request.topic, request.partitions);
    if (reply.kind === "done") groups.rebalanceSubscribers(this.#core, request.topic, times);
    return reply;
  }

  /** Gives up the records before an offset. */
  deleteRecordsBefore(place: Place, offset: number): Reply<void> {
    return topics.deleteRecordsBefore(this.#core, place, offset);
  }

  /** A new leader takes over a partition. Returns its epoch. */
  bumpLeaderEpoch(place: Place): Reply<number> {
    return topics.bumpLeaderEpoch(this.#core, place);
  }

  /**
   * Log compaction: keeps the newest record of each key below a clean point; offsets stay, so the log has gaps.
   *
   * @param place Which partition.
   * @param options `upTo`: the clean point; the last stable offset and the newest batch bound it.
   * @returns How many records went.
   */
  compact(place: Place, options: { readonly upTo?: number } = {}): Reply<number> {
    return compactLog(this.#core, place, options.upTo ?? Infinity);
  }

  /**
   * An unclean election: the log ends at `offset`, or before it where a batch spans it, and a new leader goes on there.
   *
   * @param place Which partition.
   * @param offset First offset that is lost.
   * @returns The log's new end.
   */
  truncate(place: Place, offset: number): Reply<number> {
    return truncateLog(this.#core, place, offset);
  }

  /** Aborts transactions that are open in a partition and unknown to their coordinators. Returns how many. */
  abortHanging(place: Place, times: Times): Reply<number> {
    return abortHanging(this.#core, place, times);
  }

  /** The partition loses its leader, or gets a new one, under the next leader epoch. */
  setLeaderless(place: Place, isLeaderless: boolean): Reply<void> {
    return operations.setLeaderless(this.#core, place, isLeaderless);
  }

  /** The partition has too few replicas in sync to take records, or enough again. */
  setReplicasShort(place: Place, isShort: boolean): Reply<void> {
    return operations.setReplicasShort(this.#core, place, isShort);
  }

  /** A topic takes only records up to this size, or again what the cluster takes (`max.message.bytes`). */
  setRecordBytesMax(topic: string, recordBytesMax: number | null): Reply<void> {
    return operations.setRecordBytesMax(this.#core, topic, recordBytesMax);
  }

  /** The group's coordinator moves: members stay, but all requests to it are refused for `forMs`. */
  moveCoordinator(groupId: string, forMs: number, times: Times): void {
    operations.moveGroupCoordinator(this.#core, groupId, { untilMs: times.monotonicMs + forMs });
  }

  /** Whether the coordinator of a group moves: requests to it are refused now. */
  isMoving(groupId: string): boolean {
    return this.#core.troubles.movingGroups.has(groupId);
  }

  /** The coordinator of a transactional id moves: requests to it are refused for `forMs`. */
  moveTransactionCoordinator(transactionalId: string, forMs: number, times: Times): void {
    operations.moveTransactionCoordinator(this.#core, transactionalId, { untilMs: times.monotonicMs + forMs });
  }

  /** The epoch that a transactional id has now is the last one of its producer id. */
  exhaustEpochs(transactionalId: string): Reply<void> {
    return transactions.exhaustEpochs(this.#core, transactionalId);
  }

  /** What a restart of the broker forgets is forgotten: dynamic members, ages of transactions. */
  restart(times: Times): void {
    operations.restartCluster(this.#core, times);
  }

  /** Appends records to one partition. */
  produce(request: ProduceToPartition, times: Times): Reply<Appended> {
    return produceToPartition(this.#core, request, times);
  }

  /**
   * Reads one partition.
   *
   * @returns A slab, or `null` when there is nothing new; refused are `offset-out-of-range` with the log's bounds, and
   * `log-truncated` when the reader was ahead of an unclean election.
   */
  fetch(place: Place, options: ReadOptions): Reply<RecordSlab | null> {
    return reads.fetchPartition(this.#core, place, options);
  }

  /** Bounds of a partition's log. */
  bounds(place: Place): Reply<LogBounds> {
    return reads.boundsOf(this.#core, place);
  }

  /** First offset whose timestamp is at or after a time, or the log's stable end. */
  offsetAt(place: Place, atMs: number): Reply<number> {
    return reads.offsetAt(this.#core, place, atMs);
  }

  /** Gives out an id for an idempotent producer. */
  allocateProducer(): Reply<transactions.ProducerSession> {
    return transactions.allocateProducer(this.#core);
  }

  /** Makes the caller the one producer of a transactional id. */
  initializeTransactions(
    request: { readonly transactionalId: string; readonly timeoutMs: number },
    times: Times,
  ): Reply<transactions.ProducerSession> {
    return transactions.initializeTransactions(this.#core, request, times);
  }

  /** Generation 1: adds partitions to a transaction before the first record goes to them. */
  addTransactionPartitions(
    request: transactions.TransactionIdentity & { readonly partitions: readonly PartitionEntry[] },
    times: Times,
  ): Reply<void> {
    return transactions.addTransactionPartitions(this.#core, request, times);
  }

  /** Stages offsets that become committed with the transaction. */
  stageOffsets(
    request: transactions.TransactionIdentity & {
      readonly fence: GroupFence;
      readonly offsets: readonly OffsetEntry[];
    },
    times: Times,
  ): Reply<void> {
    this.#revive(request.fence.groupId, times);
    return transactions.stageOffsets(this.#core, request, times);
  }

  /** Ends a transaction. */
  endTransaction(
    request: transactions.TransactionIdentity & { readonly isCommit: boolean },
    times: Times,
  ): Reply<transactions.ProducerSession> {
    return transactions.endTransaction(this.#core, request, times);
  }

  /** Forgets a transactional id without an open transaction. */
  expireTransactionalId(transactionalId: string): Reply<void> {
    return transactions.expireTransactionalId(this.#core, transactionalId);
  }

  /** Where a transactional id stands; `Dead` when it is not known. */
  transactionStatus(transactionalId: string): TransactionStatus {
    return transactions.transactionStatus(this.#core, transactionalId);
  }

  /** Joins a group, for the first time or again. */
  join(request: groups.JoinRequest, times: Times): Reply<void> {
    return groups.joinGroup(this.#core, request, times);
  }

  /** What a member that joined is to do next. */
  sync(fence: Omit<GroupFence, "generation">, times: Times): Reply<groups.SyncResult> {
    this.#revive(fence.groupId, times);
    return groups.syncGroup(this.#core, fence, times);
  }

  /** A sign of life. */
  heartbeat(fence: GroupFence, times: Times): Reply<"stable" | "rebalance"> {
    this.#revive(fence.groupId, times);
    return groups.heartbeat(this.#core, fence, times);
  }

  /** A member leaves. */
  leave(fence: Omit<GroupFence, "generation">, times: Times): Reply<void> {
    this.#revive(fence.groupId, times);
    return groups.leaveGroup(this.#core, fence, times);
  }

  /** Makes all members of a group join again. */
  rebalance(groupId: string, times: Times): void {
    const group = this.#revive(groupId, times);
    if (group !== undefined) groups.rebalanceGroup(this.#core, group, times);
  }

  /** Drops a member as if its session had expired. */
  expireMember(request: { readonly groupId: string; readonly memberId: string }, times: Times): void {
    const group = this.#revive(request.groupId, times);
    if (group !== undefined) groups.removeMember(this.#core, group, { memberId: request.memberId, times });
  }

  /** Commits offsets outside of a transaction. */
  commitOffsets(
    request: { readonly fence: GroupFence; readonly offsets: readonly OffsetEntry[] },
    times: Times,
  ): Reply<void> {
    this.#revive(request.fence.groupId, times);
    return offsets.commitOffsets(this.#core, request, times);
  }

  /** What a group committed; without `times` whatever its coordinator does. */
  committedOffsets(
    request: { readonly groupId: string; readonly partitions: readonly PartitionEntry[]; readonly isStable: boolean },
    times?: Times,
  ): Reply<OffsetEntry[]> {
    const moved = times === undefined ? null : checkGroupCoordinator(this.#core, request.groupId, times);
    return moved ?? offsets.committedOffsets(this.#core, request);
  }

  /** Overwrites committed offsets of a group without members. */
  overwriteOffsets(
    request: { readonly groupId: string; readonly offsets: readonly OffsetEntry[] },
    times: Times,
  ): Reply<void> {
    this.#revive(request.groupId, times);
    return checkGroupCoordinator(this.#core, request.groupId, times) ??
      offsets.overwriteOffsets(this.#core, request.groupId, request.offsets);
  }

  /** Deletes, or lets expire, committed offsets of a group without members. */
  deleteOffsets(
    request: { readonly groupId: string; readonly partitions: readonly PartitionEntry[] },
    times: Times,
  ): Reply<void> {
    this.#revive(request.groupId, times);
    return offsets.deleteOffsets(this.#core, request.groupId, request.partitions);
  }

  /** Deletes a group without members. */
  deleteGroup(groupId: string, times: Times): Reply<void> {
    this.#revive(groupId, times);
    return offsets.deleteGroup(this.#core, groupId);
  }

  /** Lets timeouts of sessions, rebalances and transactions happen. */
  tick(times: Times): void {
    operations.endMoves(this.#core, times);
    transactions.tickTransactions(this.#core, times);
    groups.tickGroups(this.#core, times);
  }

  /** Monotonic time of the next timeout that {@linkcode tick} would act on; `Infinity` when there is none. */
  nextDeadlineMs(): number {
    return nextDeadlineMs(this.#core);
  }

  #revive(groupId: string, times: Times): GroupState | undefined {
    const group = this.state.groups.get(groupId);
    if (group !== undefined) groups.reviveGroup(group, times);
    return group;
  }
}
