import {
  AssignmentLostError,
  BrokerTimeoutError,
  BrokerUnavailableError,
  UnknownTopicError,
} from "../../base/errors.ts";
import type { Outcome } from "../../base/outcome.ts";
import type { RecordSlab } from "../../columns/records.ts";
import type {
  CommittedPosition,
  Consumer,
  ConsumerOptions,
  GroupMetadata,
  PollOptions,
  RebalanceListener,
  TopicPartition,
} from "../../seams/broker.ts";
import { Fetcher, isPassing } from "./fetcher.ts";
import { commitGroupOffsets, fetchGroupOffsets } from "./group_offsets.ts";
import type { KafkaClient } from "./kafka_client.ts";
import { lookUpOffsets } from "./log_bounds.ts";
import { makeMembership } from "./make_membership.ts";
import { closedError, type LeaveOptions, type Membership } from "./membership.ts";
import { Notice } from "./notice.ts";
import { PartitionFeed, slabBytes } from "./partition_feed.ts";
import { EARLIEST } from "./protocol/offset_calls.ts";

/** How long `subscribe` waits for the first assignment, in milliseconds; then `poll` goes on. */
const SUBSCRIBE_WAIT_MS = 500;
/** Longest wait inside a poll without looking at the session's end, in milliseconds. */
const WAIT_MS_MAX = 1_000;

/**
 * A member of a group, pull-based. A new partition starts at the group's committed offset (once that is stable), or at
 * the log's start, unless `seek` was called for it.
 */
export class KafkaConsumer implements Consumer {
  readonly #client: KafkaClient;
  readonly #membership: Membership;
  readonly #fetcher: Fetcher;
  readonly #notice: Notice;
  readonly #isCommitted: boolean;
  readonly #feeds = new Map<string, PartitionFeed>();
  #bytesMax = 1024 * 1024;
  #turn = 0;
  #isWoken = false;
  #isClosing = false;
  #polling: Promise<unknown> = Promise.resolve();

  /**
   * @param client Connections.
   * @param options Group and isolation.
   * @throws {TypeError} when the group id is empty.
   * @throws {RangeError} when the session timeout is not an integer above 0.
   */
  constructor(client: KafkaClient, options: ConsumerOptions) {
    const { groupId, instanceId = null, sessionTimeoutMs = 60_000, isolation = "read_committed" } = options;
    if (groupId === "") {
      throw new TypeError("Cannot create consumer as 'groupId' must not be empty: current value is ''");
    }
    if (!(sessionTimeoutMs > 0)) {
      throw new RangeError(
        `Cannot create consumer as 'sessionTimeoutMs' must be a number > 0: current value is ${sessionTimeoutMs}`,
      );
    }
    const clientId = options.clientId ?? client.options.clientId;
    this.#client = client;
    this.#isCommitted = isolation === "read_committed";
    this.#notice = new Notice(client.environment.clock);
    const membership = { groupId, instanceId, sessionTimeoutMs: Math.ceil(sessionTimeoutMs), clientId };
    this.#membership = makeMembership(client, membership, this.#notice);
    client.members.add(this.#membership);
    this.#fetcher = new Fetcher(client, this.#notice, { isCommitted: this.#isCommitted, clientId });
  }

  /** Whether it takes no calls any more. */
  get isClosed(): boolean {
    return this.#isClosing;
  }

  /** Joins the group. */
  async subscribe(topics: readonly string[], listener: RebalanceListener): Promise<void> {
    this.#assertOpen();
    await this.#membership.subscribe(topics, this.#tracking(listener));
    const endMs = this.#nowMs() + SUBSCRIBE_WAIT_MS;
    for (let leftMs = SUBSCRIBE_WAIT_MS; !this.#membership.isMember && leftMs > 0; leftMs = endMs - this.#nowMs()) {
      await this.#notice.wait(leftMs);
      if (this.#isClosing) return;
      await this.#membership.settle();
    }
  }

  /** Fetches; waits for news at most `timeoutMs`. */
  poll(options: PollOptions): Promise<readonly RecordSlab[]> {
    const polled = this.#poll(options);
    this.#polling = polled.catch(() => {});
    return polled;
  }

  /** Lets a running poll, or else the next one that would wait, return early. */
  wake(): void {
    this.#isWoken = true;
    this.#notice.give();
  }

  /** Sets the position of an assigned partition; the broker is told its leader epoch and refuses a log without it. */
  seek(partition: TopicPartition, offset: bigint, leaderEpoch = -1): void {
    this.#feeds.get(keyOf(partition))?.seek(offset, leaderEpoch);
  }

  /** Stops fetching of partitions. */
  pause(partitions: readonly TopicPartition[]): void {
    for (const feed of this.#feedsOf(partitions)) feed.isPaused = true;
  }

  /** Fetches them again. */
  resume(partitions: readonly TopicPartition[]): void {
    for (const feed of this.#feedsOf(partitions)) feed.isPaused = false;
    this.#notice.give();
  }

  /** Partitions held now. */
  assignment(): readonly TopicPartition[] {
    return this.#membership.assignment;
  }

  /** What the group committed. */
  async committed(
    partitions: readonly TopicPartition[],
    options: { readonly isStable: boolean },
  ): Promise<readonly CommittedPosition[]> {
    this.#assertOpen();
    return await fetchGroupOffsets(this.#client, this.groupMetadata().groupId, {
      partitions,
      isStable: options.isStable,
      timeoutMs: this.#client.options.stableTimeoutMs,
      channel: this.#membership.channel,
    });
  }

  /** Commits outside of a transaction. */
  async commit(positions: readonly CommittedPosition[], group: GroupMetadata): Promise<Outcome<void>> {
    return await this.#client.members.commit(positions, group, async (fence) => {
      const { channel } = this.#membership;
      return await commitGroupOffsets(this.#client, positions, { group: fence, channel });
    });
  }

  /** Who we are in the group now. */
  groupMetadata(): GroupMetadata {
    return this.#membership.metadata();
  }

  /** Leaves after an awaited `revoked`; a static member just goes silent, unless it is to leave. */
  async close(options: LeaveOptions = {}): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.wake();
    await this.#polling;
    try {
      await this.#membership.leave(options);
    } finally {
      this.#client.members.delete(this.#membership);
      this.#fetcher.close();
    }
  }

  /** The connection is gone without a goodbye. */
  abandon(): void {
    this.#isClosing = true;
    this.#membership.abandon();
    this.#client.members.delete(this.#membership);
    this.wake();
  }

  async #poll(options: PollOptions): Promise<readonly RecordSlab[]> {
    this.#assertOpen();
    this.#bytesMax = options.maxBytes;
    const endMs = this.#nowMs() + options.timeoutMs;
    for (;;) {
      await this.#membership.settle();
      this.#throwFailures({ isPassing: false });
      const slabs = this.#membership.isMember && !this.#isClosing ? this.#take(options) : [];
      if (slabs.length === 0) this.#throwFailures({ isPassing: true });
      if (this.#membership.isMember && !this.#isClosing) await this.#fetchAhead(slabs.length > 0);
      const leftMs = endMs - this.#nowMs();
      const isEarly = this.#isWoken;
      if (slabs.length > 0 || isEarly || leftMs <= 0) {
        // Data does not use a wake up: the next poll that would wait returns early instead.
        if (slabs.length === 0) this.#isWoken = false;
        return slabs;
      }
      await this.#notice.wait(Math.min(leftMs, WAIT_MS_MAX));
    }
  }

  /** Begins the next fetches. What goes wrong with it is for a poll that has nothing to hand out. */
  async #fetchAhead(hasSlabs: boolean): Promise<void> {
    try {
      const feeds = [...this.#feeds.values()];
      await this.#findPositions(feeds.filter((feed) => feed.position === null && !feed.isPaused));
      await this.#fetcher.start(feeds, this.#bytesMax);
    } catch (error) {
      const failure = error instanceof UnknownTopicError ? notYetKnown(error) : error as Error;
      if (!hasSlabs) throw failure;
      this.#fetcher.failure = failure;
    }
  }

  #take(options: PollOptions): RecordSlab[] {
    const slabs: RecordSlab[] = [];
    let { maxRecords, maxBytes } = options;
    for (const feed of this.#inTurn()) {
      if (slabs.length > 0 && (maxRecords <= 0 || maxBytes <= 0)) break;
      const slab = feed.take(Math.max(1, maxRecords));
      if (slab === null) continue;
      slabs.push(slab);
      maxRecords -= slab.records.count;
      maxBytes -= slabBytes(slab);
    }
    return slabs;
  }

  /** Partitions with something to hand out; each poll begins one further, so that none starves. */
  #inTurn(): PartitionFeed[] {
    const feeds = [...this.#feeds.values()].filter((feed) => feed.isFull && !feed.isPaused);
    if (feeds.length === 0) return feeds;
    const first = this.#turn++ % feeds.length;
    return [...feeds.slice(first), ...feeds.slice(0, first)];
  }

  /** Tells what went wrong: what stays wrong first of all, what passes only instead of nothing. Takes no records away. */
  #throwFailures(kind: { readonly isPassing: boolean }): void {
    for (const holder of [this.#fetcher, ...this.#feeds.values()]) {
      const { failure } = holder;
      if (failure === null || isPassing(failure) !== kind.isPassing || this.#isClosing) continue;
      if (holder instanceof PartitionFeed && holder.isPaused) continue;
      // The next fetch finds out whether it still stands.
      holder.failure = null;
      throw failure;
    }
  }

  /** Where to begin partitions that nobody sent anywhere. */
  async #findPositions(feeds: readonly PartitionFeed[]): Promise<void> {
    if (feeds.length === 0) return;
    const fence = this.#membership.readFence;
    const begin = new Map<string, { readonly offset: bigint; readonly leaderEpoch: number }>();
    try {
      const found = await fetchGroupOffsets(this.#client, this.groupMetadata().groupId, {
        partitions: feeds,
        isStable: true,
        timeoutMs: 0,
        channel: this.#membership.channel,
        fence,
      });
      for (const position of found) begin.set(keyOf(position), position);
    } catch (error) {
      // A transaction holds the offsets, or the group has moved on: the next poll looks again.
      if (error instanceof AssignmentLostError) await this.#membership.heed(codeOf(error), fence?.generation ?? -1);
      else if (!(error instanceof BrokerTimeoutError)) throw error;
      return;
    }
    const missing = feeds.filter((feed) => !begin.has(keyOf(feed)));
    const starts = await lookUpOffsets(this.#client, missing, {
      time: EARLIEST,
      isCommitted: this.#isCommitted,
      channel: this.#fetcher.lookChannel,
    });
    for (const start of starts) begin.set(keyOf(start), { offset: start.offset, leaderEpoch: -1 });
    for (const feed of feeds) {
      const { offset, leaderEpoch } = begin.get(keyOf(feed))!;
      if (feed.position === null) feed.seek(offset, leaderEpoch);
    }
  }

  #feedsOf(partitions: readonly TopicPartition[]): PartitionFeed[] {
    return partitions.flatMap((place) => this.#feeds.get(keyOf(place)) ?? []);
  }

  /** Keeps a feed for each partition that is held. */
  #tracking(listener: RebalanceListener): RebalanceListener {
    const forget = (partitions: readonly TopicPartition[]) => {
      for (const place of partitions) this.#feeds.delete(keyOf(place));
    };
    return {
      assigned: async (partitions) => {
        for (const place of partitions) this.#feeds.set(keyOf(place), new PartitionFeed(place));
        await listener.assigned(partitions);
      },
      revoked: async (partitions) => {
        await listener.revoked(partitions);
        forget(partitions);
      },
      lost: async (partitions) => {
        await listener.lost(partitions);
        forget(partitions);
      },
    };
  }

  #nowMs(): number {
    return this.#client.environment.clock.monotonicMs();
  }

  #assertOpen(): void {
    if (this.#isClosing) throw closedError();
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

/** A partition that the group has assigned and the broker that was asked does not know: it will hear of it soon. */
function notYetKnown(error: UnknownTopicError): Error {
  const { topic, partition } = error.context;
  if (partition === undefined) return error;
  return new BrokerUnavailableError(
    `Cannot read partition ${partition} of topic '${topic}' yet: the group has assigned it before all brokers know it, ` +
      "try again",
    { cause: error, context: error.context },
  );
}

/** The broker's code that an error stands for; 0 for none. */
function codeOf({ context }: AssignmentLostError): number {
  return typeof context.code === "number" ? context.code : 0;
}
