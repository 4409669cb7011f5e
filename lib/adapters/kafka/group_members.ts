import { StreamError } from "../../base/errors.ts";
import { notApplied, type Outcome } from "../../base/outcome.ts";
import type { GroupMetadata, TopicPartition } from "../../seams/broker.ts";
import { CODE, codeError } from "./broker_codes.ts";
import type { Membership } from "./membership.ts";

/** Attempts at a commit that the group's epoch outruns. */
const ATTEMPTS = 5;

/**
 * The members of groups that a client has. Whoever commits for one of them, a consumer or a transaction, asks it for the
 * fence that holds now, and tells it what the group answered.
 */
export class GroupMembers {
  readonly #members = new Set<Membership>();

  /** A member begins. */
  add(member: Membership): void {
    this.#members.add(member);
  }

  /** A member is gone. */
  delete(member: Membership): void {
    this.#members.delete(member);
  }

  /**
   * Commits under the fence that was captured, or a newer one that has taken none of the partitions away.
   *
   * @param positions What is to be committed.
   * @param group The fence as it was captured.
   * @param commit Commits once.
   */
  async commit(
    positions: readonly TopicPartition[],
    group: GroupMetadata,
    commit: (fence: GroupMetadata) => Promise<Outcome<void>>,
  ): Promise<Outcome<void>> {
    const { groupId, memberId, instanceId } = group;
    const member = this.#find(groupId, memberId);
    if (member === undefined) return await commit(group);
    for (let attempt = 1;; attempt++) {
      const fence = member.fenceFor(positions, group);
      const outcome = await commit(fence);
      const code = codeOf(outcome);
      const told = await member.heed(code, fence.generation);
      const isOutrun = member.fenceFor(positions, group).generation !== fence.generation;
      if (isStale(code) && isOutrun && attempt < ATTEMPTS) continue;
      if (told === code || outcome.kind !== "not-applied") return outcome;
      return notApplied(codeError(`commit offsets of group '${groupId}'`, told, { context: { groupId, instanceId } }));
    }
  }

  #find(groupId: string, memberId: string): Membership | undefined {
    for (const member of this.#members) {
      const mine = member.metadata();
      if (mine.groupId === groupId && mine.memberId === memberId) return member;
    }
    return undefined;
  }
}

/** Whether the group is in another epoch; as a generation that does not hold to those who commit in a transaction. */
function isStale(code: number): boolean {
  return code === CODE.staleMemberEpoch || code === CODE.illegalGeneration;
}

/** The broker's code that an outcome stands for; 0 for none. */
function codeOf(outcome: Outcome<void>): number {
  if (outcome.kind === "applied" || !(outcome.error instanceof StreamError)) return 0;
  const { code } = outcome.error.context;
  return typeof code === "number" ? code : 0;
}
