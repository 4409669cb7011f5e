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

/** Number of the API. */
export const OFFSET_COMMIT = 8;
/** Versions that are written here; 9 is the first one that groups of the `consumer` protocol take (KIP-848). */
export const OFFSET_COMMIT_VERSIONS = { minVersion: 8, maxVersion: 9 } as const;

/**
 * Commits offsets; generation -1 and an empty member id stand for no member.
 *
 * @param positions What to commit.
 * @param group The fence.
 * @param version One of {@linkcode OFFSET_COMMIT_VERSIONS}.
 */
export function offsetCommitCall(
  positions: readonly CommittedPosition[],
  group: GroupMetadata,
  version: number,
): Call<PartitionCode[]> {
  return {
    apiKey: OFFSET_COMMIT,
    version,
    name: "OffsetCommit",
    isFlexible: true,
    write: (w) => {
      w.compactString(group.groupId).int32(group.generation).compactString(group.memberId);
      w.compactString(group.instanceId).compactArray(byTopic(positions), ([topic, places]) => {
        w.compactString(topic).compactArray(places, (place) => {
          w.int32(place.partition).int64(place.offset).int32(place.leaderEpoch).compactString(place.metadata).noTags();
        }).noTags();
      }).noTags();
    },
    read: (r) => {
      r.int32();
      const topics = r.compactArray(() => {
        const topic = r.compactString() ?? "";
        const places = r.compactArray((): PartitionCode => {
          const place = { topic, partition: r.int32(), errorCode: r.int16() };
          r.tags();
          return place;
        });
        r.tags();
        return places;
      });
      return topics.flat();
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

/** Number of the API. */
export const OFFSET_FETCH = 9;
/** Versions that are written here: not 8. In 9 a member of the `consumer` protocol tells its epoch (KIP-848). */
export const OFFSET_FETCH_VERSIONS = { minVersion: 7, maxVersion: 9 } as const;

/** How committed offsets are read. */
export interface OffsetFetchOptions {
  /** Partitions with open transactions have error code 88. */
  readonly isStable: boolean;
  /** The member that reads, or `null` for anybody. */
  readonly fence: GroupMetadata | null;
  /** What the broker speaks, of {@linkcode OFFSET_FETCH_VERSIONS}. */
  readonly version: number;
}

/** Reads committed offsets. */
export function offsetFetchCall(
  groupId: string,
  partitions: readonly TopicPartition[],
  options: OffsetFetchOptions,
): Call<OffsetFetchReply> {
  const topics = byTopic(partitions);
  const { isStable, fence } = options;
  // Version 8 has groups in the plural, but no member yet.
  const isNew = options.version === OFFSET_FETCH_VERSIONS.maxVersion;
  return {
    apiKey: OFFSET_FETCH,
    version: isNew ? OFFSET_FETCH_VERSIONS.maxVersion : OFFSET_FETCH_VERSIONS.minVersion,
    name: "OffsetFetch",
    isFlexible: true,
    write: (w) => {
      const writeTopics = () =>
        w.compactArray(topics, ([topic, places]) => {
          w.compactString(topic).compactArray(places, ({ partition }) => w.int32(partition)).noTags();
        });
      if (!isNew) {
        w.compactString(groupId);
        writeTopics().boolean(isStable).noTags();
        return;
      }
      w.compactArray([groupId], () => {
        w.compactString(groupId).compactString(fence?.memberId ?? null).int32(fence?.generation ?? -1);
        writeTopics().noTags();
      });
      w.boolean(isStable).noTags();
    },
    read: (r) => {
      r.int32();
      if (!isNew) return { partitions: readCommitted(r), errorCode: r.int16() };
      const [group] = r.compactArray(() => {
        r.compactString();
        const reply = { partitions: readCommitted(r), errorCode: r.int16() };
        r.tags();
        return reply;
      });
      return group ?? { partitions: [], errorCode: 0 };
    },
  };
}

function readCommitted(r: ByteReader): OffsetFetchReply["partitions"] {
  return r.compactArray(() => {
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
  }).flat();
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
