import { BrokerUnavailableError } from "../../base/errors.ts";
import { applied, notApplied, type Outcome, unknown } from "../../base/outcome.ts";
import { partitionRows } from "../../columns/partition_rows.ts";
import type { ProducedRange, ProduceRequest } from "../../seams/broker.ts";
import { waitMs } from "./ask_patiently.ts";
import { CODE, codeError, type FailedOutcome, lostReply, outcomeOfError } from "./broker_codes.ts";
import { cutBatch, isTooLarge, rangesOf } from "./cut_batch.ts";
import { encodeBatches, nextSequence, surelyFit } from "./encode_batches.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { type PartitionQueue, type QueuedBatch, queuesOf, type RecordsPart } from "./partition_queue.ts";
import { produceCall, type ProducedPartition } from "./protocol/produce_calls.ts";

/** Bound of the records under way, in bytes; a single batch may be larger. Brokers take 100 MiB in a request. */
const FLIGHT_BYTES_MAX = 8 * 2 ** 20;
/** Requests to a broker that may be under way: brokers remember the sequence numbers of five batches of a producer. */
const FLIGHT_MAX = 4;

/** Who sends, and what its partitions have got. */
export interface Sender {
  /** Producer id. */
  readonly producerId: bigint;
  /** Producer epoch. */
  readonly producerEpoch: number;
  /** Next sequence number of each partition, by topic and partition. */
  readonly sequences: Map<string, number>;
  /**
   * Partitions that hold a batch of this producer id, by topic and partition: their leaders refuse a batch before which
   * another one is missing, so that batches may follow each other without waiting. Of a producer that it has no batch of, a
   * leader takes any.
   */
  readonly known: Set<string>;
}

/** How parts are sent. */
export interface SendOptions {
  /** Who sends. */
  readonly sender: Sender;
  /** Whose connections are used. */
  readonly channel: Channel;
  /** The transaction that the records belong to. @default {none} */
  readonly transaction?: { readonly transactionalId: string; readonly version: 9 | 12 };
  /** Whether nobody waits for it any more. @default {never} */
  readonly isClosed?: () => boolean;
}

/**
 * Prepares records for the partitions of a topic, and takes their sequence numbers.
 *
 * @param client Metadata and options.
 * @param request What to produce.
 * @param options Who sends, and where records without a key go.
 * @throws {UnknownTopicError} when the topic does not exist.
 * @throws {RecordTooLargeError} when a record does not fit into a batch of its own.
 * @throws {RangeError} when a timestamp is not finite.
 */
export async function prepareParts(
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
    // Nothing is sent of a request of which something cannot be encoded.
    const encoded = surelyFit(records, rows, encoding) ? null : rangesOf(encodeBatches(records, rows, encoding));
    return { topic, partition, count, source, encoded };
  });
  // Only when all parts can be written: the numbers of parts that are never sent would leave a gap.
  for (const { partition, count, source } of parts) {
    sequences.set(`${topic}/${partition}`, nextSequence(source.options.producer.sequence, count));
  }
  return parts;
}

/** What became of a batch. */
type BatchOutcome =
  | { readonly kind: "taken"; readonly batch: QueuedBatch; readonly firstOffset: bigint }
  | { readonly kind: "failed"; readonly batch: QueuedBatch; readonly outcome: FailedOutcome; readonly code?: number }
  | { readonly kind: "too-large"; readonly batch: QueuedBatch }
  | { readonly kind: "refused-for-now"; readonly batch: QueuedBatch; readonly code: number; readonly error: Error };

/** Batches under way: at most one to each partition. */
interface Round {
  readonly batches: readonly QueuedBatch[];
  readonly outcomes: Promise<readonly BatchOutcome[]>;
  isSettled: boolean;
}

/**
 * Sends parts, in their order where they are of the same partition. A request takes one batch for each partition; the next
 * request follows once the one before is written, to partitions that know this producer, else once it is answered: meanwhile
 * its batches are encoded. Brokers that are not ready are asked again for as long as the client waits for replies, with
 * everything behind what they refused. Once a batch has failed, nothing more is sent.
 *
 * @param client Connections.
 * @param parts What to send, of one request or of several ones.
 * @param options Who sends, channel and transaction.
 * @returns What became of each part; `unknown` also when only some of its batches were taken.
 */
export async function sendParts(
  client: KafkaClient,
  parts: readonly RecordsPart[],
  options: SendOptions,
): Promise<Outcome<ProducedRange>[]> {
  const sending = new Sending(client, parts, options);
  const { clock } = client.environment;
  let endMs = clock.monotonicMs() + client.options.requestTimeoutMs;
  for (let attempt = 0; !sending.isOver;) {
    const refused = await sending.settle(await sending.takeOff());
    if (refused.length === 0) {
      attempt = 0;
      endMs = clock.monotonicMs() + client.options.requestTimeoutMs;
    } else if (clock.monotonicMs() >= endMs) {
      for (const { batch: { part }, error } of refused) sending.failures.set(part, outcomeOfError(error));
    } else if (!sending.isOver) await client.sleep(waitMs(client, attempt++));
  }
  return sending.outcomes();
}

/** One call of {@linkcode sendParts}. */
class Sending {
  /** Parts that have failed. */
  readonly failures = new Map<number, FailedOutcome>();
  readonly #client: KafkaClient;
  readonly #parts: readonly RecordsPart[];
  readonly #options: SendOptions;
  readonly #queues: readonly PartitionQueue[];
  readonly #firstOffsets: (bigint | undefined)[];
  /** Records of each part that are not taken yet. */
  readonly #left: number[];

  constructor(client: KafkaClient, parts: readonly RecordsPart[], options: SendOptions) {
    this.#client = client;
    this.#parts = parts;
    this.#options = options;
    this.#queues = queuesOf(parts);
    this.#firstOffsets = parts.map(() => undefined);
    this.#left = parts.map(({ count }) => count);
  }

  /** Whether nothing more is to be sent. */
  get isOver(): boolean {
    return this.failures.size > 0 || this.#queues.every(({ isEmpty }) => isEmpty);
  }

  /** Sends as much as may be under way. */
  async takeOff(): Promise<readonly Round[]> {
    const rounds: Round[] = [];
    const under = new Set<PartitionQueue>();
    for (let bytes = 0; rounds.length < FLIGHT_MAX;) {
      const batches = this.#draw(under, FLIGHT_BYTES_MAX - bytes);
      if (batches.length === 0) break;
      bytes += batches.reduce((sum, batch) => sum + batch.bytes.length, 0);
      const written = Promise.withResolvers<void>();
      const round: Round = { batches, outcomes: this.#send(batches, written.resolve), isSettled: false };
      rounds.push(round);
      const settled = round.outcomes.then(() => void (round.isSettled = true));
      await Promise.race([written.promise, settled]);
      if (rounds.some(({ isSettled }) => isSettled)) break;
    }
    return rounds;
  }

  /** Notes what became of batches; what is to be sent again is put back. Returns what was refused for now. */
  async settle(
    rounds: readonly Round[],
  ): Promise<(BatchOutcome & { readonly kind: "refused-for-now" })[]> {
    const refused: (BatchOutcome & { readonly kind: "refused-for-now" })[] = [];
    /** Of partitions that have not taken everything so far: what they are to get, in order. */
    const again = new Map<PartitionQueue, QueuedBatch[]>();
    for (const { outcomes } of rounds) {
      for (const each of await outcomes) {
        const { batch } = each;
        const behind = again.get(batch.queue);
        if (each.kind === "taken") {
          if (behind === undefined) this.#noteTaken(batch, each.firstOffset);
          else this.failures.set(batch.part, { kind: "unknown", error: overtaken(batch) });
          continue;
        }
        const pieces = await this.#piecesOf(each, behind !== undefined);
        if (each.kind === "refused-for-now") {
          refused.push(each);
          if (isMoved(each.code)) this.#client.forgetTopic(batch.topic);
        }
        again.set(batch.queue, [...behind ?? [], ...pieces]);
      }
    }
    for (const [queue, batches] of again) queue.putBack(batches);
    return refused;
  }

  /** What became of each part. */
  outcomes(): Outcome<ProducedRange>[] {
    const [first] = this.failures.values();
    return this.#parts.map(({ topic, partition, count }, at) => {
      const firstOffset = this.#firstOffsets[at];
      if (this.#left[at] === 0) return applied({ topic, partition, firstOffset: firstOffset!, count });
      // What was not sent any more has not failed itself: it is told what kept it back.
      const { kind, error } = this.failures.get(at) ?? notApplied(first!.error) as FailedOutcome;
      return firstOffset === undefined ? { kind, error } : unknown(error);
    });
  }

  /** Takes the next batch of each partition that may get one, as many as there is room for. */
  #draw(under: Set<PartitionQueue>, room: number): QueuedBatch[] {
    const batches: QueuedBatch[] = [];
    for (const queue of this.#queues) {
      if (under.has(queue) && !this.#options.sender.known.has(queue.key)) continue;
      const batch = queue.next();
      if (batch === null) continue;
      if (under.size > 0 && batch.bytes.length > room) {
        queue.putBack([batch]);
        continue;
      }
      room -= batch.bytes.length;
      under.add(queue);
      batches.push(batch);
    }
    return batches;
  }

  #noteTaken(batch: QueuedBatch, firstOffset: bigint): void {
    this.#firstOffsets[batch.part] ??= firstOffset;
    this.#left[batch.part]! -= batch.count;
    this.#options.sender.known.add(batch.queue.key);
    batch.release();
  }

  /** What is to be sent in the place of a batch that was not taken; nothing when it has failed. */
  async #piecesOf(
    outcome: Exclude<BatchOutcome, { readonly kind: "taken" }>,
    isBehind: boolean,
  ): Promise<readonly QueuedBatch[]> {
    const { batch } = outcome;
    if (outcome.kind === "refused-for-now") return [batch];
    // What stood before it is missing, as it must.
    if (isBehind && outcome.kind === "failed" && outcome.code === CODE.outOfOrderSequence) return [batch];
    try {
      if (outcome.kind === "too-large") {
        return (await cutBatch(this.#client, batch)).map((piece) => ({ ...batch, ...piece }));
      }
      this.failures.set(batch.part, outcome.outcome);
    } catch (error) {
      this.failures.set(batch.part, outcomeOfError(error));
    }
    return [];
  }

  /** Sends a batch to each partition, to all leaders at once. */
  async #send(batches: readonly QueuedBatch[], onWritten: () => void): Promise<readonly BatchOutcome[]> {
    const { channel, transaction, isClosed } = this.#options;
    const client = this.#client;
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
    let unwritten = groups.length;
    const more = { channel, onWritten: () => void (--unwritten === 0 && onWritten()) };
    const sent = groups.map(async ([leader, group]): Promise<BatchOutcome[]> => {
      try {
        return answered(group, await client.send(leader, produceCall(group, how), more));
      } catch (error) {
        for (const { topic } of group) client.forgetTopic(topic);
        const { kind, error: cause } = outcomeOfError(error);
        const found = kind === "unknown" ? lostReply(`produce to ${topicsOf(group)}`, cause) : cause;
        return group.map((batch) => failedBatch(batch, { kind, error: found }));
      }
    });
    return (await Promise.all(sent)).flat();
  }
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
      : failedBatch(batch, outcomeOfError(error), code);
  });
}

function failedBatch(
  batch: QueuedBatch,
  outcome: FailedOutcome,
  code: number = 0,
): BatchOutcome & { readonly kind: "failed" } {
  return { kind: "failed", batch, outcome, code };
}

/** The error of a batch that was taken although what stood before it was not. */
function overtaken({ topic, partition }: QueuedBatch): Error {
  return new BrokerUnavailableError(
    `Cannot tell what became of records for '${topic}' partition ${partition}: the broker took some although it had ` +
      "refused others before them, read the topic before they are produced again",
    { outcome: "unknown", context: { topic, partition } },
  );
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
