import { BrokerUnavailableError } from "../../base/errors.ts";
import { applied, notApplied, type Outcome, unknown } from "../../base/outcome.ts";
import { partitionRows } from "../../columns/partition_rows.ts";
import type { ProducedRange, ProduceRequest } from "../../seams/broker.ts";
import { waitMs } from "./ask_patiently.ts";
import { CODE, codeError, lostReply, outcomeOfError } from "./broker_codes.ts";
import { encodeBatches, type EncodedBatch, nextSequence } from "./encode_batches.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { type PartitionBatch, produceCall, type ProducedPartition } from "./protocol/produce_calls.ts";

/** Who sends, and the next sequence number of each partition. */
export interface Sender {
  /** Producer id. */
  readonly producerId: bigint;
  /** Producer epoch. */
  readonly producerEpoch: number;
  /** Sequence numbers by topic and partition. */
  readonly sequences: Map<string, number>;
}

/** What one partition gets of one request. */
export interface RecordsPart {
  /** Partition number. */
  readonly partition: number;
  /** Its batches, in order. */
  readonly batches: readonly EncodedBatch[];
  /** Records in all batches. */
  readonly count: number;
}

/** How parts are sent. */
export interface SendOptions {
  /** Whose connections are used. */
  readonly channel: Channel;
  /** The transaction that the records belong to. @default {none} */
  readonly transaction?: { readonly transactionalId: string; readonly version: 9 | 12 };
  /** Whether nobody waits for it any more. @default {never} */
  readonly isClosed?: () => boolean;
}

/**
 * Encodes records for the partitions of a topic, and takes their sequence numbers.
 *
 * @param client Metadata and options.
 * @param request What to produce.
 * @param options Who sends, and where records without a key go.
 * @throws {UnknownTopicError} when the topic does not exist.
 */
export async function encodeParts(
  client: KafkaClient,
  request: ProduceRequest,
  options: { readonly sender: Sender; readonly turn: number; readonly isTransactional: boolean },
): Promise<RecordsPart[]> {
  const { topic, records } = request;
  const { sender: { producerId, producerEpoch, sequences }, turn, isTransactional } = options;
  const { leaders } = await client.topic(topic);
  const { batchBytesMax: bytesMax, compression } = client.options;
  const wallMs = client.environment.clock.wallMs();
  const parts = partitionRows(request, { count: leaders.length, nullPartition: turn }).map(({ partition, rows }) => {
    const sequence = sequences.get(`${topic}/${partition}`) ?? 0;
    const count = rows?.length ?? records.count;
    const producer = { producerId, producerEpoch, sequence, isTransactional };
    const batches = encodeBatches(records, rows, { producer, wallMs, bytesMax, compression, topic });
    return { partition, batches, count, sequence };
  });
  // Only when all parts can be written: the numbers of parts that are never sent would leave a gap.
  for (const { partition, count, sequence } of parts) {
    sequences.set(`${topic}/${partition}`, nextSequence(sequence, count));
  }
  return parts;
}

/**
 * Sends encoded parts, round by round one batch to each partition: a request takes no more. Brokers that are not ready are
 * asked again for as long as the client waits for replies.
 *
 * @param client Connections.
 * @param topic Topic name.
 * @param options The parts; channel and transaction.
 * @returns `unknown` also when only some batches were taken.
 */
export async function sendParts(
  client: KafkaClient,
  topic: string,
  options: SendOptions & { readonly parts: readonly RecordsPart[] },
): Promise<Outcome<readonly ProducedRange[]>> {
  const { parts } = options;
  const firstOffsets = new Map<number, bigint>();
  let sentAny = false;
  const rounds = Math.max(0, ...parts.map(({ batches }) => batches.length));
  for (let round = 0; round < rounds; round++) {
    const batches = parts.flatMap(({ partition, batches }) => {
      const batch = batches[round];
      return batch === undefined ? [] : [{ topic, partition, bytes: batch.bytes }];
    });
    const outcome = await sendRound({ client, topic, options }, batches);
    if (outcome.kind === "unknown") return outcome;
    if (outcome.kind === "not-applied") return sentAny ? unknown(outcome.error) : outcome;
    sentAny = true;
    for (const { partition, firstOffset } of outcome.value) {
      if (!firstOffsets.has(partition)) firstOffsets.set(partition, firstOffset);
    }
  }
  return applied(parts.map(({ partition, count }) => ({
    topic,
    partition,
    firstOffset: firstOffsets.get(partition)!,
    count,
  })));
}

interface RecordSending {
  readonly client: KafkaClient;
  readonly topic: string;
  readonly options: SendOptions;
}

/** Sends to all leaders at once; batches that were refused for now are sent again, to a new leader if there is one. */
async function sendRound(
  sending: RecordSending,
  batches: readonly PartitionBatch[],
): Promise<Outcome<readonly ProducedPartition[]>> {
  const { client, topic } = sending;
  const { clock } = client.environment;
  const endMs = clock.monotonicMs() + client.options.requestTimeoutMs;
  const taken: ProducedPartition[] = [];
  let left = batches;
  for (let attempt = 0;; attempt++) {
    const replies = await sendOnce(sending, left);
    if (replies.kind !== "applied") return taken.length > 0 ? unknown(replies.error) : replies;
    taken.push(...replies.value.filter(({ errorCode }) => errorCode === 0));
    const failed = replies.value.filter(({ errorCode }) => errorCode !== 0);
    if (failed.length === 0) return applied(taken);
    const isOver = clock.monotonicMs() >= endMs;
    const final = failed.find(({ errorCode }) => !isRefusedForNow(errorCode)) ?? (isOver ? failed[0] : undefined);
    if (final !== undefined) {
      const { partition, errorCode, message } = final;
      const error = codeError(`produce to '${topic}'`, errorCode, { message, context: { topic, partition } });
      return taken.length > 0 ? unknown(error) : outcomeOfError(error);
    }
    if (failed.some(({ errorCode }) => isMoved(errorCode))) client.forgetTopic(topic);
    await client.sleep(waitMs(client, attempt));
    left = left.filter(({ partition }) => failed.some((reply) => reply.partition === partition));
  }
}

async function sendOnce(
  { client, topic, options: { channel, transaction, isClosed } }: RecordSending,
  batches: readonly PartitionBatch[],
): Promise<Outcome<ProducedPartition[]>> {
  if (isClosed?.() === true) {
    return notApplied(
      new BrokerUnavailableError(`Cannot produce to '${topic}' as the producer is closed, open a new one`, {
        context: { topic },
      }),
    );
  }
  const how = { timeoutMs: client.options.requestTimeoutMs, ...transaction };
  try {
    const groups = [...await client.byLeader(batches)];
    const replies = await Promise.allSettled(
      groups.map(([leader, group]) => client.send(leader, produceCall(group, how), { channel })),
    );
    const lost = replies.filter((reply) => reply.status === "rejected").map(({ reason }) => reason);
    if (lost.length === 0) {
      return applied(replies.flatMap((reply) => reply.status === "fulfilled" ? reply.value : []));
    }
    client.forgetTopic(topic);
    const outcomes = lost.map(outcomeOfError);
    const worst = outcomes.find(({ kind }) => kind === "unknown") ?? outcomes[0]!;
    // With one of several leaders unreached, the others may have written their part.
    if (worst.kind === "not-applied" && lost.length === replies.length) return worst;
    return unknown(lostReply(`produce to '${topic}'`, worst.error));
  } catch (error) {
    return outcomeOfError(error);
  }
}

/**
 * Whether a broker refused a batch without writing it, and may take it, or another broker may, in a moment. That the
 * transaction before is still ending comes as too few replicas.
 */
function isRefusedForNow(code: number): boolean {
  return isMoved(code) || code === CODE.notEnoughReplicas || code === CODE.concurrentTransactions;
}

function isMoved(code: number): boolean {
  return code === CODE.unknownTopic || code === CODE.leaderNotAvailable || code === CODE.notLeader ||
    code === CODE.storageError;
}
