import { StreamError } from "../../base/errors.ts";
import type { GroupMetadata, RebalanceListener, TopicPartition } from "../../seams/broker.ts";
import { CODE, codeError, isStaleCoordinator } from "./broker_codes.ts";
import type { GroupAssignment } from "./assign_group.ts";
import { joinGroup, type JoinResult, partitionCounts } from "./group_join.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { fencedInstanceError, type LeaveOptions, type Membership, type MembershipOptions } from "./membership.ts";
import type { Notice } from "./notice.ts";
import { heartbeatCall, leaveGroupCall } from "./protocol/group_calls.ts";
import { sayGoodbye } from "./say_goodbye.ts";

/** What heartbeats and commits found, to be acted on by the next `settle`. */
type Omen = "none" | "rebalance" | "lost" | "fenced";

/**
 * A member of a group of the classic protocol: members join together, one of them assigns. All partitions go through
 * `revoked` at each rebalance; the sticky assignment gives most of them back.
 *
 *   idle -> out -> joining -> member -> (awaited revoked, or lost) -> out ...        fenced is final
 *
 * The group is joined again only after `revoked` or `lost` resolved, so that commits within `revoked` still have the old
 * generation, which the coordinator takes until it has heard from all members.
 */
export class ClassicMembership implements Membership {
  /** Partitions held now. */
  assignment: readonly TopicPartition[] = [];
  readonly #client: KafkaClient;
  readonly #options: MembershipOptions;
  readonly #notice: Notice;
  readonly #joinChannel: Channel;
  readonly #beatChannel: Channel;
  readonly #end = new AbortController();
  #phase: "idle" | "out" | "joining" | "member" | "fenced" = "idle";
  #omen: Omen = "none";
  #joining: { result: JoinResult | Error | null } = { result: null };
  #topics: readonly string[] = [];
  #counts: ReadonlyMap<string, number> = new Map();
  #listener: RebalanceListener | null = null;
  #memberId = "";
  #generation = -1;
  #owned: GroupAssignment = { generation: -1, partitions: [] };
  #told: GroupAssignment = this.#owned;
  #assigned: ReadonlyMap<string, GroupAssignment> = new Map();
  #isLeader = false;
  #aliveMs = 0;
  #lookedMs = 0;
  #isBeating = false;

  /**
   * @param client Connections.
   * @param options Who we are.
   * @param notice Told when there is something to do.
   */
  constructor(client: KafkaClient, options: MembershipOptions, notice: Notice) {
    this.#client = client;
    this.#options = options;
    this.#notice = notice;
    this.#joinChannel = client.channel("join", options.clientId);
    this.#beatChannel = client.channel("group", options.clientId);
  }

  /** Whether polling may fetch. */
  get isMember(): boolean {
    return this.#phase === "member";
  }

  /** The channel for heartbeats, commits and committed offsets. */
  get channel(): Channel {
    return this.#beatChannel;
  }

  /** The classic protocol lets anybody read. */
  get readFence(): null {
    return null;
  }

  /** Who we are in the group now. */
  metadata(): GroupMetadata {
    const { groupId, instanceId } = this.#options;
    return { groupId, generation: this.#generation, memberId: this.#memberId, instanceId };
  }

  /** Joins with these topics; what is held goes through `revoked` first. Does not wait for other members. */
  async subscribe(topics: readonly string[], listener: RebalanceListener): Promise<void> {
    const counts = await partitionCounts(this.#client, topics);
    for (const topic of topics) {
      if (!counts.has(topic)) throw this.#client.topicError(topic);
    }
    await this.#giveUp("revoked");
    this.#topics = topics;
    this.#counts = counts;
    this.#listener = listener;
    if (this.#phase !== "joining") this.#phase = "out";
    else this.#omen = "rebalance";
    await this.settle();
    if (this.#isBeating) return;
    this.#isBeating = true;
    void this.#beat();
  }

  /**
   * Goes as far towards membership as is possible without waiting for others.
   *
   * @throws {FencedError} when another member has our instance id.
   * @throws {BrokerUnavailableError} when the coordinator cannot be reached.
   */
  async settle(): Promise<void> {
    for (;;) {
      switch (this.#phase) {
        case "idle":
          return;
        case "fenced":
          throw fencedInstanceError(this.metadata());
        case "out":
          this.#startJoin();
          return;
        case "joining":
          if (this.#joining.result === null) return;
          await this.#finishJoin(this.#joining.result);
          break;
        case "member":
          if (this.#isExpired()) this.#omen = "lost";
          if (this.#omen === "none") return;
          await this.#follow(this.#omen);
          break;
      }
    }
  }

  /** A generation holds or does not: nothing can be committed under a newer one. */
  fenceFor(_positions: readonly TopicPartition[], group: GroupMetadata): GroupMetadata {
    return group;
  }

  /** Heeds a code that a commit was answered with. */
  heed(code: number, generation: number): Promise<number> {
    this.#note(code, generation);
    return Promise.resolve(code);
  }

  /** A code that a commit or a heartbeat was answered with; 0 for none. One about an older generation says nothing. */
  #note(code: number, generation: number): void {
    if (this.#phase !== "member" || generation !== this.#generation) return;
    if (code === 0) return;
    const omen = omenOf(code);
    if (omen === "none" || (this.#omen !== "none" && omen === "rebalance")) return;
    this.#omen = omen;
    this.#notice.give();
  }

  /**
   * Ends the membership: `revoked` is awaited (or `lost`, when it is too late), then a dynamic member leaves.
   *
   * @param options How to leave.
   */
  async leave({ isDirty = false, isLeaving = false }: LeaveOptions): Promise<void> {
    const isStatic = this.#options.instanceId !== null;
    // An attempt to join that was not answered may have succeeded.
    const mayBeIn = this.#phase === "out" && !isDirty;
    const wasIn = this.#phase === "member" || this.#phase === "joining" || mayBeIn;
    try {
      if (!isDirty && this.#phase === "member") {
        if (this.#omen === "none") await this.#knock();
        await this.#giveUp(this.#hasLost() ? "lost" : "revoked");
      }
    } finally {
      this.assignment = [];
      this.#end.abort();
      this.#phase = "idle";
      // A static member that has not been answered yet is known by its instance id alone.
      const isKnown = this.#memberId !== "" || isStatic;
      if (wasIn && isKnown && (isLeaving || !isStatic)) await this.#sendLeave(isDirty);
      this.#client.closeChannel(this.#joinChannel);
      this.#client.closeChannel(this.#beatChannel);
    }
  }

  /** The connection is gone: no goodbye. */
  abandon(): void {
    this.#end.abort();
    this.#phase = "idle";
    this.assignment = [];
  }

  #hasLost(): boolean {
    return this.#omen === "lost" || this.#omen === "fenced" || this.#isExpired();
  }

  async #sendLeave(isDirty: boolean): Promise<void> {
    const { groupId } = this.#options;
    const more = { channel: this.#beatChannel };
    const send = () => this.#client.sendToCoordinator(groupId, leaveGroupCall(this.metadata()), more);
    await sayGoodbye(this.#client, { groupId, isDirty, send });
  }

  /** Joins beside whatever else goes on; the result is taken by `settle`. */
  #startJoin(): void {
    const joining: { result: JoinResult | Error | null } = { result: null };
    this.#joining = joining;
    this.#phase = "joining";
    this.#omen = "none";
    const wish = {
      ...this.metadata(),
      topics: this.#topics,
      owned: this.#told,
      assigned: this.#assigned,
      sessionTimeoutMs: this.#options.sessionTimeoutMs,
      noteMemberId: (memberId: string) => {
        if (this.#joining === joining) this.#memberId = memberId;
      },
    };
    joinGroup(this.#client, wish, this.#joinChannel).then(
      (result) => joining.result = result,
      (error) => joining.result = error,
    ).finally(() => {
      this.#noteAlive();
      this.#notice.give();
    });
  }

  async #finishJoin(result: JoinResult | Error): Promise<void> {
    this.#joining = { result: null };
    this.#phase = "out";
    if (result instanceof Error) throw result;
    this.#memberId = result.memberId;
    if (result.kind === "refused") return await this.#refused(result.code);
    const isStale = this.#omen === "rebalance";
    this.#omen = isStale ? "rebalance" : "none";
    this.#generation = result.generation;
    this.#isLeader = result.isLeader;
    if (result.assigned !== null) this.#assigned = result.assigned;
    this.#phase = "member";
    this.assignment = result.assignment;
    this.#owned = { generation: result.generation, partitions: result.assignment };
    if (this.assignment.length > 0) await this.#listener!.assigned(this.assignment);
  }

  async #refused(code: number): Promise<void> {
    const { groupId, instanceId } = this.#options;
    if (code === CODE.fencedInstance) this.#phase = "fenced";
    else if (code === CODE.unknownMember) this.#memberId = "";
    else if (isStaleCoordinator(code)) {
      this.#client.forgetCoordinator(groupId);
      await this.#client.sleep(RETRY_MS, this.#end.signal);
    } else if (code !== CODE.rebalanceInProgress && code !== CODE.illegalGeneration) {
      throw codeError(`join group '${groupId}'`, code, { context: { groupId, instanceId } });
    }
  }

  /** Acts on what heartbeats found: gives up what is held, and leaves the phase "member". */
  async #follow(omen: Omen): Promise<void> {
    if (omen === "rebalance") {
      await this.#giveUp("revoked");
      this.#told = this.#owned;
      this.#phase = "out";
      return;
    }
    // What is told of oneself stays as it was: if the group still knows us, it need not be disturbed.
    this.#phase = omen === "fenced" ? "fenced" : "out";
    // An instance finds its place by its instance id. A dynamic member asks with its member id, which the group may still
    // know after an outage: as somebody new it would have to wait until the session of its old self has run out.
    if (this.#options.instanceId !== null) this.#memberId = "";
    this.#omen = "none";
    await this.#giveUp("lost");
  }

  async #giveUp(how: "revoked" | "lost"): Promise<void> {
    const held = this.assignment;
    if (held.length === 0) return;
    if (how === "lost") this.assignment = [];
    await this.#listener![how](held);
    this.assignment = [];
  }

  async #beat(): Promise<void> {
    const { heartbeatIntervalMs } = this.#client.options;
    const intervalMs = Math.min(heartbeatIntervalMs, Math.max(1, Math.floor(this.#options.sessionTimeoutMs / 3)));
    const { signal } = this.#end;
    for (;;) {
      await this.#client.sleep(intervalMs, signal);
      if (signal.aborted) return;
      if (this.#phase === "member") await this.#knock();
      if (this.#phase === "member") await this.#lookForPartitions();
    }
  }

  /** A sign of life; no answer alone means nothing. */
  async #knock(): Promise<void> {
    const { groupId } = this.#options;
    const fence = this.metadata();
    const sentMs = this.#nowMs();
    try {
      const call = heartbeatCall(fence, fence.generation);
      const code = await this.#client.sendToCoordinator(groupId, call, { channel: this.#beatChannel });
      if (code === 0 || code === CODE.rebalanceInProgress) this.#aliveMs = Math.max(this.#aliveMs, sentMs);
      if (isStaleCoordinator(code)) this.#client.forgetCoordinator(groupId);
      this.#note(code, fence.generation);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
    }
  }

  /** The leader looks for topics that have grown or gone; a restarted static member does not know whether it leads. */
  async #lookForPartitions(): Promise<void> {
    const { metadataMaxAgeMs } = this.#client.options;
    const isWatcher = this.#isLeader || this.#options.instanceId !== null;
    if (!isWatcher || this.#nowMs() - this.#lookedMs < metadataMaxAgeMs) return;
    this.#lookedMs = this.#nowMs();
    try {
      const counts = await partitionCounts(this.#client, this.#topics);
      if (this.#topics.every((topic) => counts.get(topic) === this.#counts.get(topic))) return;
      this.#counts = counts;
      this.#note(CODE.rebalanceInProgress, this.#generation);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
    }
  }

  #noteAlive(): void {
    this.#aliveMs = this.#nowMs();
    this.#lookedMs = this.#aliveMs;
  }

  /** Whether nothing was heard for so long that the group must have given our partitions away. */
  #isExpired(): boolean {
    return this.#nowMs() - this.#aliveMs > this.#options.sessionTimeoutMs;
  }

  #nowMs(): number {
    return this.#client.environment.clock.monotonicMs();
  }
}

/** Wait before a coordinator that is moving or loading is asked again, in milliseconds. */
const RETRY_MS = 100;

function omenOf(code: number): Omen {
  switch (code) {
    case CODE.rebalanceInProgress:
      return "rebalance";
    case CODE.unknownMember:
    case CODE.illegalGeneration:
      return "lost";
    case CODE.fencedInstance:
      return "fenced";
    default:
      return "none";
  }
}
