import { BrokerUnavailableError, StreamError, TransactionAbortedError } from "../../base/errors.ts";
import { applied, notApplied, type Outcome } from "../../base/outcome.ts";
import type { RefusalCode } from "../../embedded/reply.ts";
import type {
  CommittedPosition,
  GroupMetadata,
  ProducedRange,
  ProduceRequest,
  TransactionalProducer,
  TransactionalProducerOptions,
} from "../../seams/broker.ts";
import type { Client, Patience } from "./client.ts";
import { toEntries } from "./embedded_consumer.ts";
import { PartitionSequences } from "./partition_sequences.ts";
import { PASSING_REFUSALS } from "./passing_refusals.ts";
import { outcomeOfError, refusalError } from "./refusal_error.ts";
import { sendBatch, type Sender } from "./send_batch.ts";

/** The refusal of a batch that does not follow the last one that the log holds of its producer. */
const OUT_OF_ORDER: RefusalCode = "out-of-order-sequence";

/**
 * A transactional producer of an embedded broker. A transaction in which a send was not applied can only be aborted. As
 * with a real broker, beginning another transaction after an unknown outcome is possible and wrong.
 */
export class EmbeddedTransactionalProducer implements TransactionalProducer {
  readonly #client: Client;
  readonly #transactionalId: string;
  readonly #timeoutMs: number;
  #sender: Sender | null = null;
  #isOpen = false;
  #hasSent = false;
  #hasFailed = false;
  #isOutOfOrder = false;
  #isClosed = false;
  #turn = 0;

  /**
   * @param client The connection.
   * @param options Transactional id and timeout.
   * @throws {TypeError} when the transactional id is empty.
   */
  constructor(client: Client, options: TransactionalProducerOptions) {
    if (options.transactionalId === "") {
      throw new TypeError("Cannot create producer as 'transactionalId' must not be empty: current value is ''");
    }
    this.#client = client;
    this.#transactionalId = options.transactionalId;
    this.#timeoutMs = options.transactionTimeoutMs ?? 60_000;
  }

  /** Fences older producers of this id and ends their open transaction. */
  async initialize(): Promise<Outcome<void>> {
    if (this.#isClosed) return this.#closed("initialize");
    const request = { transactionalId: this.#transactionalId, timeoutMs: this.#timeoutMs };
    try {
      const reply = await this.#client.requestPatiently(
        "initialize",
        (times) => this.#client.server.cluster.initializeTransactions(request, times),
        this.#patience(),
      );
      if (reply.kind === "refused") return notApplied(refusalError("initialize producer", reply));
      this.#adopt(reply.value);
      this.#isOpen = false;
      return applied();
    } catch (error) {
      return outcomeOfError(error);
    }
  }

  /** Begins a transaction; nothing is sent. */
  begin(): void {
    if (this.#sender === null) {
      throw new TypeError("Cannot begin transaction as 'initialize' must be called first: current value is undefined");
    }
    if (this.#isOpen) throw new TypeError("Cannot begin transaction as one is open: current value is true");
    this.#isOpen = true;
    this.#hasSent = false;
    this.#hasFailed = false;
    this.#isOutOfOrder = false;
  }

  /** Appends records inside the transaction. */
  async produce(request: ProduceRequest): Promise<Outcome<readonly ProducedRange[]>> {
    const refusal = this.#notOpen("produce");
    if (refusal !== null) return refusal;
    if (request.records.count === 0) return applied([]);
    this.#hasSent = true;
    return this.#noting(
      await sendBatch(this.#client, request, { sender: this.#sender!, nullPartition: this.#turn++ }),
    );
  }

  /** Puts offsets into the transaction. */
  async sendOffsets(positions: readonly CommittedPosition[], group: GroupMetadata): Promise<Outcome<void>> {
    const refusal = this.#notOpen("send offsets");
    if (refusal !== null) return refusal;
    if (positions.length === 0) return applied();
    this.#hasSent = true;
    const request = { ...this.#identity(), fence: group, offsets: toEntries(positions) };
    try {
      const reply = await this.#client.requestPatiently(
        "sendOffsets",
        (times) => this.#client.server.cluster.stageOffsets(request, times),
        this.#patience(),
      );
      if (reply.kind === "done") return applied();
      return this.#noting(notApplied(refusalError(`send offsets of group '${group.groupId}'`, reply)));
    } catch (error) {
      return this.#noting(outcomeOfError(error));
    }
  }

  /** Ends the transaction: everything becomes visible. */
  commit(): Promise<Outcome<void>> {
    return this.#end(true);
  }

  /** Ends the transaction: nothing becomes visible. */
  abort(): Promise<Outcome<void>> {
    return this.#end(false);
  }

  /** Drops the connection without ending anything. */
  close(): Promise<void> {
    this.#isClosed = true;
    return Promise.resolve();
  }

  async #end(isCommit: boolean): Promise<Outcome<void>> {
    const refusal = this.#notOpen(isCommit ? "commit" : "abort");
    if (refusal !== null) return refusal;
    if (isCommit && this.#hasFailed) {
      return notApplied(
        new TransactionAbortedError(
          "Cannot commit transaction: a send inside it was not applied, abort it and process again",
        ),
      );
    }
    this.#isOpen = false;
    if (!this.#hasSent) return applied();
    const request = { ...this.#identity(), isCommit };
    try {
      const reply = await this.#client.requestPatiently(
        "endTransaction",
        (times) => this.#client.server.cluster.endTransaction(request, times),
        this.#patience(),
      );
      if (reply.kind === "refused") {
        // All sends were refused, so the coordinator never heard of this transaction: there is nothing to abort.
        if (!isCommit && this.#hasFailed && reply.code === "invalid-transaction-state") return applied();
        return notApplied(refusalError(isCommit ? "commit transaction" : "abort transaction", reply));
      }
      const before = this.#sender;
      this.#adopt(reply.value);
      // The log does not hold what our numbers go on from (an unclean election): only a new epoch begins anew (KIP-360).
      return this.#isOutOfOrder && this.#sender === before ? await this.initialize() : applied();
    } catch (error) {
      return outcomeOfError(error);
    }
  }

  /** A send that is not known to be applied spoils its transaction. */
  #noting<T>(outcome: Outcome<T>): Outcome<T> {
    if (outcome.kind === "applied") return outcome;
    this.#hasFailed = true;
    this.#isOutOfOrder ||= outcome.error instanceof StreamError && outcome.error.context.code === OUT_OF_ORDER;
    return outcome;
  }

  /** Goes on under an identity: a new one starts its sequence numbers anew. */
  #adopt(session: { readonly producerId: number; readonly producerEpoch: number }): void {
    const { producerId, producerEpoch } = session;
    if (this.#sender?.producerId === producerId && this.#sender.producerEpoch === producerEpoch) return;
    this.#sender = {
      producerId,
      producerEpoch,
      transactionalId: this.#transactionalId,
      sequences: new PartitionSequences(),
    };
  }

  #identity(): { transactionalId: string; producerId: number; producerEpoch: number } {
    const { producerId, producerEpoch } = this.#sender!;
    return { transactionalId: this.#transactionalId, producerId, producerEpoch };
  }

  #patience(): Patience {
    return { codes: PASSING_REFUSALS, timeoutMs: this.#client.options.requestTimeoutMs };
  }

  #notOpen(what: string): Outcome<never> | null {
    if (this.#isClosed) return this.#closed(what);
    if (this.#isOpen) return null;
    throw new TypeError(`Cannot ${what} as 'begin' must be called first: current value is no open transaction`);
  }

  #closed(what: string): Outcome<never> {
    return notApplied(new BrokerUnavailableError(`Cannot ${what} as the producer is closed, open a new one`));
  }
}
