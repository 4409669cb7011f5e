import type { CommittedPosition, GroupMetadata, TopicPartition } from "../../../seams/broker.ts";
import type { ByteReader } from "./byte_reader.ts";
import type { Call } from "./call.ts";

/** A partition's error code; 0 for none. */
export interface PartitionCode extends TopicPartition {
  /** Error code. */
  readonly errorCode: number;
}

/** Partitions by topic, as the protocol nests them. */
export function byTopic<T extends TopicPartition>(partitions: readonly T[]): [topic: string, partitions: T[]][] {
  const groups = new Map<string, T[]>();
  for (const place of partitions) {
    const group = groups.get(place.topic);
    if (group === undefined) groups.set(place.topic, [place]);
    else group.push(place);
  }
  return [...groups];
}

/** Commits offsets; generation -1 and an empty member id stand for no member. */
export function offsetCommitCall(
  positions: readonly CommittedPosition[],
  group: GroupMetadata,
): Call<PartitionCode[]> {
  return {
    apiKey: 8,
    version: 7,
    name: "OffsetCommit",
    write: (w) => {
      w.string(group.groupId).int32(group.generation).string(group.memberId).string(group.instanceId);
      w.array(byTopic(positions), ([topic, places]) => {
        w.string(topic).array(places, (place) => {
          w.int32(place.partition).int64(place.offset).int32(place.leaderEpoch).string(place.metadata);
        });
      });
    },
    read: (r) => {
      r.int32();
      return nested(r, (topic) => ({ topic, partition: r.int32(), errorCode: r.int16() }));
    },
  };
}

/** What a group committed for partitions. */
export interface OffsetFetchReply {
  /** Error code of the whole; 0 for none. */
  readonly errorCode: number;
  /** Offset -1 where nothing is committed. */
  readonly partitions: readonly (CommittedPosition & PartitionCode)[];
}

/** Reads committed offsets; `isStable`: partitions with open transactions have error code 88. */
export function offsetFetchCall(
  groupId: string,
  partitions: readonly TopicPartition[],
  options: { readonly isStable: boolean },
): Call<OffsetFetchReply> {
  return {
    apiKey: 9,
    version: 7,
    name: "OffsetFetch",
    isFlexible: true,
    write: (w) => {
      w.compactString(groupId).compactArray(byTopic(partitions), ([topic, places]) => {
        w.compactString(topic).compactArray(places, ({ partition }) => w.int32(partition)).noTags();
      });
      w.boolean(options.isStable).noTags();
    },
    read: (r) => {
      r.int32();
      const topics = r.compactArray(() => {
        const topic = r.compactString() ?? "";
        const places = r.compactArray(() => {
          const place = { topic, partition: r.int32(), offset: r.int64(), leaderEpoch: r.int32() };
          const metadata = r.compactString() ?? "";
          const errorCode = r.int16();
          r.tags();
          return { ...place, metadata, errorCode };
        });
        r.tags();
        return places;
      });
      return { errorCode: r.int16(), partitions: topics.flat() };
    },
  };
}

/** Special times of {@linkcode listOffsetsCall}. */
export const LATEST = -1n;
/** The first offset that the log holds. */
export const EARLIEST = -2n;

/** First offset at or after a time, -1 when there is none. Latest is the last stable offset for read_committed. */
export function listOffsetsCall(
  partitions: readonly TopicPartition[],
  options: { readonly time: bigint; readonly isCommitted: boolean },
): Call<(PartitionCode & { readonly offset: bigint })[]> {
  return {
    apiKey: 2,
    version: 3,
    name: "ListOffsets",
    write: (w) => {
      w.int32(-1).int8(options.isCommitted ? 1 : 0);
      w.array(byTopic(partitions), ([topic, places]) => {
        w.string(topic).array(places, ({ partition }) => w.int32(partition).int64(options.time));
      });
    },
    read: (r) => {
      r.int32();
      return nested(r, (topic) => {
        const place = { topic, partition: r.int32(), errorCode: r.int16() };
        r.int64();
        return { ...place, offset: r.int64() };
      });
    },
  };
}

function nested<T>(r: ByteReader, read: (topic: string) => T): T[] {
  return r.array(() => {
    const topic = r.string();
    return r.array(() => read(topic));
  }).flat();
}
