import type { Records } from "../columns/records.ts";

/**
 * Everything that can happen to the durable state of an embedded cluster. A request is validated first, then becomes
 * changes; `EmbeddedCluster.apply` is the only mutator, live and at recovery, so a journal of changes rebuilds the state
 * exactly. Members of groups, sessions and long polls are no changes: they are gone after a restart, as after a broker's.
 * All fields but `records` are plain JSON; offsets are numbers, exact up to 2^53.
 */
export type Change =
  | ClusterNamed
  | TransactionVersionSet
  | TopicChange
  | LogChange
  | ProducerChange
  | TransactionChange
  | GroupChange;

/** The cluster got its identity. */
export interface ClusterNamed {
  /** Discriminator. */
  readonly kind: "cluster-named";
  /** Identity of the cluster. */
  readonly clusterId: string;
}

/** The generation of the transaction protocol: 2 bumps the producer epoch with each transaction, 1 does not. */
export interface TransactionVersionSet {
  /** Discriminator. */
  readonly kind: "transaction-version-set";
  /** Generation of the protocol. */
  readonly version: 1 | 2;
}

/** Topics come, grow and go. */
export type TopicChange =
  | {
    readonly kind: "topic-created";
    readonly topic: string;
    readonly topicId: string;
    readonly partitions: number;
  }
  | { readonly kind: "topic-deleted"; readonly topic: string }
  | { readonly kind: "partitions-added"; readonly topic: string; readonly partitions: number };

/** Records were appended to a partition. The only change with a payload. */
export interface BatchAppended {
  /** Discriminator. */
  readonly kind: "batch-appended";
  /** Topic name. */
  readonly topic: string;
  /** Partition number. */
  readonly partition: number;
  /** Offset of the first record. */
  readonly baseOffset: number;
  /** Leader epoch of the partition at the append. */
  readonly leaderEpoch: number;
  /** Producer id, or -1 when the producer is not idempotent. */
  readonly producerId: number;
  /** Producer epoch, or -1. */
  readonly producerEpoch: number;
  /** Sequence number of the first record, or -1. */
  readonly sequence: number;
  /** Whether the batch is part of the producer's open transaction. */
  readonly isTransactional: boolean;
  /** The records, stamped, each column dense in an own buffer. */
  readonly records: Records;
  /** Snapshot only: what compaction left of the batch; absent when it holds all that was appended. */
  readonly compacted?: CompactedBatch;
}

/** What compaction left of a batch. */
export interface CompactedBatch {
  /** Offset of the last record that was appended. */
  readonly lastOffset: number;
  /** Offset of each record that is left, counted from the batch's first offset; ascending. */
  readonly deltas: readonly number[];
}

/** A control record ended a transaction on one partition; it takes one offset. */
export interface MarkerAppended {
  /** Discriminator. */
  readonly kind: "marker-appended";
  /** Topic name. */
  readonly topic: string;
  /** Partition number. */
  readonly partition: number;
  /** Offset of the control record. */
  readonly offset: number;
  /** Leader epoch of the partition at the append. */
  readonly leaderEpoch: number;
  /** Whose transaction ended. */
  readonly producerId: number;
  /** Batches of lower epochs are refused from here on. */
  readonly producerEpoch: number;
  /** The transaction that waits for this marker; `null` in a snapshot, where it stands for itself. */
  readonly transactionalId: string | null;
  /** Commit or abort. */
  readonly isCommit: boolean;
  /** Wall time of the append, epoch milliseconds. */
  readonly timestamp: number;
}

/** Partition logs. */
export type LogChange =
  | BatchAppended
  | MarkerAppended
  /** Retention, or an operator, gave up everything before `logStart`. */
  | { readonly kind: "log-start-moved"; readonly topic: string; readonly partition: number; readonly logStart: number }
  /** Compaction took the records of these ranges of offsets; offsets of others stay. */
  | {
    readonly kind: "log-compacted";
    readonly topic: string;
    readonly partition: number;
    readonly removed: readonly (readonly [from: number, to: number])[];
  }
  /** An unclean election lost everything from `logEnd` on. */
  | {
    readonly kind: "log-truncated";
    readonly topic: string;
    readonly partition: number;
    readonly logEnd: number;
    readonly leaderEpoch: number;
  }
  /** Snapshot only: an empty log whose next record gets `nextOffset`. */
  | {
    readonly kind: "log-restored";
    readonly topic: string;
    readonly partition: number;
    readonly nextOffset: number;
    readonly leaderEpoch: number;
    /** Leader epochs with the offset at which each began; absent: they are those of the batches. */
    readonly epochs?: readonly (readonly [epoch: number, startOffset: number])[];
  }
  /** Snapshot only: compaction left nothing up to `nextOffset`. */
  | {
    readonly kind: "offsets-skipped";
    readonly topic: string;
    readonly partition: number;
    readonly nextOffset: number;
  }
  | {
    readonly kind: "leader-epoch-bumped";
    readonly topic: string;
    readonly partition: number;
    readonly leaderEpoch: number;
  };

/** Ids and sequences of producers. */
export type ProducerChange =
  | { readonly kind: "producer-allocated"; readonly producerId: number }
  /** Snapshot only: what a partition remembers of a producer. */
  | {
    readonly kind: "producer-restored";
    readonly topic: string;
    readonly partition: number;
    readonly producerId: number;
    readonly producerEpoch: number;
    /** First sequence, last sequence and first offset of the last batches, oldest first. */
    readonly batches: readonly (readonly [firstSequence: number, lastSequence: number, firstOffset: number])[];
    /** First offset of the open transaction, or `null`. */
    readonly openFrom: number | null;
  };

/** One committed offset in a change. */
export interface OffsetEntry {
  /** Topic name. */
  readonly topic: string;
  /** Partition number. */
  readonly partition: number;
  /** Next offset to read. */
  readonly offset: number;
  /** Leader epoch of the last record read, or -1. */
  readonly leaderEpoch: number;
  /** Commit metadata. */
  readonly metadata: string;
}

/** One partition in a change. */
export type PartitionEntry = readonly [topic: string, partition: number];

/** The transaction coordinator. */
export type TransactionChange =
  /** The id has this producer now and no transaction. */
  | {
    readonly kind: "transaction-initialized";
    readonly transactionalId: string;
    readonly producerId: number;
    readonly producerEpoch: number;
    readonly timeoutMs: number;
  }
  /** Empty or Complete becomes Ongoing; further partitions join. */
  | {
    readonly kind: "transaction-partitions-added";
    readonly transactionalId: string;
    readonly partitions: readonly PartitionEntry[];
  }
  /** Offsets wait for the end of the transaction. */
  | {
    readonly kind: "transaction-offsets-staged";
    readonly transactionalId: string;
    readonly groupId: string;
    readonly offsets: readonly OffsetEntry[];
  }
  /** The end is decided; markers are still to be written. */
  | {
    readonly kind: "transaction-prepared";
    readonly transactionalId: string;
    readonly isCommit: boolean;
    /** Whether the coordinator ended it against the producer's will (newer producer, timeout). */
    readonly isFenced: boolean;
    /** Epoch that the markers carry. */
    readonly markerEpoch: number;
    /** Identity that the next request must present. */
    readonly producerId: number;
    /** See `producerId`. */
    readonly producerEpoch: number;
  }
  /** The epoch that the id has is the last one of its producer id. */
  | { readonly kind: "transaction-epochs-exhausted"; readonly transactionalId: string }
  /** The staged offsets of one group became committed, or were dropped. */
  | { readonly kind: "transaction-offsets-resolved"; readonly transactionalId: string; readonly groupId: string }
  /** All markers are written. */
  | { readonly kind: "transaction-completed"; readonly transactionalId: string }
  /** The id is forgotten (state Dead). */
  | { readonly kind: "transaction-expired"; readonly transactionalId: string };

/** What a restart must know of a static member. */
export interface StaticMemberFact {
  /** `group.instance.id`. */
  readonly instanceId: string;
  /** Member id that currently stands for the instance. */
  readonly memberId: string;
  /** Session timeout in milliseconds. */
  readonly sessionTimeoutMs: number;
  /** How long the group waits for this member to join again, in milliseconds. */
  readonly rebalanceTimeoutMs: number;
  /** Subscribed topics. */
  readonly topics: readonly string[];
  /** Partitions assigned in the settled generation. */
  readonly assignment: readonly PartitionEntry[];
}

/** The group coordinator. */
export type GroupChange =
  /** A rebalance ended in a new generation. */
  | {
    readonly kind: "group-settled";
    readonly groupId: string;
    readonly generation: number;
    readonly statics: readonly StaticMemberFact[];
    /** Whether members without an instance id hold partitions too: after a restart these are free again. */
    readonly hasDynamicMembers: boolean;
  }
  /** A restarted static member took over its instance, without a rebalance. */
  | {
    readonly kind: "static-member-replaced";
    readonly groupId: string;
    readonly instanceId: string;
    readonly memberId: string;
  }
  | { readonly kind: "offsets-committed"; readonly groupId: string; readonly offsets: readonly OffsetEntry[] }
  | { readonly kind: "offsets-deleted"; readonly groupId: string; readonly partitions: readonly PartitionEntry[] }
  | { readonly kind: "group-deleted"; readonly groupId: string };
