import { BrokerUnavailableError, FencedError, StreamError } from "../../base/errors.ts";
import type { GroupMetadata, RebalanceListener, TopicPartition } from "../../seams/broker.ts";
import { CODE, codeError, isStaleCoordinator } from "./broker_codes.ts";
import { joinGroup, type JoinResult, partitionCounts } from "./group_join.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import type { Notice } from "./notice.ts";
import { heartbeatCall, leaveGroupCall } from "./protocol/group_calls.ts";

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

/** What heartbeats and commits found, to be acted on by the next `settle`. */
type Omen = "none" | "rebalance" | "lost" | "fenced";

/**
 * One consumer's place in its group.
 *
 *   idle -> out -> joining -> member -> (awaited revoked, or lost) -> out ...        fenced is final
 *
 * Invariants: the listener is called from within `subscribe`, `settle` and `leave` only; the group is joined again only
 * after `revoked` or `lost` resolved, so that commits within `revoked` still have the old generation, which the
 * coordinator takes until it has heard from all members. Heartbeats go on beside, so a long batch does not end the session.
 */
export class Membership {
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

  /** Who we are in the group now. */
  metadata(): GroupMetadata {
    const { groupId, instanceId } = this.#options;
    return { groupId, generation: this.#generation, memberId: this.#memberId, instanceId };
  }

  /** Joins with these topics; what is held goes through `revoked` first. Does not wait for other members. */
  async subscribe(topics: readonly string[], listener: RebalanceListener): Promise<void> {
    const counts = await partitionCounts(this.#client, topics);
    for (const topic of topics) {
      if (!counts.has(topic)) throw this.#client.topicError(topic, CODE.unknownTopic);
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
          throw this.#fencedError();
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

  /**
   * A code that a commit or a heartbeat was answered with.
   *
   * @param code Error code; 0 for none.
   * @param generation Generation that was asked with: an answer about an older one says nothing.
   */
  heed(code: number, generation: number): void {
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
   * @param isDirty Leaves without a word to the listener.
   */
  async leave(isDirty: boolean): Promise<void> {
    const wasIn = this.#phase === "member" || this.#phase === "joining";
    try {
      if (!isDirty && this.#phase === "member") {
        if (this.#omen === "none") await this.#knock();
        await this.#giveUp(this.#hasLost() ? "lost" : "revoked");
      }
    } finally {
      this.assignment = [];
      this.#end.abort();
      this.#phase = "idle";
      if (wasIn && this.#options.instanceId === null && this.#memberId !== "") await this.#sendLeave();
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

  async #sendLeave(): Promise<void> {
    try {
      const more = { channel: this.#beatChannel };
      await this.#client.sendToCoordinator(this.#options.groupId, leaveGroupCall(this.metadata()), more);
    } catch (error) {
      // The session timeout does what the lost goodbye did not.
      if (!(error instanceof StreamError)) throw error;
    }
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
    this.#phase = "member";
    this.assignment = result.assignment;
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
      this.#phase = "out";
      return;
    }
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
      this.heed(code, fence.generation);
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
      this.heed(CODE.rebalanceInProgress, this.#generation);
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

  #fencedError(): FencedError {
    const { groupId, memberId, instanceId } = this.metadata();
    return new FencedError(
      `Cannot poll: instance '${instanceId}' of group '${groupId}' belongs to another member now, stop this member, a ` +
        "newer one has the same instance id",
      { context: { groupId, memberId, instanceId } },
    );
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

/** The error of a member that is used after it was closed. */
export function closedError(): BrokerUnavailableError {
  return new BrokerUnavailableError("Cannot use consumer as it is closed, open a new one");
}
