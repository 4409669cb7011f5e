import { BrokerUnavailableError } from "../../base/errors.ts";
import { applied, notApplied, type Outcome, unknown } from "../../base/outcome.ts";
import { partitionRows } from "../../columns/partition_rows.ts";
import type { ProducedRange, Producer, ProduceRequest } from "../../seams/broker.ts";
import { CODE, codeError, lostReply, outcomeOfError } from "./broker_codes.ts";
import { encodeBatches, type EncodedBatch, nextSequence } from "./encode_batches.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import { INIT_PRODUCER_ID_CALL, produceCall, type ProducedPartition } from "./protocol/record_calls.ts";

/** What one partition gets in one request. */
interface Part {
  readonly partition: number;
  readonly batches: readonly EncodedBatch[];
  /** Records in all batches. */
  readonly count: number;
}

/** Who sends, and the next sequence number of each partition. */
interface Sender {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly sequences: Map<string, number>;
}

/** Wait before a leader or coordinator that moves is asked again, in milliseconds. */
const RETRY_MS = 100;
/** Attempts at brokers that are not ready. */
const ATTEMPTS = 20;

/**
 * An idempotent producer. Requests are sent one after the other, so records of a partition stand in the order of the
 * calls. After an outcome other than `applied` it goes on with a new producer id, as the broker may or may not have seen
 * the sequence numbers: a caller that sends the same records again after `unknown` may write them twice.
 */
export class KafkaProducer implements Producer {
  readonly #client: KafkaClient;
  readonly #channel: Channel;
  #sender: Sender | null = null;
  #turn = 0;
  #isClosed = false;
  #last: Promise<unknown> = Promise.resolve();

  /** @param client Connections. */
  constructor(client: KafkaClient) {
    this.#client = client;
    this.#channel = client.channel("produce");
  }

  /** Whether it takes nothing any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Gets a producer id. @throws {BrokerUnavailableError} when no broker gives one. */
  async open(): Promise<void> {
    this.#sender = await this.#initialize();
  }

  /** Appends records. */
  produce(request: ProduceRequest): Promise<Outcome<readonly ProducedRange[]>> {
    if (this.#isClosed) {
      return Promise.resolve(
        notApplied(new BrokerUnavailableError("Cannot produce as the producer is closed, open a new one")),
      );
    }
    const turn = this.#turn++;
    const sent = this.#last.then(() => this.#produce(request, turn));
    this.#last = sent.catch(() => {});
    return sent;
  }

  /** Waits for what is in flight. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    this.#client.closeChannel(this.#channel);
  }

  async #produce(request: ProduceRequest, turn: number): Promise<Outcome<readonly ProducedRange[]>> {
    const { topic } = request;
    let parts: Part[];
    try {
      this.#sender ??= await this.#initialize();
      parts = await this.#encode(request, { sender: this.#sender, turn });
    } catch (error) {
      return outcomeOfError(error);
    }
    const outcome = await this.#sendAll(topic, parts);
    if (outcome.kind !== "applied") this.#sender = null;
    return outcome;
  }

  async #encode(
    request: ProduceRequest,
    { sender, turn }: { readonly sender: Sender; readonly turn: number },
  ): Promise<Part[]> {
    const { topic, records } = request;
    const { leaders } = await this.#client.topic(topic);
    const { batchBytesMax: bytesMax, compression } = this.#client.options;
    const wallMs = this.#client.environment.clock.wallMs();
    const parts = partitionRows(request, { count: leaders.length, nullPartition: turn }).map(({ partition, rows }) => {
      const sequence = sender.sequences.get(`${topic}/${partition}`) ?? 0;
      const count = rows?.length ?? records.count;
      const producer = { producerId: sender.producerId, producerEpoch: sender.producerEpoch, sequence };
      const batches = encodeBatches(records, rows, { producer, wallMs, bytesMax, compression, topic });
      return { partition, batches, count, sequence };
    });
    // Only when all parts can be written: the numbers of parts that are never sent would leave a gap.
    for (const { partition, count, sequence } of parts) {
      sender.sequences.set(`${topic}/${partition}`, nextSequence(sequence, count));
    }
    return parts;
  }

  /** Round by round one batch to each partition: a request takes no more. */
  async #sendAll(topic: string, parts: readonly Part[]): Promise<Outcome<readonly ProducedRange[]>> {
    const firstOffsets = new Map<number, bigint>();
    let sentAny = false;
    const rounds = Math.max(0, ...parts.map(({ batches }) => batches.length));
    for (let round = 0; round < rounds; round++) {
      const batches = parts.flatMap(({ partition, batches }) => {
        const batch = batches[round];
        return batch === undefined ? [] : [{ topic, partition, bytes: batch.bytes }];
      });
      const outcome = await this.#sendRound(topic, batches);
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

  /** Sends to all leaders at once; batches that a moved leader refused are sent to the new one. */
  async #sendRound(
    topic: string,
    batches: readonly { readonly topic: string; readonly partition: number; readonly bytes: Uint8Array }[],
  ): Promise<Outcome<readonly ProducedPartition[]>> {
    const taken: ProducedPartition[] = [];
    let left = batches;
    for (let attempt = 1;; attempt++) {
      const replies = await this.#sendOnce(left);
      if (replies.kind !== "applied") return taken.length > 0 ? unknown(replies.error) : replies;
      taken.push(...replies.value.filter(({ errorCode }) => errorCode === 0));
      const failed = replies.value.filter(({ errorCode }) => errorCode !== 0);
      if (failed.length === 0) return applied(taken);
      const final = failed.find(({ errorCode }) => !isRefusedForNow(errorCode)) ??
        (attempt === ATTEMPTS ? failed[0] : undefined);
      if (final !== undefined) {
        const { partition, errorCode, message } = final;
        const error = codeError(`produce to '${topic}'`, errorCode, { message, context: { topic, partition } });
        return taken.length > 0 ? unknown(error) : outcomeOfError(error);
      }
      this.#client.forgetTopic(topic);
      await this.#client.sleep(RETRY_MS);
      left = left.filter(({ partition }) => failed.some((reply) => reply.partition === partition));
    }
  }

  async #sendOnce(
    batches: readonly { readonly topic: string; readonly partition: number; readonly bytes: Uint8Array }[],
  ): Promise<Outcome<ProducedPartition[]>> {
    const { requestTimeoutMs } = this.#client.options;
    try {
      const groups = [...await this.#client.byLeader(batches)];
      const replies = await Promise.allSettled(
        groups.map(([leader, group]) =>
          this.#client.send(leader, produceCall(group, requestTimeoutMs), { channel: this.#channel })
        ),
      );
      const lost = replies.filter((reply) => reply.status === "rejected").map(({ reason }) => reason);
      if (lost.length === 0) {
        return applied(replies.flatMap((reply) => reply.status === "fulfilled" ? reply.value : []));
      }
      for (const { topic } of batches) this.#client.forgetTopic(topic);
      const outcomes = lost.map(outcomeOfError);
      const worst = outcomes.find(({ kind }) => kind === "unknown") ?? outcomes[0]!;
      // With one of several leaders unreached, the others may have written their part.
      if (worst.kind === "not-applied" && lost.length === replies.length) return worst;
      return unknown(lostReply(`produce to '${batches[0]!.topic}'`, worst.error));
    } catch (error) {
      return outcomeOfError(error);
    }
  }

  async #initialize(): Promise<Sender> {
    for (let attempt = 1;; attempt++) {
      const reply = await this.#client.sendAnywhere(INIT_PRODUCER_ID_CALL, this.#channel);
      const { errorCode, producerId, producerEpoch } = reply;
      if (errorCode === 0) return { producerId, producerEpoch, sequences: new Map() };
      const isLoading = errorCode === CODE.coordinatorLoading || errorCode === CODE.coordinatorNotAvailable;
      if (!isLoading || attempt === ATTEMPTS) throw codeError("open producer", errorCode);
      await this.#client.sleep(RETRY_MS);
    }
  }
}

/** Whether a broker refused a batch without writing it, and may take it, or another broker may, in a moment. */
function isRefusedForNow(code: number): boolean {
  return code === CODE.unknownTopic || code === CODE.leaderNotAvailable || code === CODE.notLeader ||
    code === NOT_ENOUGH_REPLICAS || code === STORAGE_ERROR;
}

const NOT_ENOUGH_REPLICAS = 19;
const STORAGE_ERROR = 56;
