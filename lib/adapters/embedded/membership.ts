import { StreamError } from "../../base/errors.ts";
import type { Reply } from "../../embedded/reply.ts";
import type { GroupMetadata, RebalanceListener, TopicPartition } from "../../seams/broker.ts";
import type { Client } from "./client.ts";
import { PASSING_REFUSALS } from "./passing_refusals.ts";
import { refusalError } from "./refusal_error.ts";

/** Resolved options of a member. */
export interface MembershipOptions {
  /** Consumer group. */
  readonly groupId: string;
  /** `group.instance.id`, or `null`. */
  readonly instanceId: string | null;
  /** A silent member is dropped after this, in milliseconds. */
  readonly sessionTimeoutMs: number;
}

/** While the group is quiet, the broker is asked again after so long. */
const STABLE_MS = 1_000;
/** For how long a goodbye is said again, in milliseconds. */
const GOODBYE_MS = 2_000;
/** The group was never seen stable. */
const NEVER_STABLE = { count: -1, atMs: -Infinity };

/** Whether a coordinator that moves was asked: it says nothing about the membership. */
function isPassing(reply: Reply<unknown>): boolean {
  return reply.kind === "refused" && PASSING_REFUSALS.has(reply.code);
}

/**
 * One consumer's place in its group.
 *
 *   idle -> out -> joining -> member -> (awaited revoked, or lost) -> joining ...        fenced is final
 *
 * Invariants: the listener is called from within `subscribe`, `settle` and `leave` only; the group is joined again only
 * after `revoked` or `lost` resolved, so each change of the generation passes through a moment without partitions.
 * Heartbeats go on meanwhile, so a long batch does not end the session.
 */
export class Membership {
  /** Partitions held now. */
  assignment: readonly TopicPartition[] = [];
  /** Whether the caller waits in a poll. */
  isPolled = false;
  readonly #client: Client;
  readonly #options: MembershipOptions;
  readonly #end = new AbortController();
  #phase: "idle" | "out" | "joining" | "member" | "fenced" = "idle";
  #topics: readonly string[] = [];
  #listener: RebalanceListener | null = null;
  #memberId: string;
  #generation = -1;
  #hasJoined = false;
  #isBeating = false;
  /** When the caller last asked for anything, monotonic milliseconds. */
  #askedMs = -Infinity;
  #hasPolledLate = false;
  #stable = NEVER_STABLE;

  /**
   * @param client The connection.
   * @param options Who we are.
   */
  constructor(client: Client, options: MembershipOptions) {
    this.#client = client;
    this.#options = options;
    this.#memberId = client.newId();
  }

  /** Whether polling may fetch. */
  get isMember(): boolean {
    return this.#phase === "member";
  }

  /** Who we are in the group now. */
  metadata(): GroupMetadata {
    const { groupId, instanceId } = this.#options;
    return { groupId, generation: this.#generation, memberId: this.#memberId, instanceId };
  }

  /** Joins with these topics; what is held goes through `revoked` first. */
  async subscribe(topics: readonly string[], listener: RebalanceListener): Promise<void> {
    await this.#giveUp("revoked");
    this.#topics = topics;
    this.#listener = listener;
    this.#phase = "out";
    // A join whose reply is lost makes us a member too: the next poll goes on from there.
    if (!this.#isBeating) void this.#beat();
    this.#isBeating = true;
    await this.settle();
  }

  /** Goes as far towards membership as is possible without waiting for others. */
  async settle(): Promise<void> {
    this.#askedMs = this.#client.monotonicMs();
    if (this.#hasPolledLate) await this.#comeBack();
    for (;;) {
      switch (this.#phase) {
        case "idle":
          return;
        case "fenced":
          throw this.#fencedError();
        case "out":
          if (!await this.#join()) return;
          break;
        case "joining":
          if (!await this.#sync()) return;
          break;
        case "member":
          if (await this.#isStable()) return;
          break;
      }
    }
  }

  /**
   * Ends the membership: `revoked` is awaited (or `lost`, when it is too late), then a dynamic member leaves.
   *
   * @param options `isDirty`: without a word to the listener. `isLeaving`: a static member leaves too.
   */
  async leave(options: { readonly isDirty?: boolean; readonly isLeaving?: boolean }): Promise<void> {
    const { isDirty = false, isLeaving = false } = options;
    try {
      if (!isDirty && this.#phase === "member") {
        const isHeld = (await this.#knock())?.kind !== "refused";
        await this.#giveUp(isHeld ? "revoked" : "lost");
      }
    } finally {
      this.assignment = [];
      this.#end.abort();
      // Also while it is about to join: the group has it still, or again when only a reply was lost.
      const mayBeIn = this.#phase !== "idle" && this.#phase !== "fenced";
      this.#phase = "idle";
      if (mayBeIn && (isLeaving || this.#options.instanceId === null)) await this.#sendLeave(isDirty ? 0 : GOODBYE_MS);
    }
  }

  /** Says goodbye, again for a moment when the coordinator moves: the others would have to wait for a session's end. */
  async #sendLeave(timeoutMs: number): Promise<void> {
    const { groupId, memberId, instanceId } = this.metadata();
    const { cluster } = this.#client.server;
    try {
      await this.#client.requestPatiently(
        "leave",
        (times) => cluster.leave({ groupId, memberId, instanceId }, times),
        { codes: PASSING_REFUSALS, timeoutMs },
      );
    } catch (error) {
      // The session timeout does what the lost goodbye did not.
      if (!(error instanceof StreamError)) throw error;
    }
  }

  /** Asks to be a member. Returns whether the phase moved. */
  async #join(): Promise<boolean> {
    const { groupId, instanceId, sessionTimeoutMs } = this.#options;
    const rebalanceTimeoutMs = Math.max(sessionTimeoutMs, this.#client.options.rebalanceTimeoutMs);
    const member = { groupId, memberId: this.#memberId, instanceId, topics: this.#topics };
    const request = { ...member, sessionTimeoutMs, rebalanceTimeoutMs, isRejoin: this.#hasJoined };
    const reply = await this.#client.request("join", (times) => this.#client.server.cluster.join(request, times));
    // The next poll tries again.
    if (isPassing(reply)) return false;
    this.#hasJoined ||= reply.kind === "done";
    this.#phase = reply.kind === "done" ? "joining" : "fenced";
    return true;
  }

  /** Asks for the assignment. Returns whether the phase moved. */
  async #sync(): Promise<boolean> {
    const { groupId, memberId, instanceId } = this.metadata();
    const fence = { groupId, memberId, instanceId };
    const reply = await this.#client.request("join", (times) => this.#client.server.cluster.sync(fence, times));
    if (isPassing(reply)) return false;
    if (reply.kind === "refused") {
      this.#expel(reply.code);
      return true;
    }
    switch (reply.value.kind) {
      case "pending":
        return false;
      case "rejoin":
        this.#phase = "out";
        return true;
      case "assigned":
        this.#generation = reply.value.generation;
        this.#phase = "member";
        this.assignment = reply.value.assignment.map(([topic, partition]) => ({ topic, partition }));
        if (this.assignment.length > 0) await this.#listener!.assigned(this.assignment);
        return true;
    }
  }

  /** Looks whether the group still stands as it did; if not, gives up what is held. */
  async #isStable(): Promise<boolean> {
    const count = this.#client.server.activity.ofGroup(this.#options.groupId);
    const nowMs = this.#client.monotonicMs();
    // Nothing has happened to the group since it was stable.
    if (count === this.#stable.count && nowMs - this.#stable.atMs < STABLE_MS) return true;
    const reply = await this.#knock();
    if (reply === null) return true;
    if (reply.kind === "done" && reply.value === "stable") {
      this.#stable = { count, atMs: nowMs };
      return true;
    }
    this.#stable = NEVER_STABLE;
    if (reply.kind === "done") {
      await this.#giveUp("revoked");
      this.#phase = "out";
      return false;
    }
    this.#phase = "out";
    await this.#giveUp("lost");
    this.#expel(reply.code);
    return false;
  }

  /** A sign of life; `null` when it got no answer, which alone means nothing. */
  async #knock(): Promise<Reply<"stable" | "rebalance"> | null> {
    try {
      const fence = this.metadata();
      const reply = await this.#client.request(
        "heartbeat",
        (times) => this.#client.server.cluster.heartbeat(fence, times),
      );
      return isPassing(reply) ? null : reply;
    } catch (error) {
      if (error instanceof StreamError) return null;
      throw error;
    }
  }

  /** We left because nobody polled: what we held is somebody else's by now. */
  async #comeBack(): Promise<void> {
    this.#hasPolledLate = false;
    if (this.#phase === "fenced") return;
    this.#phase = "out";
    await this.#giveUp("lost");
    this.#expel("unknown-member");
  }

  #expel(code: string): void {
    this.#phase = code === "fenced-instance" ? "fenced" : "out";
    // A dynamic member that was dropped comes back as somebody new; an instance keeps its name.
    if (code !== "unknown-member" || this.#options.instanceId !== null) return;
    this.#memberId = this.#client.newId();
    this.#hasJoined = false;
  }

  async #giveUp(how: "revoked" | "lost"): Promise<void> {
    const held = this.assignment;
    if (held.length === 0) return;
    if (how === "lost") this.assignment = [];
    await this.#listener![how](held);
    this.assignment = [];
  }

  async #beat(): Promise<void> {
    const intervalMs = Math.min(3_000, this.#options.sessionTimeoutMs / 3);
    const { signal } = this.#end;
    for (;;) {
      await this.#client.sleep(intervalMs, signal);
      if (signal.aborted || this.#client.isClosed) return;
      if (this.#phase !== "member" && this.#phase !== "joining" || this.#hasPolledLate) continue;
      const silentMs = this.isPolled ? 0 : this.#client.monotonicMs() - this.#askedMs;
      if (silentMs < this.#client.options.pollIntervalMsMax) await this.#knock();
      else await this.#giveWay();
    }
  }

  /** Nobody polls: a dynamic member leaves, a static one falls silent until its session is over. */
  async #giveWay(): Promise<void> {
    this.#hasPolledLate = true;
    if (this.#options.instanceId === null) await this.#sendLeave(0);
  }

  #fencedError(): Error {
    const { groupId, memberId, instanceId } = this.metadata();
    const context = { groupId, memberId, instanceId };
    const message = `instance '${instanceId}' of group '${groupId}' belongs to another member now`;
    return refusalError("poll", { kind: "refused", code: "fenced-instance", message, context });
  }
}
