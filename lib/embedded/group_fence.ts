import type { GroupState } from "./cluster_state.ts";
import type { Core } from "./core.ts";
import { type Refusal, refused } from "./reply.ts";

/** Who commits: member, generation and instance as captured by the client. */
export interface GroupFence {
  /** Consumer group. */
  readonly groupId: string;
  /** Member id; empty together with generation -1 for a client that is no member. */
  readonly memberId: string;
  /** Generation. */
  readonly generation: number;
  /** `group.instance.id`, or `null`. */
  readonly instanceId: string | null;
}

/** The member id that stands for an instance now. */
export function holderOf(group: GroupState, instanceId: string): string | undefined {
  for (const member of group.members.values()) if (member.instanceId === instanceId) return member.memberId;
  return undefined;
}

/** Checks that a member is the one it says, in whatever generation. */
export function checkMember(group: GroupState | undefined, fence: Omit<GroupFence, "generation">): Refusal | null {
  const { groupId, memberId, instanceId } = fence;
  const context = { groupId, memberId, instanceId };
  if (instanceId !== null && group !== undefined) {
    const holder = holderOf(group, instanceId);
    if (holder !== undefined && holder !== memberId) {
      const message = `instance '${instanceId}' of group '${groupId}' is member '${holder}' now, not '${memberId}'`;
      return refused("fenced-instance", message, context);
    }
  }
  if (group?.members.has(memberId)) return null;
  return refused("unknown-member", `group '${groupId}' has no member '${memberId}'`, context);
}

/**
 * The fence of a commit: member, generation and instance must be those of the group now. A client that is no member may
 * commit only while the group has no members.
 *
 * @returns A refusal, or `null` when the fence holds.
 */
export function checkFence(core: Core, fence: GroupFence): Refusal | null {
  const group = core.state.groups.get(fence.groupId);
  const isOutsider = fence.memberId === "" && fence.generation < 0;
  if (isOutsider && (group === undefined || group.members.size === 0)) return null;
  const refusal = checkMember(group, fence);
  if (refusal !== null) return refusal;
  if (group!.generation === fence.generation) return null;
  const message = `group '${fence.groupId}' is in generation ${group!.generation}, not ${fence.generation}`;
  return refused("illegal-generation", message, { ...fence });
}
