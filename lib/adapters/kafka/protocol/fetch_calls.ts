import type { TopicPartition } from "../../../seams/broker.ts";
import type { ByteReader } from "./byte_reader.ts";
import type { ByteWriter } from "./byte_writer.ts";
import type { Call } from "./call.ts";
import { byTopic, type PartitionCode } from "./offset_calls.ts";
import type { AbortedTransaction } from "./record_calls.ts";
import { NO_TOPIC_ID, readTags, readTopicId, writeTopicId } from "./topic_id.ts";

/** Number of the API. */
export const FETCH = 1;
/** First version that names topics by their ids, so that a topic which was created again is another one. */
export const FETCH_BY_ID = 13;
/** Versions that are written here; the first one knows under which leader epoch was read before (KIP-320, KIP-595). */
export const FETCH_VERSIONS = { minVersion: 12, maxVersion: FETCH_BY_ID } as const;

/** From where to read one partition. */
export interface FetchFrom extends TopicPartition {
  /** Id of the topic, 32 hexadecimal digits. */
  readonly topicId: string;
  /** First offset wanted. */
  readonly offset: bigint;
  /** Epoch under which its leader is known to lead, or -1. */
  readonly leaderEpoch: number;
  /** Leader epoch of the record before the offset, or -1: the broker compares it with what its log holds. */
  readonly lastEpoch: number;
}

/** Bounds of a fetch. */
export interface FetchBounds {
  /** Whether records of open and aborted transactions stay hidden. */
  readonly isCommitted: boolean;
  /** How long the broker waits when there is nothing, in milliseconds. */
  readonly waitMs: number;
  /** Bound of the reply in bytes; the first batch comes whole. */
  readonly bytesMax: number;
  /** Bound of each partition in bytes. */
  readonly partitionBytesMax: number;
}

/** Where a log parts from what was read before. */
export interface DivergingEpoch {
  /** Largest epoch that both have. */
  readonly epoch: number;
  /** One past its last offset in the log. */
  readonly endOffset: bigint;
}

/** What one partition gave. */
export interface FetchedPartition extends PartitionCode {
  /** High watermark, or -1 with an error. */
  readonly highWatermark: bigint;
  /** First offset that the log holds, or -1 with an error. */
  readonly logStart: bigint;
  /** Aborted transactions, for read_committed. */
  readonly aborted: readonly AbortedTransaction[];
  /** Record batches; the last one may be cut off. */
  readonly records: Uint8Array;
  /** Set, without an error and without records, when the log is not the one that was read before. */
  readonly diverging: DivergingEpoch | null;
}

/** What a fetch gave. */
export interface FetchReply {
  /** Error code of the whole; 0 for none. */
  readonly errorCode: number;
  /** What each partition gave. */
  readonly partitions: FetchedPartition[];
}

const NO_BYTES = new Uint8Array(0);

/**
 * Reads records.
 *
 * @param partitions From where to read.
 * @param options Bounds, and the version to write: one of {@linkcode FETCH_VERSIONS}.
 */
export function fetchCall(
  partitions: readonly FetchFrom[],
  options: FetchBounds & { readonly version: number },
): Call<FetchReply> {
  const topics = byTopic(partitions);
  // Clusters that were upgraded from afar may have topics without an id.
  const isById = options.version >= FETCH_BY_ID && partitions.every(({ topicId }) => topicId !== NO_TOPIC_ID);
  const names = new Map(topics.map(([topic, [first]]) => [first!.topicId, topic]));
  return {
    apiKey: FETCH,
    version: isById ? FETCH_BY_ID : FETCH_VERSIONS.minVersion,
    name: "Fetch",
    isFlexible: true,
    write: (w) => {
      w.int32(-1).int32(options.waitMs).int32(1).int32(options.bytesMax).int8(options.isCommitted ? 1 : 0);
      w.int32(0).int32(-1);
      w.compactArray(topics, ([topic, places]) => {
        if (isById) writeTopicId(w, places[0]!.topicId);
        else w.compactString(topic);
        w.compactArray(places, (place) => writePlace(w, place, options.partitionBytesMax)).noTags();
      });
      w.compactArray([], () => {}).compactString("").noTags();
    },
    read: (r) => {
      r.int32();
      const errorCode = r.int16();
      r.int32();
      const found = r.compactArray(() => {
        const topic = (isById ? names.get(readTopicId(r)) : r.compactString()) ?? "";
        const places = r.compactArray(() => readPlace(r, topic));
        r.tags();
        return places;
      });
      return { errorCode, partitions: found.flat() };
    },
  };
}

function writePlace(w: ByteWriter, place: FetchFrom, bytesMax: number): void {
  w.int32(place.partition).int32(place.leaderEpoch).int64(place.offset).int32(place.lastEpoch).int64(-1n);
  w.int32(bytesMax).noTags();
}

function readPlace(r: ByteReader, topic: string): FetchedPartition {
  const place = { topic, partition: r.int32(), errorCode: r.int16(), highWatermark: r.int64() };
  r.int64();
  const logStart = r.int64();
  const aborted = r.compactArray(() => {
    const transaction = { producerId: r.int64(), firstOffset: r.int64() };
    r.tags();
    return transaction;
  });
  r.int32();
  const length = r.unsignedVarint() - 1;
  const records = length > 0 ? r.raw(length) : NO_BYTES;
  let diverging: DivergingEpoch | null = null;
  readTags(r, (tag) => {
    if (tag === 0) diverging = { epoch: r.int32(), endOffset: r.int64() };
  });
  return { ...place, logStart, aborted, records, diverging };
}
