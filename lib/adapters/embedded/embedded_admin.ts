import type { Times } from "../../embedded/cluster.ts";
import { done, type Reply } from "../../embedded/reply.ts";
import type {
  BrokerAdmin,
  CommittedPosition,
  PartitionOffsets,
  TopicDescription,
  TopicPartition,
} from "../../seams/broker.ts";
import type { Client } from "./client.ts";
import { createTopics, type NewTopic } from "./create_topics.ts";
import { toEntries, toPlaces, toPositions } from "./embedded_consumer.ts";
import { PASSING_REFUSALS } from "./passing_refusals.ts";
import { valueOf } from "./refusal_error.ts";

/** Administration of an embedded broker. */
export class EmbeddedAdmin implements BrokerAdmin {
  readonly #client: Client;

  /** @param client The connection. */
  constructor(client: Client) {
    this.#client = client;
  }

  /** Identity of the cluster. */
  clusterId(): Promise<string> {
    return this.#ask("read cluster id", () => done(this.#client.server.cluster.state.clusterId));
  }

  /** Creates topics that are missing. */
  async createTopics(topics: readonly NewTopic[]): Promise<void> {
    await createTopics(this.#client, topics);
  }

  /** Describes the topics that exist. */
  describeTopics(topics: readonly string[]): Promise<readonly TopicDescription[]> {
    return this.#ask("describe topics", () => {
      const found: TopicDescription[] = [];
      for (const topic of topics) {
        const state = this.#client.server.cluster.state.topics.get(topic);
        if (state !== undefined) found.push({ topic, topicId: state.topicId, partitions: state.logs.length });
      }
      return done(found);
    });
  }

  /** First and next offset of each partition. */
  offsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffsets[]> {
    return this.#forEach("read offsets", partitions, (place) => {
      const reply = this.#client.server.cluster.bounds(place);
      if (reply.kind === "refused") return reply;
      const { logStart, lastStableOffset } = reply.value;
      return done({ ...place, logStart: BigInt(logStart), logEnd: BigInt(lastStableOffset) });
    });
  }

  /** First offset whose timestamp is at or after `atMs`. */
  offsetsAt(
    partitions: readonly TopicPartition[],
    atMs: number,
  ): Promise<readonly (TopicPartition & { offset: bigint })[]> {
    return this.#forEach("read offsets by time", partitions, (place) => {
      const reply = this.#client.server.cluster.offsetAt(place, atMs);
      return reply.kind === "refused" ? reply : done({ ...place, offset: BigInt(reply.value) });
    });
  }

  /** What a group committed. */
  async groupOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<readonly CommittedPosition[]> {
    const request = { groupId, partitions: toPlaces(partitions), isStable: false };
    const entries = await this.#ask(
      "read group offsets",
      (times) => this.#client.server.cluster.committedOffsets(request, times),
    );
    return toPositions(entries);
  }

  /** Overwrites what a group without members committed. */
  async setGroupOffsets(groupId: string, positions: readonly CommittedPosition[]): Promise<void> {
    const request = { groupId, offsets: toEntries(positions) };
    await this.#ask(
      `set offsets of group '${groupId}'`,
      (times) => this.#client.server.cluster.overwriteOffsets(request, times),
    );
  }

  /** Holds nothing. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  async #ask<T>(tried: string, run: (times: Times) => Reply<T>): Promise<T> {
    const patience = { codes: PASSING_REFUSALS, timeoutMs: this.#client.options.requestTimeoutMs };
    return valueOf(tried, await this.#client.requestPatiently("admin", run, patience));
  }

  #forEach<T>(
    tried: string,
    partitions: readonly TopicPartition[],
    look: (place: TopicPartition) => Reply<T>,
  ): Promise<readonly T[]> {
    return this.#ask(tried, () => {
      const found: T[] = [];
      for (const { topic, partition } of partitions) {
        const reply = look({ topic, partition });
        if (reply.kind === "refused") return reply;
        found.push(reply.value);
      }
      return done(found);
    });
  }
}
