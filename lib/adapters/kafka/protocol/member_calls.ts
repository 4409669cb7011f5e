import type { Call } from "./call.ts";
import type { ByteReader } from "./byte_reader.ts";
import type { ByteWriter } from "./byte_writer.ts";
import type { MemberIdentity } from "./group_calls.ts";
import { readTopicId, writeTopicId } from "./topic_id.ts";

/** Number of the API. */
export const MEMBER_HEARTBEAT = 68;
/** Versions that are written here; from 1 on members choose their ids. */
export const MEMBER_HEARTBEAT_VERSIONS = { minVersion: 0, maxVersion: 1 } as const;

/** Member epochs that mean something else. */
export const MEMBER_EPOCH = { join: 0, leave: -1, leaveForAWhile: -2 } as const;

/** Partitions of one topic, by its id. */
export interface PartitionsById {
  /** Id of the topic, 32 hexadecimal digits. */
  readonly topicId: string;
  /** Partition numbers. */
  readonly partitions: readonly number[];
}

/** What a member tells once, and again after a reply was lost. */
export interface MemberWish {
  /** How long the group waits until the member has let go of partitions, in milliseconds. */
  readonly rebalanceTimeoutMs: number;
  /** Topics. */
  readonly topics: readonly string[];
  /** How the group is to assign, or `null` to leave it to the group. */
  readonly assignor: string | null;
}

/** A sign of life of a member, or its goodbye. */
export interface MemberHeartbeat extends MemberIdentity {
  /** Its epoch, or one of {@linkcode MEMBER_EPOCH}. */
  readonly epoch: number;
  /** What it wants; `null` when that is what was told before. */
  readonly wish: MemberWish | null;
  /** Partitions that it holds; `null` in a goodbye. */
  readonly owned: readonly PartitionsById[] | null;
}

/** What the group answers. */
export interface MemberReply {
  /** Error code; 0 for none. */
  readonly errorCode: number;
  /** What the broker says. */
  readonly message: string | null;
  /** Member id. */
  readonly memberId: string;
  /** Epoch from now on. */
  readonly epoch: number;
  /** How often the group wants to hear from us, in milliseconds. */
  readonly heartbeatIntervalMs: number;
  /** All that the member may hold; `null` when that has not changed. */
  readonly assignment: readonly PartitionsById[] | null;
}

/**
 * Says that a member of a consumer group is alive, and what it holds (KIP-848).
 *
 * @param beat What to say.
 * @param version One of {@linkcode MEMBER_HEARTBEAT_VERSIONS}.
 */
export function memberHeartbeatCall(beat: MemberHeartbeat, version: number): Call<MemberReply> {
  return {
    apiKey: MEMBER_HEARTBEAT,
    version,
    name: "ConsumerGroupHeartbeat",
    isFlexible: true,
    write: (w) => {
      const { groupId, memberId, epoch, instanceId, wish, owned } = beat;
      w.compactString(groupId).compactString(memberId).int32(epoch).compactString(instanceId).compactString(null);
      w.int32(wish?.rebalanceTimeoutMs ?? -1);
      if (wish === null) w.unsignedVarint(0);
      else w.compactArray(wish.topics, (topic) => w.compactString(topic));
      if (version > 0) w.compactString(null);
      w.compactString(wish?.assignor ?? null);
      if (owned === null) w.unsignedVarint(0);
      else w.compactArray(owned, (entry) => writePartitions(w, entry));
      w.noTags();
    },
    read: (r) => {
      r.int32();
      const errorCode = r.int16();
      const message = r.compactString();
      const memberId = r.compactString() ?? "";
      const [epoch, heartbeatIntervalMs] = [r.int32(), r.int32()];
      const assignment = r.int8() < 0 ? null : r.compactArray(() => readPartitions(r));
      return { errorCode, message, memberId, epoch, heartbeatIntervalMs, assignment };
    },
  };
}

function writePartitions(w: ByteWriter, { topicId, partitions }: PartitionsById): void {
  writeTopicId(w, topicId);
  w.compactArray(partitions, (partition) => w.int32(partition)).noTags();
}

function readPartitions(r: ByteReader): PartitionsById {
  const topicId = readTopicId(r);
  const partitions = r.compactArray(() => r.int32());
  r.tags();
  return { topicId, partitions };
}

/** One member of a consumer group. */
export interface DescribedMember {
  /** Member id. */
  readonly memberId: string;
  /** `group.instance.id`, or `null`. */
  readonly instanceId: string | null;
  /** Its epoch. */
  readonly epoch: number;
}

/** Who is in a consumer group (KIP-848). */
export function describeMembersCall(
  groupId: string,
): Call<{ readonly errorCode: number; readonly message: string | null; readonly members: readonly DescribedMember[] }> {
  return {
    apiKey: 69,
    version: 0,
    name: "ConsumerGroupDescribe",
    isFlexible: true,
    write: (w) => void w.compactArray([groupId], (id) => w.compactString(id)).boolean(false).noTags(),
    read: (r) => {
      r.int32();
      const [group] = r.compactArray(() => {
        const [errorCode, message] = [r.int16(), r.compactString()];
        for (let text = 0; text < 2; text++) r.compactString();
        r.int32();
        r.int32();
        r.compactString();
        const members = r.compactArray(() => readMember(r));
        r.int32();
        r.tags();
        return { errorCode, message, members };
      });
      return group ?? { errorCode: 0, message: null, members: [] };
    },
  };
}

function readMember(r: ByteReader): DescribedMember {
  const memberId = r.compactString() ?? "";
  const instanceId = r.compactString();
  r.compactString();
  const epoch = r.int32();
  r.compactString();
  r.compactString();
  r.compactArray(() => r.compactString());
  r.compactString();
  for (let assignment = 0; assignment < 2; assignment++) {
    r.compactArray(() => {
      r.raw(16);
      r.compactString();
      r.compactArray(() => r.int32());
      r.tags();
    });
    r.tags();
  }
  r.tags();
  return { memberId, instanceId, epoch };
}
