import type { Outcome } from "../base/outcome.ts";
import type { Records, RecordSlab } from "../columns/records.ts";

/** One partition of one topic. */
export interface TopicPartition {
  /** Topic name. */
  readonly topic: string;
  /** Partition number, from 0. */
  readonly partition: number;
}

/** What a group committed, or is to commit, for one partition. */
export interface CommittedPosition extends TopicPartition {
  /** Next offset to read. */
  readonly offset: bigint;
  /** Leader epoch of the last record read, or -1 when unknown. */
  readonly leaderEpoch: number;
  /** Commit metadata (lineage, commit sequence, watermark, journal); empty when there is none. At most 4,096 bytes. */
  readonly metadata: string;
}

/** The fence of a commit: who commits, as captured when the transaction began. */
export interface GroupMetadata {
  /** Consumer group. */
  readonly groupId: string;
  /** Member generation (or member epoch). */
  readonly generation: number;
  /** Member id. */
  readonly memberId: string;
  /** Static member's `group.instance.id`, or `null`. */
  readonly instanceId: string | null;
}

/** Told of changes of the assignment. Each call is awaited before anything else happens to those partitions. */
export interface RebalanceListener {
  /** New partitions; polling of them starts after this resolves. */
  assigned(partitions: readonly TopicPartition[]): Promise<void>;
  /** Partitions that go away in good order: the member may still commit until this resolves. */
  revoked(partitions: readonly TopicPartition[]): Promise<void>;
  /** Partitions that are already somebody else's: nothing may be committed any more. */
  lost(partitions: readonly TopicPartition[]): Promise<void>;
}

/** Options of {@linkcode Broker.consumer}. */
export interface ConsumerOptions {
  /** Consumer group. */
  groupId: string;
  /** Static membership: the same id keeps its partitions over a short restart. @default {undefined} */
  instanceId?: string;
  /** Failover grace: a silent member loses its partitions after this. @default {60_000} */
  sessionTimeoutMs?: number;
  /** `read_committed` hides open and aborted transactions. @default {"read_committed"} */
  isolation?: "read_committed" | "read_uncommitted";
  /** Names this client in the broker's logs. @default {"turbine"} */
  clientId?: string;
}

/** Bounds of one poll. */
export interface PollOptions {
  /** At most so many records over all partitions, at least one batch. */
  readonly maxRecords: number;
  /** About so many bytes over all partitions, at least one batch. */
  readonly maxBytes: number;
  /** How long to wait when there is nothing. */
  readonly timeoutMs: number;
}

/** A member of a consumer group. Not safe for concurrent calls, except `wake`, `groupMetadata` and `close`. */
export interface Consumer {
  /**
   * Joins the group. The listener is called from within `subscribe`, `poll` and `close` only.
   *
   * @param topics Which topics.
   * @param listener Told of each change.
   * @throws {UnknownTopicError} when a topic does not exist.
   */
  subscribe(topics: readonly string[], listener: RebalanceListener): Promise<void>;
  /**
   * Fetches; one slab for each partition that has something new (an empty slab when only control records were passed).
   *
   * @throws {OffsetOutOfRangeError} with `context` {topic, partition, position, logStart, logEnd}; never a silent reset.
   * @throws {BrokerUnavailableError} to be tried again.
   */
  poll(options: PollOptions): Promise<readonly RecordSlab[]>;
  /** Lets a running poll return early. */
  wake(): void;
  /**
   * Sets the position of an assigned partition; what was fetched ahead of it is dropped.
   *
   * @param partition Which partition.
   * @param offset Next offset to read.
   * @param leaderEpoch Leader epoch under which the record before it was read: an adapter that can (KIP-320) refuses to
   * read on, with OffsetOutOfRangeError, when the log was truncated before the position. @default {-1, unknown}
   */
  seek(partition: TopicPartition, offset: bigint, leaderEpoch?: number): void;
  /** Stops fetching of partitions; heartbeats go on. */
  pause(partitions: readonly TopicPartition[]): void;
  /** Fetches them again. */
  resume(partitions: readonly TopicPartition[]): void;
  /** Partitions held now. */
  assignment(): readonly TopicPartition[];
  /**
   * What the group committed.
   *
   * @param partitions Which ones.
   * @param options `isStable`: wait (bounded) for open transactions that hold offsets, as KIP-447 asks.
   * @returns One entry for each partition that has a committed offset.
   * @throws {BrokerTimeoutError} when offsets stay unstable past the bound.
   */
  committed(
    partitions: readonly TopicPartition[],
    options: { readonly isStable: boolean },
  ): Promise<readonly CommittedPosition[]>;
  /**
   * Commits outside of a transaction, under the fence of `group`.
   *
   * @returns `not-applied` with FencedError or AssignmentLostError when the fence no longer holds, `unknown` after a
   * lost reply.
   */
  commit(positions: readonly CommittedPosition[], group: GroupMetadata): Promise<Outcome<void>>;
  /** Who we are in the group now: the fence to capture. */
  groupMetadata(): GroupMetadata;
  /**
   * Leaves the group (a static member just goes silent) after an awaited `revoked`.
   *
   * @param options `isDirty`: without a word to the listener. `isLeaving`: a static member leaves too, so that others have
   * its partitions at once and not when its session is over.
   */
  close(options?: { readonly isDirty?: boolean; readonly isLeaving?: boolean }): Promise<void>;
}

/** Where produced records went. */
export interface ProducedRange extends TopicPartition {
  /** Offset of the first record. */
  readonly firstOffset: bigint;
  /** Number of records. */
  readonly count: number;
}

/** Records for one topic. */
export interface ProduceRequest {
  /** Topic name. */
  readonly topic: string;
  /** The records. */
  readonly records: Records;
  /**
   * Partition of each record; one number when all go to one; `undefined`: by murmur2 of the key as Kafka's default
   * partitioner, null keys to one partition for each request, in turn.
   */
  readonly partitions?: Int32Array | number;
}

/** An idempotent producer without transactions. */
export interface Producer {
  /**
   * Appends records; per partition in the order of the calls.
   *
   * @returns `applied` when all records are acknowledged by all in-sync replicas.
   */
  produce(request: ProduceRequest): Promise<Outcome<readonly ProducedRange[]>>;
  /** Waits for what is in flight, then closes. */
  close(): Promise<void>;
}

/** Options of {@linkcode Broker.transactionalProducer}. */
export interface TransactionalProducerOptions {
  /** `<app>.<subscription>.<instance>.<worker>`. */
  transactionalId: string;
  /** The coordinator aborts a transaction that is open for longer. @default {60_000} */
  transactionTimeoutMs?: number;
}

/** A producer whose records and offsets become visible together or not at all. After an unknown outcome: close it. */
export interface TransactionalProducer {
  /** Bumps the epoch: fences older producers of this id and ends their open transaction. */
  initialize(): Promise<Outcome<void>>;
  /** Begins a transaction; local, nothing is sent. */
  begin(): void;
  /** Appends records inside the transaction. */
  produce(request: ProduceRequest): Promise<Outcome<readonly ProducedRange[]>>;
  /** Puts offsets into the transaction, under the fence captured when it began. */
  sendOffsets(positions: readonly CommittedPosition[], group: GroupMetadata): Promise<Outcome<void>>;
  /** Ends the transaction: everything becomes visible. */
  commit(): Promise<Outcome<void>>;
  /** Ends the transaction: nothing becomes visible. */
  abort(): Promise<Outcome<void>>;
  /** Drops the connection without ending anything. */
  close(): Promise<void>;
}

/** A topic as the broker describes it. */
export interface TopicDescription {
  /** Topic name. */
  readonly topic: string;
  /** Stable id of this incarnation of the topic; a recreated topic has another one. */
  readonly topicId: string;
  /** Number of partitions. */
  readonly partitions: number;
  /** Whether records are removed by key (`cleanup.policy=compact`); absent when the adapter does not know. */
  readonly isCompacted?: boolean;
}

/** First and next offset of a partition. */
export interface PartitionOffsets extends TopicPartition {
  /** First offset that the log still holds. */
  readonly logStart: bigint;
  /** Next offset that a read_committed reader can reach (last stable offset). */
  readonly logEnd: bigint;
}

/** Administration and look-ups. */
export interface BrokerAdmin {
  /** Identity of the cluster; checkpoints remember it. */
  clusterId(): Promise<string>;
  /** Creates topics that are missing; an existing one with another partition count is left alone. */
  createTopics(topics: readonly { readonly topic: string; readonly partitions: number }[]): Promise<void>;
  /** Describes the topics that exist. */
  describeTopics(topics: readonly string[]): Promise<readonly TopicDescription[]>;
  /** First and next offset of each partition. */
  offsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffsets[]>;
  /** First offset whose timestamp is at or after `atMs`, or the log's end. */
  offsetsAt(
    partitions: readonly TopicPartition[],
    atMs: number,
  ): Promise<readonly (TopicPartition & { offset: bigint })[]>;
  /** What a group committed, without being a member. */
  groupOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<readonly CommittedPosition[]>;
  /** Overwrites what a group without members committed (operator's tool). */
  setGroupOffsets(groupId: string, positions: readonly CommittedPosition[]): Promise<void>;
  /** Releases what it holds. */
  close(): Promise<void>;
}

/** What a broker can do; the contract suite lists what an adapter lacks. */
export interface BrokerCapabilities {
  /** Transactions with fenced offsets (KIP-447). */
  readonly isTransactional: boolean;
  /** Static membership. */
  readonly hasStaticMembers: boolean;
  /** `committed` can wait for stable offsets. */
  readonly hasStableOffsets: boolean;
  /** `createTopics` may be used without being asked: the embedded broker creates missing topics. */
  readonly createsTopics: boolean;
}

/** A connection to a cluster. */
export interface Broker {
  /** What users wrote or would write (`file:./.turbine/broker`, `kafkajs://127.0.0.1:9092`). */
  readonly location: string;
  /** What it can do. */
  readonly capabilities: BrokerCapabilities;
  /** Connects, so that a wrong address is found at once. @throws {BrokerUnavailableError} naming the address. */
  open(): Promise<void>;
  /** A new member of a group. */
  consumer(options: ConsumerOptions): Promise<Consumer>;
  /** A new idempotent producer. */
  producer(): Promise<Producer>;
  /** A new transactional producer. @throws {NotModelledError} when the adapter has none. */
  transactionalProducer(options: TransactionalProducerOptions): Promise<TransactionalProducer>;
  /** Administration. */
  admin(): Promise<BrokerAdmin>;
  /** Closes everything that was opened through it. */
  close(): Promise<void>;
}
