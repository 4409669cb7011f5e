import type { Call } from "./call.ts";

/** One member as the leader of the group sees it. */
export interface JoinedMember {
  /** Member id. */
  readonly memberId: string;
  /** `group.instance.id`, or `null`. */
  readonly instanceId: string | null;
  /** Its subscription. */
  readonly metadata: Uint8Array;
}

/** One way to assign that a member takes. */
export interface JoinProtocol {
  /** Its name. */
  readonly name: string;
  /** The subscription. */
  readonly metadata: Uint8Array;
}

/** What joining gave. */
export interface JoinReply {
  /** Error code; 0 for none. */
  readonly errorCode: number;
  /** New generation. */
  readonly generation: number;
  /** The way to assign that the group uses. */
  readonly protocol: string;
  /** Member that assigns. */
  readonly leaderId: string;
  /** Who we are. */
  readonly memberId: string;
  /** All members; for the leader only. */
  readonly members: readonly JoinedMember[];
}

/** Who a member is. */
export interface MemberIdentity {
  /** Consumer group. */
  readonly groupId: string;
  /** Member id; empty before the first join. */
  readonly memberId: string;
  /** `group.instance.id`, or `null`. */
  readonly instanceId: string | null;
}

/** What a member asks for when it joins. */
export interface JoinRequest extends MemberIdentity {
  /** A silent member is dropped after this, in milliseconds. */
  readonly sessionTimeoutMs: number;
  /** How long others are waited for, in milliseconds. */
  readonly rebalanceTimeoutMs: number;
  /** Ways to assign, the preferred one first. */
  readonly protocols: readonly JoinProtocol[];
}

/** Joins a group; the reply comes when all members have joined. */
export function joinGroupCall(request: JoinRequest): Call<JoinReply> {
  return {
    apiKey: 11,
    version: 5,
    name: "JoinGroup",
    write: (w) => {
      w.string(request.groupId).int32(request.sessionTimeoutMs).int32(request.rebalanceTimeoutMs);
      w.string(request.memberId).string(request.instanceId).string("consumer");
      w.array(request.protocols, ({ name, metadata }) => w.string(name).bytes(metadata));
    },
    read: (r) => {
      r.int32();
      const errorCode = r.int16();
      const generation = r.int32();
      const protocol = r.string();
      const leaderId = r.string();
      const memberId = r.string();
      const members = r.array(() => ({
        memberId: r.string(),
        instanceId: r.nullableString(),
        metadata: r.nullableBytes() ?? new Uint8Array(0),
      }));
      return { errorCode, generation, protocol, leaderId, memberId, members };
    },
  };
}

/** Hands out the assignment (the leader) and gets one's own. */
export function syncGroupCall(
  member: MemberIdentity,
  options: { readonly generation: number; readonly assignments: ReadonlyMap<string, Uint8Array> },
): Call<{ readonly errorCode: number; readonly assignment: Uint8Array }> {
  return {
    apiKey: 14,
    version: 3,
    name: "SyncGroup",
    write: (w) => {
      w.string(member.groupId).int32(options.generation).string(member.memberId).string(member.instanceId);
      w.array([...options.assignments], ([memberId, assignment]) => w.string(memberId).bytes(assignment));
    },
    read: (r) => {
      r.int32();
      return { errorCode: r.int16(), assignment: r.nullableBytes() ?? new Uint8Array(0) };
    },
  };
}

/** A sign of life. Gives an error code. */
export function heartbeatCall(member: MemberIdentity, generation: number): Call<number> {
  return {
    apiKey: 12,
    version: 3,
    name: "Heartbeat",
    write: (w) => void w.string(member.groupId).int32(generation).string(member.memberId).string(member.instanceId),
    read: (r) => {
      r.int32();
      return r.int16();
    },
  };
}

/** Leaves a group. Gives an error code. */
export function leaveGroupCall(member: MemberIdentity): Call<number> {
  return {
    apiKey: 13,
    version: 3,
    name: "LeaveGroup",
    write: (w) => {
      w.string(member.groupId);
      w.array([member], ({ memberId, instanceId }) => w.string(memberId).string(instanceId));
    },
    read: (r) => {
      r.int32();
      const errorCode = r.int16();
      const codes = r.array(() => {
        r.string();
        r.nullableString();
        return r.int16();
      });
      return errorCode !== 0 ? errorCode : codes.find((code) => code !== 0) ?? 0;
    },
  };
}
