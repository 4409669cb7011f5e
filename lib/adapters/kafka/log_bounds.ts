import type { PartitionOffsets, TopicPartition } from "../../seams/broker.ts";
import { codeError, isStaleLeader } from "./broker_codes.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { EARLIEST, LATEST, listOffsetsCall } from "./protocol/offset_calls.ts";

/** Wait before a leader that moves is asked again, in milliseconds. */
const RETRY_MS = 100;
/** Attempts at a leader that moves. */
const ATTEMPTS = 10;

/** An offset of a partition. */
export type FoundOffset = TopicPartition & { readonly offset: bigint };

/** What to look for. */
export interface LookUp {
  /** Epoch milliseconds, or one of the special times. */
  readonly time: bigint;
  /** Whether the end is the last stable offset. */
  readonly isCommitted: boolean;
  /** Channel to use. */
  readonly channel: Channel;
}

/**
 * Looks up offsets at the leaders of partitions, again when these move.
 *
 * @param client Connections.
 * @param partitions Which partitions.
 * @param look What to look for.
 * @returns One entry for each partition, in their order; offset -1 when there is none.
 * @throws {UnknownTopicError} when a topic or partition does not exist.
 * @throws {BrokerUnavailableError} when a leader cannot be reached.
 */
export async function lookUpOffsets(
  client: KafkaClient,
  partitions: readonly TopicPartition[],
  look: LookUp,
): Promise<FoundOffset[]> {
  const found = new Map<string, bigint>();
  const call = (places: readonly TopicPartition[]) => listOffsetsCall(places, look);
  for (let attempt = 1, left = partitions; left.length > 0; attempt++) {
    const failed: TopicPartition[] = [];
    for (const [leader, places] of await client.byLeader(left)) {
      for (const reply of await client.send(leader, call(places), { channel: look.channel })) {
        const { topic, partition, errorCode } = reply;
        if (errorCode === 0) found.set(`${topic}/${partition}`, reply.offset);
        else if (isStaleLeader(errorCode) && attempt < ATTEMPTS) failed.push({ topic, partition });
        else throw codeError(`look up offsets of '${topic}'`, errorCode, { context: { topic, partition } });
      }
    }
    for (const { topic } of failed) client.forgetTopic(topic);
    if (failed.length > 0) await client.sleep(RETRY_MS);
    left = failed;
  }
  return partitions.map(({ topic, partition }) => ({ topic, partition, offset: found.get(`${topic}/${partition}`)! }));
}

/**
 * First and next offset of partitions.
 *
 * @param client Connections.
 * @param partitions Which partitions.
 * @param options As for {@linkcode lookUpOffsets}.
 */
export async function logBounds(
  client: KafkaClient,
  partitions: readonly TopicPartition[],
  options: { readonly isCommitted: boolean; readonly channel: Channel },
): Promise<PartitionOffsets[]> {
  const starts = await lookUpOffsets(client, partitions, { ...options, time: EARLIEST });
  const ends = await lookUpOffsets(client, partitions, { ...options, time: LATEST });
  return starts.map(({ topic, partition, offset }, i) => ({
    topic,
    partition,
    logStart: offset,
    logEnd: ends[i]!.offset,
  }));
}
