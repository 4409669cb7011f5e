import { BrokerUnavailableError, OffsetOutOfRangeError, StreamError } from "../../base/errors.ts";
import type { TopicPartition } from "../../seams/broker.ts";
import { CODE, codeError, isStaleLeader } from "./broker_codes.ts";
import { decodeBatches } from "./decode_batches.ts";
import { bestVersion, type CallFor } from "./connection.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { leaderEpochRun } from "./leader_epoch_run.ts";
import { logBounds } from "./log_bounds.ts";
import type { Notice } from "./notice.ts";
import type { PartitionFeed } from "./partition_feed.ts";
import { peekEnd } from "./scan_batches.ts";
import {
  type DivergingEpoch,
  FETCH,
  FETCH_VERSIONS,
  fetchCall,
  type FetchedPartition,
  type FetchFrom,
  type FetchReply,
} from "./protocol/fetch_calls.ts";

/** Wait before a leader that has moved is looked for again, in milliseconds. */
const RETRY_MS = 100;
/** More than what sending takes for each partition. */
const MICROTASKS = 16;
/** A leader that is not found so often in a row is an error that polling tells. */
const STALE_MAX = 5;

/**
 * Keeps one fetch under way at each leader. The next one is sent as soon as a reply has come, before that is decoded: so
 * records travel while the last ones are decoded, handed out and processed. What is held stays bounded: a leader is asked
 * again when no more than one reply of it waits to be handed out. Partitions take turns: those that gave nothing for the
 * longest time stand first in a fetch, as one that has much could fill each reply alone.
 *
 * Each fetch tells the leader epoch of what was read before, so a log that was truncated below the position is noticed
 * although it has grown past it (KIP-320), and names topics by their ids, so that one which was deleted and created again
 * is not read on as if it were the old one.
 */
export class Fetcher {
  /** What polling must tell, beside the partitions' own failures. */
  failure: Error | null = null;
  readonly #client: KafkaClient;
  readonly #notice: Notice;
  readonly #isCommitted: boolean;
  readonly #channel: Channel;
  readonly #lookChannel: Channel;
  readonly #running = new Set<number>();
  /** When each partition gave something, by a count of replies. */
  readonly #lastGave = new WeakMap<PartitionFeed, number>();
  #replies = 0;
  #requests = 0;
  #feeds: readonly PartitionFeed[] = [];
  #bytesMax = 1;
  #isClosed = false;

  /**
   * @param client Connections.
   * @param notice Told when something came.
   * @param options Isolation, and the name of this client.
   */
  constructor(
    client: KafkaClient,
    notice: Notice,
    options: { readonly isCommitted: boolean; readonly clientId: string },
  ) {
    this.#client = client;
    this.#notice = notice;
    this.#isCommitted = options.isCommitted;
    this.#channel = client.channel("fetch", options.clientId);
    this.#lookChannel = client.channel("look", options.clientId);
  }

  /** The channel for look-ups. */
  get lookChannel(): Channel {
    return this.#lookChannel;
  }

  /**
   * Begins fetches for partitions that may take more. They go on by themselves until enough waits to be handed out.
   *
   * @param feeds Assigned partitions.
   * @param bytesMax Bound of each reply, in bytes.
   * @throws {UnknownTopicError} when a topic is gone.
   * @throws {BrokerUnavailableError} when leaders are not known.
   */
  async start(feeds: readonly PartitionFeed[], bytesMax: number): Promise<void> {
    this.#feeds = feeds;
    this.#bytesMax = Math.min(Math.max(1, Math.floor(bytesMax)), 0x7fff_ffff);
    await this.#begin();
  }

  async #begin(): Promise<void> {
    const feeds = this.#feeds;
    const hungry = feeds.filter((feed) => feed.isHungry)
      .sort((a, b) => (this.#lastGave.get(a) ?? 0) - (this.#lastGave.get(b) ?? 0));
    if (hungry.length === 0) return;
    for (const [leader, group] of await this.#client.byLeader(hungry)) {
      if (this.#running.has(leader)) continue;
      const places: FetchOf[] = [];
      for (const feed of group) {
        const place = await this.#placeOf(feed);
        if (place !== null) places.push(place);
      }
      if (await this.#bytesHeld(leader, feeds) > this.#bytesMax) continue;
      // Looking up may have taken a while.
      const left = places.filter(isAhead);
      if (left.length === 0 || this.#running.has(leader) || this.#isClosed) continue;
      this.#running.add(leader);
      void this.#fetch(leader, left).finally(() => this.#notice.give());
    }
  }

  /** Drops what is under way. */
  close(): void {
    this.#isClosed = true;
    this.#client.closeChannel(this.#channel);
    this.#client.closeChannel(this.#lookChannel);
  }

  /** What to ask for, or `null` when the position belongs to a topic that is no more. */
  async #placeOf(feed: PartitionFeed): Promise<FetchOf | null> {
    const { topic, partition, frontier, version } = feed;
    if (frontier === null) return null;
    const { offset, leaderEpoch: lastEpoch } = frontier;
    const { topicId, leaderEpochs } = await this.#client.topic(topic);
    // Meanwhile it may have been sent elsewhere, or a fetch that was under way has come.
    if (feed.version !== version || feed.frontier?.offset !== offset || !feed.isHungry) return null;
    if (feed.topicId !== null && feed.topicId !== topicId) {
      const error = await this.#recreated(feed, offset);
      if (feed.version === version) feed.failure = error;
      return null;
    }
    feed.topicId = topicId;
    const leaderEpoch = leaderEpochs[partition] ?? -1;
    return { topic, partition, topicId, offset, leaderEpoch, lastEpoch, feed, version };
  }

  /** What waits to be handed out of a leader's partitions; those that are paused are not to hold the others up. */
  async #bytesHeld(leader: number, feeds: readonly PartitionFeed[]): Promise<number> {
    let bytes = 0;
    for (const feed of feeds) {
      if (!feed.isFull || feed.isPaused) continue;
      if ((await this.#client.topic(feed.topic)).leaders[feed.partition] === leader) bytes += feed.bytesHeld;
    }
    return bytes;
  }

  async #fetch(leader: number, places: readonly FetchOf[]): Promise<void> {
    let isRunning = true;
    const release = () => {
      if (isRunning) this.#running.delete(leader);
      isRunning = false;
    };
    try {
      const reply = await this.#ask(leader, places);
      const byPlace = new Map(places.map((place) => [keyOf(place), place]));
      const given = reply.partitions.flatMap((fetched) => {
        const place = byPlace.get(keyOf(fetched));
        return place === undefined
          ? []
          : [{ place, fetched: { ...fetched, records: leaderEpochRun(fetched.records) } }];
      });
      if (this.#announce(given)) {
        release();
        await this.#goOn();
      }
      let hasMoved = false;
      for (const { place, fetched } of given) {
        if (isStaleLeader(fetched.errorCode)) hasMoved = this.#noteMoved(place, fetched.errorCode) || hasMoved;
        else await this.#take(place, fetched);
      }
      if (hasMoved) await this.#client.sleep(RETRY_MS);
    } catch (error) {
      for (const { topic } of places) this.#client.forgetTopic(topic);
      this.failure = error as Error;
    } finally {
      for (const { feed, version } of places) if (feed.version === version) feed.settle();
      release();
    }
  }

  /** Notes where the next fetch can begin; `false` when there is nothing to decode meanwhile. */
  #announce(given: readonly { readonly place: FetchOf; readonly fetched: FetchedPartition }[]): boolean {
    this.#replies += 1;
    let hasAny = false;
    for (const { place, fetched } of given) {
      const end = fetched.errorCode === 0 && fetched.diverging === null ? peekEnd(fetched.records) : null;
      if (end === null || !place.feed.announce(place, end)) continue;
      this.#lastGave.set(place.feed, this.#replies);
      hasAny = true;
    }
    return hasAny;
  }

  /**
   * Sends the next fetch before the reply that has come is decoded. When all that is needed for it is known, it is on its way
   * after some microtasks; decoding waits for nothing else.
   */
  async #goOn(): Promise<void> {
    const { length } = this.#feeds;
    const before = this.#requests;
    this.#begin().catch((error) => {
      // The next poll finds it too, and tells.
      if (!(error instanceof StreamError)) this.failure = error;
    });
    for (let turn = MICROTASKS * (1 + length); turn > 0 && this.#requests === before; turn--) await null;
  }

  async #ask(leader: number, places: readonly FetchOf[]): Promise<FetchReply> {
    const bytesMax = this.#bytesMax;
    const bounds = {
      isCommitted: this.#isCommitted,
      waitMs: this.#client.options.fetchWaitMs,
      bytesMax,
      partitionBytesMax: bytesMax,
    };
    const callFor: CallFor<FetchReply> = ({ versions }) => {
      this.#requests += 1;
      return fetchCall(places, { ...bounds, version: bestVersion(versions, FETCH, FETCH_VERSIONS) });
    };
    const reply = await this.#client.send(leader, callFor, { channel: this.#channel });
    if (reply.errorCode !== 0) throw codeError("fetch", reply.errorCode);
    return reply;
  }
  /** Looks the leader up again; an election takes a moment, so it becomes an error only when it goes on. */
  #noteMoved(place: FetchOf, code: number): boolean {
    const { feed, topic, partition } = place;
    this.#client.forgetTopic(topic);
    if (!isAt(place)) return false;
    feed.staleInRow += 1;
    if (feed.staleInRow % STALE_MAX !== 0) return true;
    feed.failure = new BrokerUnavailableError(
      `Cannot fetch from '${topic}' partition ${partition}: its leader has moved, try again`,
      { context: { topic, partition, code } },
    );
    return false;
  }

  async #take(place: FetchOf, fetched: FetchedPartition): Promise<void> {
    const { feed, offset } = place;
    const { topic, partition, errorCode, highWatermark, logStart, diverging } = fetched;
    try {
      // Another position meanwhile, or less before it than was announced, makes it void.
      if (!isAt(place)) return;
      if (errorCode === CODE.offsetOutOfRange || diverging !== null) throw await this.#outOfRange(place, diverging);
      if (errorCode !== 0) throw codeError(`fetch from '${topic}'`, errorCode, { context: { topic, partition } });
      const { records } = fetched;
      const decoded = decodeBatches(records, {
        from: Number(offset),
        aborted: this.#isCommitted ? fetched.aborted : [],
        decompressedBytesMax: this.#client.options.decompressedBytesMax,
      });
      // What is compressed keeps more than what came.
      const bytes = decoded.records.values.bytes.length;
      feed.fill(place, { decoded, highWatermark, logStart, bytes });
    } catch (error) {
      // Another position meanwhile makes the failure void.
      if (isAt(place)) feed.failure = error as Error;
    } finally {
      if (feed.version === place.version) feed.settle();
    }
  }

  async #outOfRange(place: FetchOf, diverging: DivergingEpoch | null): Promise<Error> {
    const { topic, partition, offset, lastEpoch } = place;
    const context = await this.#boundsOf(place, offset);
    const { logStart, logEnd } = context;
    if (diverging !== null) {
      const { epoch, endOffset } = diverging;
      return new OffsetOutOfRangeError(
        `Cannot read '${topic}' partition ${partition} at offset ${offset}: it was read under leader epoch ` +
          `${lastEpoch}, whose records end at ${endOffset} now: the log was truncated there, go on from an offset ` +
          "before it",
        { context: { ...context, lastEpoch, divergedAt: endOffset, divergedEpoch: epoch } },
      );
    }
    const isInside = lastEpoch >= 0 && offset >= logStart && offset <= logEnd;
    const found = isInside
      ? `it was read under leader epoch ${lastEpoch}, which this log never had: it was truncated or created again`
      : `the log holds ${logStart} to ${logEnd}`;
    return new OffsetOutOfRangeError(
      `Cannot read '${topic}' partition ${partition} at offset ${offset}: ${found}, restore a checkpoint inside the ` +
        "range or choose where to go on",
      { context: { ...context, lastEpoch } },
    );
  }

  async #recreated(place: TopicPartition, position: bigint): Promise<Error> {
    const { topic, partition } = place;
    return new OffsetOutOfRangeError(
      `Cannot read '${topic}' partition ${partition} at offset ${position}: the topic was deleted and created again, ` +
        "choose where to go on in the new one",
      { context: await this.#boundsOf(place, position) },
    );
  }

  async #boundsOf({ topic, partition }: TopicPartition, position: bigint): Promise<RangeContext> {
    const [bounds] = await logBounds(this.#client, [{ topic, partition }], {
      isCommitted: this.#isCommitted,
      channel: this.#lookChannel,
    });
    const { logStart, logEnd } = bounds!;
    return { topic, partition, position, logStart, logEnd };
  }
}

/** Context of an error of a position. */
interface RangeContext extends Readonly<Record<string, unknown>> {
  readonly logStart: bigint;
  readonly logEnd: bigint;
}

/** A fetch of one partition, and the version of the position that it belongs to. */
interface FetchOf extends FetchFrom {
  readonly feed: PartitionFeed;
  readonly version: number;
}

/** Whether what was asked for goes on behind what is kept. */
function isAt(place: FetchOf): boolean {
  return place.feed.isNext(place);
}

/** Whether it still is the next to ask for. */
function isAhead({ feed, offset, version }: FetchOf): boolean {
  return feed.version === version && feed.frontier?.offset === offset && feed.isHungry;
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

/** Whether an error says that the same fetch may be tried again. */
export function isPassing(error: Error): boolean {
  return error instanceof StreamError && error.code === "BrokerUnavailable";
}
