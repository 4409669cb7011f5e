import { BrokerUnavailableError, FencedError } from "../../base/errors.ts";
import type { GroupMetadata, RebalanceListener, TopicPartition } from "../../seams/broker.ts";
import type { Channel } from "./kafka_client.ts";

/** Resolved options of a member. */
export interface MembershipOptions {
  /** Consumer group. */
  readonly groupId: string;
  /** `group.instance.id`, or `null`. */
  readonly instanceId: string | null;
  /** A silent member is dropped after this, in milliseconds. */
  readonly sessionTimeoutMs: number;
  /** Names this client in the broker's logs. */
  readonly clientId: string;
}

/** How a member leaves. */
export interface LeaveOptions {
  /** Without a word to the listener. @default {false} */
  readonly isDirty?: boolean;
  /** A static member gives up its place as well. @default {false} */
  readonly isLeaving?: boolean;
}

/**
 * One consumer's place in its group, whatever the group's protocol.
 *
 * Invariants: the listener is called from within `subscribe`, `settle` and `leave` only; partitions are given up to the
 * group only after `revoked` resolved, so that commits within it are still taken. Heartbeats go on beside, so a long batch
 * does not end the session.
 */
export interface Membership {
  /** Partitions held now. */
  readonly assignment: readonly TopicPartition[];
  /** Whether polling may fetch. */
  readonly isMember: boolean;
  /** The channel for heartbeats, commits and committed offsets. */
  readonly channel: Channel;
  /** Under which fence committed offsets are read to begin at, or `null` when the protocol has none. */
  readonly readFence: GroupMetadata | null;
  /** Who we are in the group now. */
  metadata(): GroupMetadata;
  /** Joins with these topics; what is held goes through `revoked` first. Does not wait for other members. */
  subscribe(topics: readonly string[], listener: RebalanceListener): Promise<void>;
  /**
   * Goes as far towards membership as is possible without waiting for others.
   *
   * @throws {FencedError} when another member has our instance id.
   * @throws {BrokerUnavailableError} when the coordinator cannot be reached.
   */
  settle(): Promise<void>;
  /**
   * The fence under which to commit now what was to be committed under an older one: the newer generation, when it has not
   * taken any of the partitions away meanwhile.
   *
   * @param positions What is to be committed.
   * @param group The fence as it was captured.
   */
  fenceFor(positions: readonly TopicPartition[], group: GroupMetadata): GroupMetadata;
  /**
   * Heeds the error code that a commit was answered with.
   *
   * @param code Error code; 0 for none.
   * @param generation Generation that was asked with: an answer about an older one says nothing.
   * @returns The code, or one that tells more about why.
   */
  heed(code: number, generation: number): Promise<number>;
  /**
   * Ends the membership: `revoked` is awaited (or `lost`, when it is too late), then a dynamic member leaves.
   *
   * @param options How to leave.
   */
  leave(options: LeaveOptions): Promise<void>;
  /** The connection is gone: no goodbye. */
  abandon(): void;
}

/** The error of a member that is used after it was closed. */
export function closedError(): BrokerUnavailableError {
  return new BrokerUnavailableError("Cannot use consumer as it is closed, open a new one");
}

/** The error of a member whose instance id a newer one has. */
export function fencedInstanceError({ groupId, memberId, instanceId }: GroupMetadata): FencedError {
  return new FencedError(
    `Cannot poll: instance '${instanceId}' of group '${groupId}' belongs to another member now, stop this member, a ` +
      "newer one has the same instance id",
    { context: { groupId, memberId, instanceId } },
  );
}
