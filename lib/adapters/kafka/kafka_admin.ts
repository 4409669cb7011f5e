import { BrokerUnavailableError, StreamError } from "../../base/errors.ts";
import type {
  BrokerAdmin,
  CommittedPosition,
  PartitionOffsets,
  TopicDescription,
  TopicPartition,
} from "../../seams/broker.ts";
import { CODE, codeError, isStaleLeader } from "./broker_codes.ts";
import { commitGroupOffsets, fetchGroupOffsets } from "./group_offsets.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { logBounds, lookUpOffsets } from "./log_bounds.ts";
import { createTopicsCall, type TopicMetadata } from "./protocol/metadata_calls.ts";
import { LATEST } from "./protocol/offset_calls.ts";

/** Wait before metadata are looked at again, in milliseconds. */
const RETRY_MS = 50;

/** Administration of a Kafka cluster. */
export class KafkaAdmin implements BrokerAdmin {
  readonly #client: KafkaClient;
  readonly #channel: Channel;

  /** @param client Connections. */
  constructor(client: KafkaClient) {
    this.#client = client;
    this.#channel = client.channel("admin");
  }

  /** Identity of the cluster. */
  clusterId(): Promise<string> {
    return Promise.resolve(this.#client.clusterId);
  }

  /** Creates topics that are missing, with the cluster's default replication, and waits for their leaders. */
  async createTopics(topics: readonly { readonly topic: string; readonly partitions: number }[]): Promise<void> {
    if (topics.length === 0) return;
    const { requestTimeoutMs } = this.#client.options;
    const call = createTopicsCall(topics, requestTimeoutMs);
    for (const { topic, errorCode, message } of await this.#client.sendAnywhere(call, this.#channel)) {
      if (errorCode === 0 || errorCode === CODE.topicExists) continue;
      throw codeError(`create topic '${topic}'`, errorCode, { message, context: { topic } });
    }
    const { clock } = this.#client.environment;
    const endMs = clock.monotonicMs() + requestTimeoutMs;
    const names = topics.map(({ topic }) => topic);
    while (!(await this.#client.metadata(names)).topics.every(isReady)) {
      if (clock.monotonicMs() > endMs) {
        throw new BrokerUnavailableError(
          `Topics ${names.join(", ")} have no leaders ${requestTimeoutMs} ms after they were created, try again`,
          { context: { topics: names.join(",") } },
        );
      }
      await this.#client.sleep(RETRY_MS);
    }
  }

  /** Describes the topics that exist, fresh from the cluster. */
  async describeTopics(topics: readonly string[]): Promise<readonly TopicDescription[]> {
    if (topics.length === 0) return [];
    const metadata = await this.#client.metadata(topics);
    const byName = new Map(metadata.topics.map((entry) => [entry.topic, entry]));
    return topics.flatMap((topic) => {
      const found = byName.get(topic);
      if (found === undefined || found.errorCode === CODE.unknownTopic) return [];
      if (found.errorCode !== 0 && !isStaleLeader(found.errorCode)) {
        throw codeError(`describe topic '${topic}'`, found.errorCode, { context: { topic } });
      }
      return [{ topic, topicId: found.topicId, partitions: found.leaders.length }];
    });
  }

  /** First and next offset of each partition. */
  offsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffsets[]> {
    return logBounds(this.#client, partitions, { isCommitted: true, channel: this.#channel });
  }

  /** First offset whose timestamp is at or after `atMs`, or the log's end. */
  async offsetsAt(
    partitions: readonly TopicPartition[],
    atMs: number,
  ): Promise<readonly (TopicPartition & { offset: bigint })[]> {
    const look = { isCommitted: true, channel: this.#channel };
    // Times before 1970 would be taken for the protocol's special times.
    const time = BigInt(Math.max(0, Math.ceil(atMs)));
    const found = await lookUpOffsets(this.#client, partitions, { ...look, time });
    const after = found.filter(({ offset }) => offset < 0n);
    const ends = await lookUpOffsets(this.#client, after, { ...look, time: LATEST });
    const endOf = new Map(ends.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]));
    return found.map(({ topic, partition, offset }) => ({
      topic,
      partition,
      offset: endOf.get(`${topic}/${partition}`) ?? offset,
    }));
  }

  /** What a group committed, without being a member. */
  groupOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<readonly CommittedPosition[]> {
    return fetchGroupOffsets(this.#client, groupId, {
      partitions,
      isStable: false,
      timeoutMs: 0,
      channel: this.#channel,
    });
  }

  /** Overwrites what a group without members committed. */
  async setGroupOffsets(groupId: string, positions: readonly CommittedPosition[]): Promise<void> {
    const group = { groupId, generation: -1, memberId: "", instanceId: null };
    const outcome = await commitGroupOffsets(this.#client, positions, { group, channel: this.#channel });
    if (outcome.kind === "applied") return;
    const { error } = outcome;
    if (!(error instanceof StreamError) || error.context.code !== CODE.unknownMember) throw error;
    throw new BrokerUnavailableError(
      `Cannot set offsets of group '${groupId}' as it has members, stop them first`,
      { cause: outcome.error, context: { groupId } },
    );
  }

  /** Closes its connections. */
  close(): Promise<void> {
    this.#client.closeChannel(this.#channel);
    return Promise.resolve();
  }
}

function isReady({ errorCode, leaders }: TopicMetadata): boolean {
  return errorCode === 0 && leaders.length > 0 && leaders.every((leader) => leader >= 0);
}
