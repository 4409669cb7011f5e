import { BrokerUnavailableError, OffsetOutOfRangeError, StreamError } from "../../base/errors.ts";
import type { TopicPartition } from "../../seams/broker.ts";
import { CODE, codeError, isStaleLeader } from "./broker_codes.ts";
import { decodeBatches } from "./decode_batches.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { logBounds } from "./log_bounds.ts";
import type { Notice } from "./notice.ts";
import type { PartitionFeed } from "./partition_feed.ts";
import { fetchCall, type FetchedPartition, type FetchFrom } from "./protocol/record_calls.ts";

/**
 * Keeps one fetch under way at each leader, for those partitions of which nothing waits to be handed out. So the next
 * records travel while the last ones are processed, and at most one reply of each leader is held.
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
   * Begins fetches for partitions that have nothing to hand out.
   *
   * @param feeds Assigned partitions.
   * @param bytesMax Bound of each reply, in bytes.
   * @throws {UnknownTopicError} when a topic is gone.
   * @throws {BrokerUnavailableError} when leaders are not known.
   */
  async start(feeds: readonly PartitionFeed[], bytesMax: number): Promise<void> {
    const hungry = feeds.filter((feed) =>
      !feed.isFull && !feed.isPaused && feed.failure === null && feed.position !== null
    );
    if (hungry.length === 0) return;
    for (const [leader, group] of await this.#client.byLeader(hungry)) {
      if (this.#running.has(leader)) continue;
      const places = group.flatMap((feed): FetchOf[] =>
        feed.position === null ? [] : [{ topic: feed.topic, partition: feed.partition, offset: feed.position, feed }]
      );
      this.#running.add(leader);
      void this.#fetch(leader, places, bytesMax).finally(() => {
        this.#running.delete(leader);
        this.#notice.give();
      });
    }
  }

  /** Drops what is under way. */
  close(): void {
    this.#client.closeChannel(this.#channel);
    this.#client.closeChannel(this.#lookChannel);
  }

  async #fetch(leader: number, places: readonly FetchOf[], bytesMax: number): Promise<void> {
    try {
      const call = fetchCall(places, {
        isCommitted: this.#isCommitted,
        waitMs: this.#client.options.fetchWaitMs,
        bytesMax: Math.min(Math.max(1, Math.floor(bytesMax)), 0x7fff_ffff),
      });
      const reply = await this.#client.send(leader, call, { channel: this.#channel });
      if (reply.errorCode !== 0) throw codeError("fetch", reply.errorCode);
      const byPlace = new Map(places.map((place) => [keyOf(place), place]));
      for (const fetched of reply.partitions) {
        const place = byPlace.get(keyOf(fetched));
        if (place !== undefined) await this.#take(place, fetched);
      }
    } catch (error) {
      for (const { topic } of places) this.#client.forgetTopic(topic);
      this.failure = error as Error;
    }
  }

  async #take({ feed, offset }: FetchOf, fetched: FetchedPartition): Promise<void> {
    const { topic, partition, errorCode, highWatermark, logStart } = fetched;
    try {
      if (errorCode === CODE.offsetOutOfRange) throw await this.#outOfRange(feed, offset);
      if (isStaleLeader(errorCode)) {
        this.#client.forgetTopic(topic);
        throw new BrokerUnavailableError(
          `Cannot fetch from '${topic}' partition ${partition}: its leader has moved, try again`,
          { context: { topic, partition, code: errorCode } },
        );
      }
      if (errorCode !== 0) throw codeError(`fetch from '${topic}'`, errorCode, { context: { topic, partition } });
      const { aborted, records } = fetched;
      const decoded = decodeBatches(records, {
        from: Number(offset),
        aborted: this.#isCommitted ? aborted : [],
        decompressedBytesMax: this.#client.options.decompressedBytesMax,
      });
      feed.fill(offset, { decoded, highWatermark, logStart });
    } catch (error) {
      // A position that was set meanwhile makes the failure void.
      if (feed.position === offset) feed.failure = error as Error;
    }
  }

  async #outOfRange(place: TopicPartition, position: bigint): Promise<Error> {
    const { topic, partition } = place;
    const [bounds] = await logBounds(this.#client, [{ topic, partition }], {
      isCommitted: this.#isCommitted,
      channel: this.#lookChannel,
    });
    const { logStart, logEnd } = bounds!;
    return new OffsetOutOfRangeError(
      `Cannot read '${topic}' partition ${partition} at offset ${position}: the log holds ${logStart} to ${logEnd}, ` +
        "restore a checkpoint inside the range or choose where to go on",
      { context: { topic, partition, position, logStart, logEnd } },
    );
  }
}

interface FetchOf extends FetchFrom {
  readonly feed: PartitionFeed;
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

/** Whether an error says that the same fetch may be tried again. */
export function isPassing(error: Error): boolean {
  return error instanceof StreamError && error.code === "BrokerUnavailable";
}
