import { BrokerUnavailableError } from "../../base/errors.ts";
import { applied, notApplied, type Outcome, unknown } from "../../base/outcome.ts";
import { partitionRows } from "../../columns/partition_rows.ts";
import type { ProducedRange, ProduceRequest } from "../../seams/broker.ts";
import { waitMs } from "./ask_patiently.ts";
import { CODE, codeError, lostReply, outcomeOfError } from "./broker_codes.ts";
import { encodeBatches, type EncodedBatch, nextSequence } from "./encode_batches.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { type PartitionBatch, produceCall, type ProducedPartition } from "./protocol/produce_calls.ts";

/** Bound of the records in one request, in bytes; a single batch may be larger. Brokers take 100 MiB. */
const REQUEST_BYTES_MAX = 8 * 2 ** 20;

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
  /** Topic name. */
  readonly topic: string;
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
    return { topic, partition, batches, count, sequence };
  });
  // Only when all parts can be written: the numbers of parts that are never sent would leave a gap.
  for (const { partition, count, sequence } of parts) {
    sequences.set(`${topic}/${partition}`, nextSequence(sequence, count));
  }
  return parts;
}

/** A batch, and the part that it belongs to. */
interface QueuedBatch extends PartitionBatch {
  readonly part: number;
}

interface RecordSending extends SendOptions {
  readonly client: KafkaClient;
}

/**
 * Sends encoded parts, in their order where they are of the same partition: one batch to each partition at a time, as a
 * request takes no more, and the next one when it is answered. Brokers that are not ready are asked again for as long as
 * the client waits for replies.
 *
 * @param client Connections.
 * @param parts What to send, of one request or of several ones.
 * @param options Channel and transaction.
 * @returns A range for each part; `unknown` also when only some batches were taken.
 */
export async function sendParts(
  client: KafkaClient,
  parts: readonly RecordsPart[],
  options: SendOptions,
): Promise<Outcome<readonly ProducedRange[]>> {
  const queues = queuesOf(parts);
  const firstOffsets: (bigint | undefined)[] = parts.map(() => undefined);
  let sentAny = false;
  for (let batches = nextBatches(queues); batches.length > 0; batches = nextBatches(queues)) {
    const outcome = await sendBatches({ client, ...options }, batches);
    if (outcome.kind === "unknown") return outcome;
    if (outcome.kind === "not-applied") return sentAny ? unknown(outcome.error) : outcome;
    sentAny = true;
    for (const { topic, partition, firstOffset } of outcome.value) {
      const { part } = batches.find((batch) => batch.partition === partition && batch.topic === topic)!;
      firstOffsets[part] ??= firstOffset;
    }
  }
  return applied(
    parts.map(({ topic, partition, count }, at) => ({ topic, partition, firstOffset: firstOffsets[at]!, count })),
  );
}

/** Batches of each partition, in their order. */
function queuesOf(parts: readonly RecordsPart[]): QueuedBatch[][] {
  const queues = new Map<string, QueuedBatch[]>();
  for (const [part, { topic, partition, batches }] of parts.entries()) {
    const key = `${topic}/${partition}`;
    const queue = queues.get(key) ?? [];
    queues.set(key, queue);
    for (const { bytes } of batches) queue.push({ topic, partition, bytes, part });
  }
  return [...queues.values()];
}

/** Takes the first batch of each partition, as many as a request may hold. */
function nextBatches(queues: readonly QueuedBatch[][]): QueuedBatch[] {
  const batches: QueuedBatch[] = [];
  let size = 0;
  for (const queue of queues) {
    const [batch] = queue;
    if (batch === undefined) continue;
    if (batches.length > 0 && size + batch.bytes.length > REQUEST_BYTES_MAX) continue;
    size += batch.bytes.length;
    batches.push(batch);
    queue.shift();
  }
  return batches;
}

/** Sends to all leaders at once; batches that were refused for now are sent again, to a new leader if there is one. */
async function sendBatches(
  sending: RecordSending,
  batches: readonly PartitionBatch[],
): Promise<Outcome<readonly ProducedPartition[]>> {
  const { client } = sending;
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
      const { topic, partition, errorCode, message } = final;
      const error = codeError(`produce to '${topic}'`, errorCode, { message, context: { topic, partition } });
      return taken.length > 0 ? unknown(error) : outcomeOfError(error);
    }
    for (const { topic, errorCode } of failed) if (isMoved(errorCode)) client.forgetTopic(topic);
    await client.sleep(waitMs(client, attempt));
    left = left.filter(({ topic, partition }) =>
      failed.some((reply) => reply.partition === partition && reply.topic === topic)
    );
  }
}

async function sendOnce(
  { client, channel, transaction, isClosed }: RecordSending,
  batches: readonly PartitionBatch[],
): Promise<Outcome<ProducedPartition[]>> {
  const topics = new Set(batches.map(({ topic }) => topic));
  const tried = `produce to '${[...topics].join("', '")}'`;
  if (isClosed?.() === true) {
    return notApplied(new BrokerUnavailableError(`Cannot ${tried} as the producer is closed, open a new one`));
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
    for (const topic of topics) client.forgetTopic(topic);
    const outcomes = lost.map(outcomeOfError);
    const worst = outcomes.find(({ kind }) => kind === "unknown") ?? outcomes[0]!;
    // With one of several leaders unreached, the others may have written their part.
    if (worst.kind === "not-applied" && lost.length === replies.length) return worst;
    return unknown(lostReply(tried, worst.error));
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
