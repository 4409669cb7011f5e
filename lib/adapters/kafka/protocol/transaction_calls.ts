import type { CommittedPosition, GroupMetadata, TopicPartition } from "../../../seams/broker.ts";
import type { ByteReader } from "./byte_reader.ts";
import type { Call } from "./call.ts";
import { byTopic, type PartitionCode } from "./offset_calls.ts";

/** A producer as the coordinator of transactions knows it. */
export interface ProducerSession {
  /** Producer id. */
  readonly producerId: bigint;
  /** Producer epoch. */
  readonly producerEpoch: number;
}

/** A producer of a transactional id. */
export interface TransactionIdentity extends ProducerSession {
  /** `transactional.id`. */
  readonly transactionalId: string;
}

/** A session, or an error code. */
export interface SessionReply extends ProducerSession {
  /** Error code; 0 for none. */
  readonly errorCode: number;
}

/** Stands for no session: a producer that takes the transactional id over, whoever had it. */
export const NO_SESSION: ProducerSession = Object.freeze({ producerId: -1n, producerEpoch: -1 });

/**
 * Bumps the epoch of a transactional id, and ends an open transaction of the producer before.
 *
 * @param identity Transactional id; with {@linkcode NO_SESSION} it is taken over, else only that session goes on (KIP-360).
 * @param timeoutMs The coordinator aborts a transaction that is open for longer, in milliseconds.
 */
export function initTransactionsCall(identity: TransactionIdentity, timeoutMs: number): Call<SessionReply> {
  const { transactionalId, producerId, producerEpoch } = identity;
  return {
    apiKey: 22,
    version: 4,
    name: "InitProducerId",
    isFlexible: true,
    write: (w) =>
      void w.compactString(transactionalId).int32(timeoutMs).int64(producerId).int16(producerEpoch).noTags(),
    read: (r) => {
      r.int32();
      return { errorCode: r.int16(), producerId: r.int64(), producerEpoch: r.int16() };
    },
  };
}

/** Adds partitions to the transaction, before the first record goes to them. For generation 1 of the protocol. */
export function addPartitionsCall(
  identity: TransactionIdentity,
  partitions: readonly TopicPartition[],
): Call<PartitionCode[]> {
  const { transactionalId, producerId, producerEpoch } = identity;
  return {
    apiKey: 24,
    version: 3,
    name: "AddPartitionsToTxn",
    isFlexible: true,
    write: (w) => {
      w.compactString(transactionalId).int64(producerId).int16(producerEpoch);
      w.compactArray(byTopic(partitions), ([topic, places]) => {
        w.compactString(topic).compactArray(places, ({ partition }) => w.int32(partition)).noTags();
      }).noTags();
    },
    read: readPartitionCodes,
  };
}

/** Adds the offsets of a group to the transaction, before the first of them is sent. For generation 1. */
export function addOffsetsCall(
  identity: TransactionIdentity,
  groupId: string,
): Call<{ readonly errorCode: number }> {
  const { transactionalId, producerId, producerEpoch } = identity;
  return {
    apiKey: 25,
    version: 3,
    name: "AddOffsetsToTxn",
    isFlexible: true,
    write: (w) =>
      void w.compactString(transactionalId).int64(producerId).int16(producerEpoch).compactString(groupId).noTags(),
    read: (r) => {
      r.int32();
      return { errorCode: r.int16() };
    },
  };
}

/** What goes to the group's coordinator. */
export interface TransactionOffsets {
  /** Who sends. */
  readonly identity: TransactionIdentity;
  /** The fence: who we are in the group (KIP-447). */
  readonly group: GroupMetadata;
  /** What becomes committed with the transaction. */
  readonly positions: readonly CommittedPosition[];
}

/**
 * Stages offsets that become committed with the transaction.
 *
 * @param offsets What to stage, who sends, and the fence.
 * @param version 3; 5 also adds the group to the transaction (generation 2).
 */
export function transactionOffsetsCall(offsets: TransactionOffsets, version: 3 | 5): Call<PartitionCode[]> {
  const { identity, group, positions } = offsets;
  return {
    apiKey: 28,
    version,
    name: "TxnOffsetCommit",
    isFlexible: true,
    write: (w) => {
      w.compactString(identity.transactionalId).compactString(group.groupId);
      w.int64(identity.producerId).int16(identity.producerEpoch);
      w.int32(group.generation).compactString(group.memberId).compactString(group.instanceId);
      w.compactArray(byTopic(positions), ([topic, places]) => {
        w.compactString(topic).compactArray(places, (place) => {
          w.int32(place.partition).int64(place.offset).int32(place.leaderEpoch).compactString(place.metadata).noTags();
        }).noTags();
      }).noTags();
    },
    read: readPartitionCodes,
  };
}

/**
 * Ends a transaction.
 *
 * @param identity Who sends.
 * @param options Whether it is committed; version 3, or 5, which bumps the epoch and tells the new session (generation 2).
 */
export function endTransactionCall(
  identity: TransactionIdentity,
  options: { readonly isCommit: boolean; readonly version: 3 | 5 },
): Call<SessionReply> {
  const { transactionalId, producerId, producerEpoch } = identity;
  const { isCommit, version } = options;
  return {
    apiKey: 26,
    version,
    name: "EndTxn",
    isFlexible: true,
    write: (w) =>
      void w.compactString(transactionalId).int64(producerId).int16(producerEpoch).boolean(isCommit).noTags(),
    read: (r) => {
      r.int32();
      const errorCode = r.int16();
      if (version === 3) return { errorCode, producerId, producerEpoch };
      return { errorCode, producerId: r.int64(), producerEpoch: r.int16() };
    },
  };
}

function readPartitionCodes(r: ByteReader): PartitionCode[] {
  r.int32();
  return r.compactArray(() => {
    const topic = r.compactString() ?? "";
    const places = r.compactArray(() => {
      const place = { topic, partition: r.int32(), errorCode: r.int16() };
      r.tags();
      return place;
    });
    r.tags();
    return places;
  }).flat();
}
