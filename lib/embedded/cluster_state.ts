import type { OffsetEntry, PartitionEntry, StaticMemberFact } from "./change.ts";
import { PartitionLog } from "./partition_log.ts";

/** A topic and its partitions. */
export interface TopicState {
  /** Topic name. */
  readonly topic: string;
  /** Id of this incarnation. */
  readonly topicId: string;
  /** One log for each partition. */
  readonly logs: PartitionLog[];
}

/**
 * State of a transactional id. Empty -> Ongoing -> PrepareCommit -> CompleteCommit -> Ongoing ..., likewise for abort;
 * Dead is an id that is not known (any more).
 */
export type TransactionStatus =
  | "Empty"
  | "Ongoing"
  | "PrepareCommit"
  | "PrepareAbort"
  | "CompleteCommit"
  | "CompleteAbort"
  | "Dead";

/** How the last transaction of an id ended. */
export interface TransactionEnd {
  /** Producer id that ended it; the markers carry it. */
  readonly producerId: number;
  /** Epoch that the ended transaction had. */
  readonly producerEpoch: number;
  /** Epoch that the markers carry. */
  readonly markerEpoch: number;
  /** Commit or abort. */
  readonly isCommit: boolean;
  /** Ended by the coordinator, against the producer's will. */
  readonly isFenced: boolean;
}

/** One transactional id. */
export interface TransactionState {
  /** `transactional.id`. */
  readonly transactionalId: string;
  /** Where it stands. */
  status: TransactionStatus;
  /** Identity that requests must present. */
  producerId: number;
  /** See `producerId`. */
  producerEpoch: number;
  /** Bound of an open transaction in milliseconds. */
  timeoutMs: number;
  /** How the last transaction ended; `null` since the last initialization. */
  ended: TransactionEnd | null;
  /** Whether the present epoch is the last one of the producer id. */
  isExhausted: boolean;
  /** Partitions that still need a marker. */
  readonly partitions: Map<string, PartitionEntry>;
  /** Groups whose staged offsets are not resolved yet. */
  readonly groups: Set<string>;
  /** Volatile: monotonic time at which the open transaction began, `null` until known after a restart. */
  startedMs: number | null;
}

/** A member of a group; volatile. */
export interface MemberState {
  /** Member id. */
  readonly memberId: string;
  /** `group.instance.id`, or `null`. */
  readonly instanceId: string | null;
  /** Subscribed topics, sorted. */
  topics: readonly string[];
  /** Session timeout in milliseconds. */
  readonly sessionTimeoutMs: number;
  /** How long a rebalance waits for this member, in milliseconds. */
  readonly rebalanceTimeoutMs: number;
  /** Monotonic time of the last sign of life. */
  lastSeenMs: number;
  /** Whether it has joined the rebalance that is under way. */
  isJoined: boolean;
  /** Whether it was told its assignment of this generation. */
  isSynced: boolean;
  /** Partitions of the last settled generation. */
  assignment: readonly PartitionEntry[];
}

/** A group. `settled`, `generation`, offsets and pending offsets are durable, the rest is volatile. */
export interface GroupState {
  /** Consumer group. */
  readonly groupId: string;
  /** Generation; never goes back. */
  generation: number;
  /** Static members as of the last settled generation, by instance id. */
  statics: Map<string, StaticMemberFact>;
  /** Whether dynamic members took part in it. */
  hasDynamicMembers: boolean;
  /** Committed offsets by partition key. */
  readonly offsets: Map<string, OffsetEntry>;
  /** Offsets staged by open transactions: by transactional id, then by partition key. */
  readonly pending: Map<string, Map<string, OffsetEntry>>;
  /** Volatile: whether `members` already holds what a restart left of the statics. */
  isRevived: boolean;
  /** Volatile: where it stands. */
  phase: "empty" | "preparing" | "stable";
  /** Volatile: members by member id. */
  readonly members: Map<string, MemberState>;
  /** Volatile: when the rebalance under way stops waiting, monotonic milliseconds. */
  rebalanceDeadlineMs: number;
}

/** Everything an embedded cluster knows. Durable fields change by `applyChange` only. */
export interface ClusterState {
  /** Identity; empty until named. */
  clusterId: string;
  /** Generation of the transaction protocol. */
  transactionVersion: 1 | 2;
  /** Next producer id. */
  nextProducerId: number;
  /** Topics by name. */
  readonly topics: Map<string, TopicState>;
  /** Transactional ids. */
  readonly transactions: Map<string, TransactionState>;
  /** Groups. */
  readonly groups: Map<string, GroupState>;
}

/** The state of a new cluster. */
export function emptyState(): ClusterState {
  return {
    clusterId: "",
    transactionVersion: 2,
    nextProducerId: 1,
    topics: new Map(),
    transactions: new Map(),
    groups: new Map(),
  };
}

/** A group that nobody used yet. */
export function emptyGroup(groupId: string): GroupState {
  return {
    groupId,
    generation: 0,
    statics: new Map(),
    hasDynamicMembers: false,
    offsets: new Map(),
    pending: new Map(),
    isRevived: false,
    phase: "empty",
    members: new Map(),
    rebalanceDeadlineMs: Infinity,
  };
}

/** Key of a partition in maps; topic names cannot contain a colon. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic}:${partition}`;
}

/** The log of a partition, if there is one. */
export function findLog(state: ClusterState, topic: string, partition: number): PartitionLog | undefined {
  return state.topics.get(topic)?.logs[partition];
}

/** New empty logs. */
export function newLogs(count: number): PartitionLog[] {
  return Array.from({ length: count }, () => new PartitionLog());
}
