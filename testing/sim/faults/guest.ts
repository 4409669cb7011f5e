import type { FaultWorld } from "../fault_world.ts";

/** A polite guest looks so often what its group wants of it. */
const BEAT_MS = 200;
/** A guest that nobody hears of any more is dropped. */
const SESSION_MS = 10_000;
/** Refusals that pass. */
const PASSING: ReadonlySet<string> = new Set(["not-coordinator"]);

/** How a guest joins. */
export interface GuestOptions {
  /** Consumer group. */
  readonly groupId: string;
  /** Member id. */
  readonly memberId: string;
  /** `group.instance.id` of a member that it takes over. @default {a dynamic member} */
  readonly instanceId?: string;
  /** What it subscribes to. */
  readonly topics: readonly string[];
  /** How long it stays. */
  readonly forMs: number;
}

/**
 * A member of a group that is none of the job's: it joins, holds what it is given, takes part in rebalances, commits
 * nothing, and leaves.
 *
 * @param world Where.
 * @param options How.
 */
export function inviteGuest(world: FaultWorld, options: GuestOptions): void {
  const { groupId, memberId, topics, forMs } = options;
  const { broker } = world;
  const { cluster } = broker;
  const instanceId = options.instanceId ?? null;
  const member = { groupId, memberId, instanceId };
  const join = (isRejoin: boolean): boolean => {
    const timeouts = { sessionTimeoutMs: SESSION_MS, rebalanceTimeoutMs: SESSION_MS };
    return cluster.join({ ...member, ...timeouts, topics, isRejoin }, broker.times()).kind === "done";
  };
  const endMs = world.nowMs + forMs;
  const again = (): void => world.after(Math.max(1, Math.min(BEAT_MS, endMs - world.nowMs)), beat);
  const beat = (): void => {
    if (world.nowMs >= endMs) {
      const left = cluster.leave(member, broker.times());
      if (left.kind === "refused" && PASSING.has(left.code)) world.after(BEAT_MS, beat);
      return;
    }
    const reply = cluster.sync(member, broker.times());
    if (reply.kind === "refused") {
      if (PASSING.has(reply.code)) again();
      return;
    }
    if (reply.value.kind === "rejoin" && !join(true)) return;
    again();
  };
  if (join(false)) again();
}
