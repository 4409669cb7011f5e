import { BrokerUnavailableError } from "../../base/errors.ts";
import { applied, notApplied, type Outcome, unknown } from "../../base/outcome.ts";
import { partitionRows } from "../../columns/partition_rows.ts";
import type { ProducedRange, ProduceRequest } from "../../seams/broker.ts";
import { waitMs } from "./ask_patiently.ts";
import { CODE, codeError, type FailedOutcome, lostReply, outcomeOfError } from "./broker_codes.ts";
import { type BatchRange, type BatchSource, cutBatch, isTooLarge, rangesOf } from "./cut_batch.ts";
import { encodeBatches, nextSequence } from "./encode_batches.ts";
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
  readonly batches: readonly BatchRange[];
  /** Records in all batches. */
  readonly count: number;
  /** What they were made of. */
  readonly source: BatchSource;
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
  const limit = client.batchLimits.get(topic);
  const parts = partitionRows(request, { count: leaders.length, nullPartition: turn }).map(({ partition, rows }) => {
    const sequence = sequences.get(`${topic}/${partition}`) ?? 0;
    const count = rows?.length ?? records.count;
    const producer = { producerId, producerEpoch, sequence, isTransactional };
    const encoding = { producer, wallMs, bytesMax, compression, topic, limit };
    const source = { topic, records, rows, options: encoding };
    return { topic, partition, batches: rangesOf(encodeBatches(records, rows, encoding)), count, source };
  });
  // Only when all parts can be written: the numbers of parts that are never sent would leave a gap.
  for (const { partition, count, source } of parts) {
    sequences.set(`${topic}/${partition}`, nextSequence(source.options.producer.sequence, count));
  }
  return parts;
}

/** A batch, the part that it belongs to, and what its partition gets after it. */
interface QueuedBatch extends PartitionBatch, BatchRange {
  readonly part: number;
  readonly source: BatchSource;
  readonly queue: QueuedBatch[];
}

interface RecordSending extends SendOptions {
  readonly client: KafkaClient;
}

/** What became of a batch. */
type BatchOutcome =
  | { readonly kind: "taken"; readonly batch: QueuedBatch; readonly firstOffset: bigint }
  | { readonly kind: "failed"; readonly batch: QueuedBatch; readonly outcome: FailedOutcome }
  | { readonly kind: "too-large"; readonly batch: QueuedBatch }
  | { readonly kind: "refused-for-now"; readonly batch: QueuedBatch; readonly code: number; readonly error: Error };

/**
 * Sends encoded parts, in their order where they are of the same partition: one batch to each partition at a time, as a
 * request takes no more, and the next one when it is answered. Brokers that are not ready are asked again for as long as
 * the client waits for replies. Once a batch has failed, nothing more is sent.
 *
 * @param client Connections.
 * @param parts What to send, of one request or of several ones.
 * @param options Channel and transaction.
 * @returns What became of each part; `unknown` also when only some of its batches were taken.
 */
export async function sendParts(
  client: KafkaClient,
  parts: readonly RecordsPart[],
  options: SendOptions,
): Promise<Outcome<ProducedRange>[]> {
  const queues = queuesOf(parts);
  const firstOffsets: (bigint | undefined)[] = parts.map(() => undefined);
  const left = parts.map(({ batches }) => batches.length);
  const failures = new Map<number, FailedOutcome>();
  while (failures.size === 0) {
    const batches = nextBatches(queues);
    if (batches.length === 0) break;
    for (const sent of await sendBatches({ client, ...options }, batches)) {
      const { part } = sent.batch;
      if (sent.kind === "taken") {
        firstOffsets[part] ??= sent.firstOffset;
        left[part]! -= 1;
      } else if (sent.kind === "failed") failures.set(part, sent.outcome);
      else if (sent.kind === "too-large") {
        try {
          left[part]! += await cutInQueue(client, sent.batch);
        } catch (error) {
          failures.set(part, outcomeOfError(error));
        }
      }
    }
  }
  const [first] = failures.values();
  return parts.map(({ topic, partition, count }, at) => {
    const firstOffset = firstOffsets[at];
    if (left[at] === 0) return applied({ topic, partition, firstOffset: firstOffset!, count });
    // What was not sent any more has not failed itself: it is told what kept it back.
    const { kind, error } = failures.get(at) ?? notApplied(first!.error) as FailedOutcome;
    return firstOffset === undefined ? { kind, error } : unknown(error);
  });
}

/**
 * What became of a request, by its parts.
 *
 * @param outcomes What became of each of its parts.
 * @returns `unknown` when it happened in part.
 */
export function joinRanges(outcomes: readonly Outcome<ProducedRange>[]): Outcome<readonly ProducedRange[]> {
  const failed = outcomes.filter((outcome): outcome is FailedOutcome => outcome.kind !== "applied");
  const [first] = failed;
  if (first === undefined) return applied(outcomes.flatMap((each) => each.kind === "applied" ? [each.value] : []));
  const worst = failed.find(({ kind }) => kind === "unknown") ?? first;
  return failed.length === outcomes.length ? worst : unknown(worst.error);
}

/** Puts smaller batches in the place of one that was too large, and tells how many more there are now. */
async function cutInQueue(client: KafkaClient, batch: QueuedBatch): Promise<number> {
  const pieces = await cutBatch(client, batch);
  batch.queue.unshift(...pieces.map((piece) => ({ ...batch, ...piece })));
  return pieces.length - 1;
}

/** Batches of each partition, in their order. */
function queuesOf(parts: readonly RecordsPart[]): QueuedBatch[][] {
  const queues = new Map<string, QueuedBatch[]>();
  for (const [part, { topic, partition, batches, source }] of parts.entries()) {
    const key = `${topic}/${partition}`;
    const queue = queues.get(key) ?? [];
    queues.set(key, queue);
    for (const range of batches) queue.push({ topic, partition, part, source, queue, ...range });
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

/**
 * Sends to all leaders at once; batches that were refused for now are sent again, to a new leader if there is one, unless
 * another one has failed.
 */
async function sendBatches(sending: RecordSending, batches: readonly QueuedBatch[]): Promise<BatchOutcome[]> {
  const { client } = sending;
  const { clock } = client.environment;
  const endMs = clock.monotonicMs() + client.options.requestTimeoutMs;
  const settled: BatchOutcome[] = [];
  let left = batches;
  for (let attempt = 0;; attempt++) {
    const sent = await sendOnce(sending, left);
    const refused = sent.filter((each) => each.kind === "refused-for-now");
    settled.push(...sent.filter(({ kind }) => kind !== "refused-for-now"));
    if (refused.length === 0 || settled.some(hasFailed)) return settled;
    if (clock.monotonicMs() >= endMs) {
      return [...settled, ...refused.map(({ batch, error }) => failedBatch(batch, outcomeOfError(error)))];
    }
    for (const { batch: { topic }, code } of refused) if (isMoved(code)) client.forgetTopic(topic);
    await client.sleep(waitMs(client, attempt));
    left = refused.map(({ batch }) => batch);
  }
}

async function sendOnce(
  { client, channel, transaction, isClosed }: RecordSending,
  batches: readonly QueuedBatch[],
): Promise<BatchOutcome[]> {
  const failAll = (outcome: FailedOutcome) => batches.map((batch) => failedBatch(batch, outcome));
  if (isClosed?.() === true) {
    const tried = `produce to ${topicsOf(batches)}`;
    const error = new BrokerUnavailableError(`Cannot ${tried} as the producer is closed, open a new one`);
    return failAll({ kind: "not-applied", error });
  }
  const how = { timeoutMs: client.options.requestTimeoutMs, ...transaction };
  let groups: (readonly [leader: number, batches: QueuedBatch[]])[];
  try {
    groups = [...await client.byLeader(batches)];
  } catch (error) {
    return failAll(outcomeOfError(error));
  }
  const sent = groups.map(async ([leader, group]): Promise<BatchOutcome[]> => {
    try {
      return answered(group, await client.send(leader, produceCall(group, how), { channel }));
    } catch (error) {
      for (const { topic } of group) client.forgetTopic(topic);
      const { kind, error: cause } = outcomeOfError(error);
      const found = kind === "unknown" ? lostReply(`produce to ${topicsOf(group)}`, cause) : cause;
      return group.map((batch) => failedBatch(batch, { kind, error: found }));
    }
  });
  return (await Promise.all(sent)).flat();
}

/** What a leader's reply says about each batch. */
function answered(batches: readonly QueuedBatch[], replies: readonly ProducedPartition[]): BatchOutcome[] {
  return batches.map((batch) => {
    const { topic, partition } = batch;
    const tried = `produce to '${topic}'`;
    const reply = replies.find((each) => each.partition === partition && each.topic === topic);
    if (reply === undefined) {
      const cause = new BrokerUnavailableError(`Cannot find partition ${partition} in the broker's reply, try again`);
      return failedBatch(batch, { kind: "unknown", error: lostReply(tried, cause) });
    }
    const { errorCode: code, firstOffset, message } = reply;
    if (code === 0) return { kind: "taken", batch, firstOffset };
    if (isTooLarge(code)) return { kind: "too-large", batch };
    const error = codeError(tried, code, { message, context: { topic, partition } });
    return isRefusedForNow(code)
      ? { kind: "refused-for-now", batch, code, error }
      : failedBatch(batch, outcomeOfError(error));
  });
}

/** Whether its request cannot be applied any more; a batch of several records can still be cut. */
function hasFailed({ kind, batch }: BatchOutcome): boolean {
  return kind === "failed" || kind === "too-large" && batch.count === 1;
}

function failedBatch(batch: QueuedBatch, outcome: FailedOutcome): BatchOutcome & { readonly kind: "failed" } {
  return { kind: "failed", batch, outcome };
}

function topicsOf(batches: readonly QueuedBatch[]): string {
  return [...new Set(batches.map(({ topic }) => `'${topic}'`))].join(", ");
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
