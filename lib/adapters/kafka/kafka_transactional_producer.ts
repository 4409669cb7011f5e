import { FencedError, StreamError, TransactionAbortedError } from "../../base/errors.ts";
import { applied, notApplied, type Outcome } from "../../base/outcome.ts";
import type {
  CommittedPosition,
  GroupMetadata,
  ProducedRange,
  ProduceRequest,
  TopicPartition,
  TransactionalProducer,
  TransactionalProducerOptions,
} from "../../seams/broker.ts";
import { CODE, outcomeOfError } from "./broker_codes.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import type { ProducerSession } from "./protocol/transaction_calls.ts";
import type { RecordsPart } from "./partition_queue.ts";
import { joinRanges, prepareParts, type Sender, sendParts } from "./send_records.ts";
import { CALL_VERSIONS } from "./transaction_generation.ts";
import { closedError, TransactionSession } from "./transaction_session.ts";

/** A call of `produce`. */
interface ProduceCall {
  readonly request: ProduceRequest;
  readonly turn: number;
}

type ProduceOutcome = Outcome<readonly ProducedRange[]>;

/** Calls of `produce` that share their turn, and what is to be told to each of them. */
interface SharedTurn {
  readonly calls: ProduceCall[];
  readonly answers: Promise<Outcome<readonly (() => ProduceOutcome)[]>>;
}

/** Transactions that are open for longer are aborted, if the caller does not say otherwise, in milliseconds. */
const TIMEOUT_MS = 60_000;

/**
 * A transactional producer. Calls that are made without waiting for each other take effect in their order: records of a
 * partition stand in it. Offsets are sent while the records before them are under way, as both only count once the
 * transaction is committed.
 *
 * A transaction in which a send was not applied can only be aborted. Of all requests only the end is repeated after a lost
 * reply, as only it is answered the same way when it comes twice. After any other outcome that is not `applied`, and after
 * an end that was sent twice, the epoch is bumped, so that nothing that is still on its way takes effect in the next
 * transaction; the bump fails when another producer has taken over in between. A producer that knows that it is fenced
 * does not even ask: the coordinator would end the open transaction of its successor before it refuses.
 */
export class KafkaTransactionalProducer implements TransactionalProducer {
  readonly #client: KafkaClient;
  /** Of records: a broker reads nothing else from a connection until it has answered, which takes a while for records. */
  readonly #channel: Channel;
  readonly #transactionalId: string;
  readonly #session: TransactionSession;
  readonly #added = new Set<string>();
  #sender: Sender | null = null;
  #needsEpoch = false;
  #fence: FencedError | null = null;
  #isOpen = false;
  #hasSent = false;
  #hasFailed = false;
  #turn = 0;
  /** The turn that a call of `produce` shares, until it begins or another call comes between. */
  #shared: SharedTurn | null = null;
  /** Settles when all calls so far are done. */
  #last: Promise<unknown> = Promise.resolve();
  /** Settles when the offsets of the transaction are sent. */
  #offsets: Promise<unknown> = Promise.resolve();
  /** Settles when all calls so far are done, but for records that are on their way. */
  #lastButRecords: Promise<unknown> = Promise.resolve();

  /**
   * @param client Connections.
   * @param options Transactional id and timeout.
   * @throws {TypeError} when the transactional id is empty.
   */
  constructor(client: KafkaClient, options: TransactionalProducerOptions) {
    const { transactionalId, transactionTimeoutMs: timeoutMs = TIMEOUT_MS } = options;
    if (transactionalId === "") {
      throw new TypeError("Cannot create producer as 'transactionalId' must not be empty: current value is ''");
    }
    this.#client = client;
    this.#channel = client.channel("transactions' records");
    this.#transactionalId = transactionalId;
    this.#session = new TransactionSession(client, client.channel("transactions"), { transactionalId, timeoutMs });
  }

  /** Whether it takes nothing any more. */
  get isClosed(): boolean {
    return this.#session.isClosed;
  }

  /** Fences older producers of this id and ends their open transaction. */
  initialize(): Promise<Outcome<void>> {
    return this.#inTurn(async () => {
      const outcome = await this.#session.initialize();
      if (outcome.kind !== "applied") return outcome;
      this.#adopt(outcome.value);
      this.#needsEpoch = false;
      this.#fence = null;
      this.#isOpen = false;
      return applied();
    });
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
    this.#added.clear();
  }

  /** Appends records inside the transaction. Calls that do not wait for each other share requests. */
  async produce(request: ProduceRequest): Promise<ProduceOutcome> {
    const shared = this.#shared ??= this.#shareTurn();
    const at = shared.calls.push({ request, turn: this.#turn++ }) - 1;
    const answers = await shared.answers;
    return answers.kind === "applied" ? answers.value[at]!() : answers;
  }

  /** Puts offsets into the transaction. */
  sendOffsets(positions: readonly CommittedPosition[], group: GroupMetadata): Promise<Outcome<void>> {
    const done = this.#after(this.#lastButRecords, async () => {
      this.#checkOpen("send offsets");
      if (positions.length === 0) return applied();
      return this.#noting(await this.#sendOffsets(positions, group));
    });
    this.#offsets = done.catch(() => {});
    return done;
  }

  /** Ends the transaction: everything becomes visible. */
  commit(): Promise<Outcome<void>> {
    return this.#inTurn(async () => {
      this.#checkOpen("commit");
      if (!this.#hasFailed) return await this.#end(true);
      return notApplied(
        new TransactionAbortedError(
          "Cannot commit transaction: a send inside it was not applied, abort it and process again",
        ),
      );
    });
  }

  /** Ends the transaction: nothing becomes visible. */
  abort(): Promise<Outcome<void>> {
    return this.#inTurn(() => {
      this.#checkOpen("abort");
      return this.#end(false);
    });
  }

  /** Drops the connection without ending anything; calls under way fail. */
  async close(): Promise<void> {
    this.#session.close();
    this.#client.closeChannel(this.#channel);
    await this.#last;
  }

  #shareTurn(): SharedTurn {
    const calls: ProduceCall[] = [];
    const onItsWay = Promise.withResolvers<void>();
    const answers = this.#inTurn(async () => {
      if (this.#shared?.calls === calls) this.#shared = null;
      this.#checkOpen("produce");
      return applied(await this.#produceAll(calls, onItsWay.resolve));
    });
    this.#lastButRecords = Promise.race([onItsWay.promise, this.#last]);
    return { calls, answers };
  }

  /** Records of all calls of a turn; one that cannot be encoded does not keep the others back. */
  async #produceAll(calls: readonly ProduceCall[], onItsWay: () => void): Promise<(() => ProduceOutcome)[]> {
    const nothing = () => applied([]);
    if (calls.every(({ request }) => request.records.count === 0)) return calls.map(() => nothing);
    const current = await this.#current();
    if (current.kind !== "applied") return calls.map(() => () => this.#noting(current));
    const sender = current.value;
    const parts: RecordsPart[] = [];
    const answers: (() => ProduceOutcome)[] = [];
    let outcomes: readonly Outcome<ProducedRange>[] = [];
    for (const { request, turn } of calls) {
      const from = parts.length;
      try {
        if (request.records.count > 0) {
          parts.push(...await prepareParts(this.#client, request, { sender, turn, isTransactional: true }));
        }
        const to = parts.length;
        answers.push(() => joinRanges(outcomes.slice(from, to)));
      } catch (error) {
        this.#hasFailed = true;
        answers.push(() => outcomeOfError(error));
      }
    }
    try {
      outcomes = await this.#sendParts(sender, parts, onItsWay);
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
    for (const outcome of outcomes) this.#noting(outcome);
    return answers;
  }

  async #sendParts(
    sender: Sender,
    parts: readonly RecordsPart[],
    onItsWay: () => void,
  ): Promise<readonly Outcome<ProducedRange>[]> {
    if (parts.length === 0) return [];
    const joined = await this.#join(sender, parts);
    if (joined.kind !== "applied") return parts.map(() => joined);
    this.#hasSent = true;
    const version = CALL_VERSIONS[this.#session.generation].produce;
    onItsWay();
    // Until the transaction before is done, a broker would hold records back for longer than it refuses offsets.
    if (this.#session.generation === 2) await this.#offsets;
    return await sendParts(this.#client, parts, {
      sender,
      channel: this.#channel,
      transaction: { transactionalId: this.#transactionalId, version },
      isClosed: () => this.isClosed,
    });
  }

  async #sendOffsets(positions: readonly CommittedPosition[], group: GroupMetadata): Promise<Outcome<void>> {
    const current = await this.#current();
    if (current.kind !== "applied") return current;
    const key = `group ${group.groupId}`;
    this.#hasSent = true;
    if (this.#session.generation === 1 && !this.#added.has(key)) {
      const added = await this.#session.addOffsets(current.value, group.groupId);
      if (added.kind !== "applied") return added;
      this.#added.add(key);
    }
    return await this.#client.members.commit(
      positions,
      group,
      (fence) => this.#session.stageOffsets(current.value, positions, fence),
    );
  }

  /** Generation 1: partitions join the transaction before their first record. */
  async #join(
    sender: Sender,
    places: readonly TopicPartition[],
  ): Promise<Outcome<void>> {
    if (this.#session.generation === 2) return applied();
    const missing = new Map<string, TopicPartition>();
    for (const { topic, partition } of places) {
      const key = `${topic}/${partition}`;
      if (!this.#added.has(key)) missing.set(key, { topic, partition });
    }
    if (missing.size === 0) return applied();
    this.#hasSent = true;
    const outcome = await this.#session.addPartitions(sender, [...missing.values()]);
    if (outcome.kind === "applied") {
      for (const { topic, partition } of missing.values()) this.#added.add(`${topic}/${partition}`);
    }
    return outcome;
  }

  /** Who sends, under a new epoch if the last one may still have something on its way. */
  async #current(): Promise<Outcome<Sender>> {
    if (this.#fence !== null) return notApplied(this.#fence);
    if (this.#needsEpoch && !this.#hasSent) {
      const outcome = await this.#renew();
      if (outcome.kind !== "applied") return outcome;
    }
    return applied(this.#sender!);
  }

  /** Bumps the epoch, unless another producer has taken over. */
  async #renew(): Promise<Outcome<void>> {
    const outcome = this.#noteFence(await this.#session.initialize(this.#sender!));
    if (outcome.kind !== "applied") return outcome;
    this.#adopt(outcome.value);
    this.#needsEpoch = false;
    return applied();
  }

  async #end(isCommit: boolean): Promise<Outcome<void>> {
    this.#isOpen = false;
    if (!this.#hasSent) return applied();
    const outcome = this.#noteFence(await this.#session.end(this.#sender!, isCommit));
    if (outcome.kind === "applied") {
      const { session, hasCopies } = outcome.value;
      this.#fence = null;
      this.#needsEpoch = !this.#adopt(session) && (this.#hasFailed || hasCopies);
      // Now rather than with the next transaction; should it fail, it is tried again then.
      if (this.#needsEpoch) await this.#renew();
      return applied();
    }
    this.#needsEpoch = true;
    // All sends were refused, so the coordinator never heard of this transaction: there is nothing to abort.
    const isNothing = outcome.kind === "not-applied" && codeOf(outcome) === CODE.invalidTransactionState;
    return isNothing && !isCommit && this.#hasFailed ? applied() : outcome;
  }

  /** A send that is not known to be applied spoils its transaction. */
  #noting<T>(outcome: Outcome<T>): Outcome<T> {
    if (outcome.kind !== "applied") this.#hasFailed = true;
    return this.#noteFence(outcome);
  }

  #noteFence<T>(outcome: Outcome<T>): Outcome<T> {
    if (outcome.kind !== "applied" && outcome.error instanceof FencedError && isProducerFence(codeOf(outcome))) {
      this.#fence = outcome.error;
    }
    return outcome;
  }

  /** Goes on under a session: a new one starts its sequence numbers anew. Tells whether it is a new one. */
  #adopt({ producerId, producerEpoch }: ProducerSession): boolean {
    if (this.#sender?.producerId === producerId && this.#sender.producerEpoch === producerEpoch) return false;
    const isSameId = this.#sender?.producerId === producerId;
    const known = isSameId ? this.#sender!.known : new Set<string>();
    this.#sender = { producerId, producerEpoch, sequences: new Map(), known };
    return true;
  }

  #inTurn<T>(what: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
    return this.#after(this.#last, what);
  }

  #after<T>(before: Promise<unknown>, what: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
    this.#shared = null;
    const done = before.then(() => this.isClosed ? notApplied(closedError(this.#transactionalId)) : what());
    this.#last = this.#lastButRecords = Promise.allSettled([this.#last, done]);
    return done;
  }

  #checkOpen(what: string): void {
    if (this.#isOpen) return;
    throw new TypeError(`Cannot ${what} as 'begin' must be called first: current value is no open transaction`);
  }
}

function codeOf({ error }: Exclude<Outcome<never>, { readonly kind: "applied" }>): unknown {
  return error instanceof StreamError ? error.context.code : undefined;
}

/** Whether it is the producer that is fenced, not the member of the group. */
function isProducerFence(code: unknown): boolean {
  return code !== CODE.fencedInstance;
}
