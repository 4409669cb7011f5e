import { NotModelledError, StreamError } from "../../base/errors.ts";
import type { GroupMetadata, RebalanceListener, TopicPartition } from "../../seams/broker.ts";
import { CODE, codeError, isStaleCoordinator } from "./broker_codes.ts";
import { bestVersion } from "./connection.ts";
import { agreeOnSession } from "./group_session.ts";
import { type HeldPartition, HeldPartitions, placeOf } from "./held_partitions.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { fencedInstanceError, type LeaveOptions, type Membership, type MembershipOptions } from "./membership.ts";
import type { Notice } from "./notice.ts";
import { releaseInstance } from "./release_instance.ts";
import {
  MEMBER_EPOCH,
  MEMBER_HEARTBEAT,
  MEMBER_HEARTBEAT_VERSIONS,
  type MemberHeartbeat,
  memberHeartbeatCall,
  type MemberReply,
  type PartitionsById,
} from "./protocol/member_calls.ts";
import { sayGoodbye } from "./say_goodbye.ts";

/** Codes of a member that the group no longer has, or no longer in this epoch. */
const LOST: readonly number[] = [CODE.unknownMember, CODE.fencedMemberEpoch, CODE.groupNotFound];
/** Wait before a coordinator that is moving or loading is asked again, in milliseconds. */
const RETRY_MS = 100;

/**
 * A member of a group of the `consumer` protocol (KIP-848): the group assigns, and tells in its answers to heartbeats what
 * each member may hold. Only partitions that leave are revoked, the others go on.
 *
 *   idle -> out -> joining -> member -> (revoked, assigned in any number) -> ... -> (lost) -> out        fenced is final
 *
 * The group hands a partition on when a heartbeat no longer names it, which is sent after `revoked` resolved. The member
 * epoch is the generation: it grows with each change of the group, also for members that keep what they have, so what was
 * begun under an older epoch is committed under the newest one as long as its partitions were held all the while.
 */
export class ConsumerMembership implements Membership {
  readonly #client: KafkaClient;
  readonly #options: MembershipOptions;
  readonly #notice: Notice;
  readonly #channel: Channel;
  readonly #end = new AbortController();
  readonly #held = new HeldPartitions();
  #phase: "idle" | "out" | "joining" | "member" | "fenced" = "idle";
  #omen: "none" | "lost" | "fenced" = "none";
  #failure: Error | null = null;
  #topics: readonly string[] = [];
  /** Topics by name with their present ids. */
  #ids: ReadonlyMap<string, string> = new Map();
  #listener: RebalanceListener | null = null;
  #memberId: string = crypto.randomUUID();
  #epoch: number = MEMBER_EPOCH.join;
  #target: readonly PartitionsById[] | null = null;
  #hasTold = false;
  #sessionMs = 0;
  #aliveMs = 0;
  #groupIntervalMs = Infinity;
  #isBeating = false;
  #isAsking = false;
  #round: Promise<void> = Promise.resolve();

  /**
   * @param client Connections.
   * @param options Who we are.
   * @param notice Told when there is something to do.
   */
  constructor(client: KafkaClient, options: MembershipOptions, notice: Notice) {
    this.#client = client;
    this.#options = options;
    this.#notice = notice;
    this.#channel = client.channel("group", options.clientId);
  }

  /** Partitions held now. */
  get assignment(): readonly TopicPartition[] {
    return this.#held.places;
  }

  /** Whether polling may fetch. */
  get isMember(): boolean {
    return this.#phase === "member";
  }

  /** The channel for heartbeats, commits and committed offsets. */
  get channel(): Channel {
    return this.#channel;
  }

  /** Only a member reads where to begin: what its predecessor commits while it lets go is not missed. */
  get readFence(): GroupMetadata | null {
    return this.#phase === "member" ? this.metadata() : null;
  }

  /** Who we are in the group now. */
  metadata(): GroupMetadata {
    const { groupId, instanceId } = this.#options;
    return { groupId, generation: this.#epoch, memberId: this.#memberId, instanceId };
  }

  /** Joins with these topics; what is held goes through `revoked` first. */
  async subscribe(topics: readonly string[], listener: RebalanceListener): Promise<void> {
    const ids = await topicIds(this.#client, topics);
    for (const topic of topics) {
      if (!ids.has(topic)) throw this.#client.topicError(topic);
    }
    if (this.#sessionMs === 0) {
      const { groupId, sessionTimeoutMs } = this.#options;
      this.#sessionMs = await agreeOnSession(this.#client, groupId, { sessionTimeoutMs, channel: this.#channel });
    }
    await this.#giveUp("revoked");
    this.#topics = topics;
    this.#ids = ids;
    this.#listener = listener;
    this.#hasTold = false;
    if (this.#phase === "idle") this.#phase = "out";
    else if (this.#phase === "member") void this.#beat();
    await this.settle();
    if (this.#isBeating) return;
    this.#isBeating = true;
    void this.#keepAlive();
  }

  /** Goes as far towards membership as is possible without waiting for others. */
  async settle(): Promise<void> {
    for (;;) {
      const failure = this.#failure;
      this.#failure = null;
      if (failure !== null) throw failure;
      switch (this.#phase) {
        case "idle":
        case "joining":
          return;
        case "fenced":
          throw fencedInstanceError(this.metadata());
        case "out":
          this.#phase = "joining";
          this.#omen = "none";
          this.#epoch = MEMBER_EPOCH.join;
          this.#hasTold = false;
          void this.#beat();
          return;
        case "member":
          if (this.#isExpired()) this.#omen = "lost";
          if (this.#omen !== "none") await this.#follow(this.#omen);
          else if (!await this.#reconcile()) return;
      }
    }
  }

  /** The newest epoch, when all partitions have been held since the older one. */
  fenceFor(positions: readonly TopicPartition[], group: GroupMetadata): GroupMetadata {
    if (this.#phase !== "member" || group.memberId !== this.#memberId || group.generation >= this.#epoch) return group;
    return this.#held.areHeldSince(positions, group.generation) ? { ...group, generation: this.#epoch } : group;
  }

  /** Heeds a code that a commit was answered with; asks the group when it does not tell all. */
  async heed(code: number, generation: number): Promise<number> {
    if (this.#phase !== "member" || generation !== this.#epoch) return code;
    // In a transaction an old epoch is called a generation.
    if (code === CODE.staleMemberEpoch || code === CODE.illegalGeneration) await this.#beat();
    if (code !== CODE.unknownMember && code !== CODE.fencedMemberEpoch) return code;
    // Commits do not name the instance: the heartbeat tells whether a newer member has it.
    if (this.#options.instanceId !== null) await this.#beat();
    if (this.#omen === "fenced") return CODE.fencedInstance;
    if (this.#phase === "member" && generation === this.#epoch) this.#omen = "lost";
    this.#notice.give();
    return code;
  }

  /** Ends the membership: `revoked` is awaited (or `lost`), then a member leaves; a static one for a while, unless told. */
  async leave({ isDirty = false, isLeaving = false }: LeaveOptions): Promise<void> {
    // An attempt to join that was not answered may have succeeded.
    const mayBeIn = this.#phase === "out" && !isDirty;
    const wasIn = this.#phase === "member" || this.#phase === "joining" || mayBeIn;
    try {
      if (!isDirty && this.#phase === "member") {
        if (this.#omen === "none") await this.#beat();
        await this.#giveUp(this.#omen !== "none" || this.#isExpired() ? "lost" : "revoked");
      }
    } finally {
      const isIn = wasIn && this.#omen === "none" && this.#memberId !== "";
      this.#held.clear();
      this.#end.abort();
      this.#phase = "idle";
      if (isIn) await this.#sayGoodbye({ isForGood: this.#options.instanceId === null || isLeaving, isDirty });
      this.#client.closeChannel(this.#channel);
    }
  }

  /** The connection is gone: no goodbye. */
  abandon(): void {
    this.#end.abort();
    this.#phase = "idle";
    this.#held.clear();
  }

  async #sayGoodbye({ isForGood, isDirty }: { readonly isForGood: boolean; readonly isDirty: boolean }): Promise<void> {
    const { groupId, memberId, instanceId } = this.metadata();
    const epoch = isForGood ? MEMBER_EPOCH.leave : MEMBER_EPOCH.leaveForAWhile;
    const goodbye = { groupId, memberId, instanceId, epoch, wish: null, owned: null };
    await sayGoodbye(this.#client, {
      groupId,
      isDirty,
      send: async () => (await this.#send(goodbye)).errorCode,
    });
  }

  /** Takes the assignment over: first what leaves, then what comes. */
  async #reconcile(): Promise<boolean> {
    const target = this.#target;
    if (target === null) return false;
    this.#target = null;
    const wanted = await this.#named(target);
    const { leaving, coming } = this.#held.compare(wanted);
    // Of a topic that was deleted, or created again, nothing can be committed any more.
    const isGone = ({ topic, topicId }: HeldPartition) => this.#ids.get(topic) !== topicId;
    for (const how of ["lost", "revoked"] as const) {
      const places = leaving.filter((place) => isGone(place) === (how === "lost"));
      if (places.length === 0) continue;
      await this.#listener![how](places.map(placeOf));
      this.#held.remove(places);
    }
    if (this.#phase !== "member") return true;
    if (leaving.length > 0) void this.#beat();
    if (this.#omen !== "none" || this.#target !== null || coming.length === 0) return true;
    // A heartbeat that is under way does not name them: the group, if it has changed its mind, takes that for a release.
    if (this.#isAsking) {
      this.#target = target;
      return false;
    }
    this.#held.add(coming, this.#epoch);
    await this.#listener!.assigned(coming.map(placeOf));
    return true;
  }

  /** Names of the topics of an assignment; of one that nobody knows yet, the group tells again. */
  async #named(target: readonly PartitionsById[]): Promise<HeldPartition[]> {
    const known = new Set(this.#ids.values());
    if (target.some(({ topicId }) => !known.has(topicId))) this.#ids = await topicIds(this.#client, this.#topics);
    const names = new Map([...this.#ids].map(([topic, topicId]) => [topicId, topic]));
    return target.flatMap(({ topicId, partitions }) => {
      const topic = names.get(topicId);
      if (topic !== undefined) return partitions.map((partition) => ({ topic, partition, topicId }));
      this.#hasTold = false;
      return [];
    });
  }

  async #follow(omen: "lost" | "fenced"): Promise<void> {
    this.#phase = omen === "fenced" ? "fenced" : "out";
    this.#target = null;
    await this.#giveUp("lost");
  }

  async #giveUp(how: "revoked" | "lost"): Promise<void> {
    const held = this.#held.places;
    if (held.length === 0) return;
    if (how === "lost") this.#held.clear();
    await this.#listener![how](held);
    this.#held.clear();
  }

  async #keepAlive(): Promise<void> {
    const { signal } = this.#end;
    for (;;) {
      const bounds = [this.#client.options.heartbeatIntervalMs, this.#groupIntervalMs, Math.floor(this.#sessionMs / 3)];
      await this.#client.sleep(Math.max(1, Math.min(...bounds)), signal);
      if (signal.aborted) return;
      if (this.#phase === "member") await this.#beat();
    }
  }

  /** One sign of life after the other: an answer is always about what was told last. Never rejects. */
  #beat(): Promise<void> {
    this.#isAsking = true;
    const round = this.#round.then(() => this.#exchange()).finally(() => {
      if (this.#round !== round) return;
      this.#isAsking = false;
      if (this.#target !== null) this.#notice.give();
    });
    this.#round = round;
    return round;
  }

  async #exchange(): Promise<void> {
    const [phase, epoch, topics] = [this.#phase, this.#epoch, this.#topics];
    if (phase !== "joining" && phase !== "member") return;
    const sentMs = this.#nowMs();
    const isFull = !this.#hasTold;
    try {
      const { groupId, instanceId, memberId } = this.metadata();
      const wish = isFull ? this.#wish() : null;
      const reply = await this.#send({ groupId, instanceId, memberId, epoch, wish, owned: this.#held.byId });
      // What was given up meanwhile has no use for an answer.
      if (this.#phase !== phase || this.#epoch !== epoch) return;
      if (reply.errorCode !== 0) return await this.#refused(reply);
      this.#aliveMs = Math.max(this.#aliveMs, sentMs);
      this.#take(reply);
      this.#hasTold = this.#hasTold || isFull && topics === this.#topics;
    } catch (error) {
      // The answer may have held an assignment: all is told, and asked, again.
      this.#hasTold = false;
      if (this.#phase === "joining") this.#phase = "out";
      else if (error instanceof StreamError) return;
      this.#failure = error instanceof NotModelledError ? this.#unknownProtocol(error) : error as Error;
      this.#notice.give();
    }
  }

  #take({ memberId, epoch, heartbeatIntervalMs, assignment }: MemberReply): void {
    const hasJoined = this.#phase === "joining";
    if (memberId !== "") this.#memberId = memberId;
    this.#epoch = epoch;
    this.#groupIntervalMs = heartbeatIntervalMs;
    this.#phase = "member";
    if (assignment !== null) this.#target = assignment;
    if (hasJoined || assignment !== null) this.#notice.give();
  }

  async #refused({ errorCode: code, message }: MemberReply): Promise<void> {
    const { groupId, instanceId } = this.#options;
    const isJoining = this.#phase === "joining";
    this.#hasTold = false;
    if (code === CODE.fencedInstance) this.#omen = "fenced";
    else if (isStaleCoordinator(code)) this.#client.forgetCoordinator(groupId);
    else if (LOST.includes(code)) this.#omen = "lost";
    else if (code === CODE.unreleasedInstance && instanceId !== null) {
      await releaseInstance(this.#client, { groupId, instanceId, channel: this.#channel });
    } else {
      this.#failure = codeError(`join group '${groupId}'`, code, { message, context: { groupId, instanceId } });
    }
    if (isJoining && code !== CODE.fencedInstance) await this.#client.sleep(RETRY_MS, this.#end.signal);
    if (isJoining && this.#phase === "joining") this.#phase = code === CODE.fencedInstance ? "fenced" : "out";
    this.#notice.give();
  }

  #wish() {
    const { rebalanceTimeoutMs } = this.#client.options;
    return {
      rebalanceTimeoutMs: Math.max(this.#options.sessionTimeoutMs, rebalanceTimeoutMs),
      topics: this.#topics,
      // Topics that are read together need the same partition numbers together, which range keeps as far as it can.
      assignor: this.#topics.length > 1 ? "range" : "uniform",
    };
  }

  #send(beat: MemberHeartbeat): Promise<MemberReply> {
    return this.#client.sendToCoordinator(this.#options.groupId, ({ versions }) => {
      const version = bestVersion(versions, MEMBER_HEARTBEAT, MEMBER_HEARTBEAT_VERSIONS);
      // Before version 1 the group chooses the id of a new member.
      const isNew = version === 0 && beat.epoch === MEMBER_EPOCH.join;
      return memberHeartbeatCall(isNew ? { ...beat, memberId: "" } : beat, version);
    }, { channel: this.#channel });
  }

  #unknownProtocol(cause: NotModelledError): NotModelledError {
    return new NotModelledError(
      `Cannot join group '${this.#options.groupId}' by the protocol 'consumer': ${cause.message}; set 'groupProtocol' to ` +
        "'classic', or use Kafka 4 with the feature group.version 1",
      { cause, context: cause.context },
    );
  }

  /** Whether nothing was heard for so long that the group must have given our partitions away. */
  #isExpired(): boolean {
    return this.#nowMs() - this.#aliveMs > this.#sessionMs;
  }

  #nowMs(): number {
    return this.#client.environment.clock.monotonicMs();
  }
}

/** Ids of the topics that exist, fresh from the cluster. */
async function topicIds(client: KafkaClient, topics: readonly string[]): Promise<Map<string, string>> {
  const metadata = await client.metadata(topics);
  const existing = metadata.topics.filter(({ errorCode }) => errorCode === 0);
  return new Map(existing.map(({ topic, topicId }) => [topic, topicId]));
}
