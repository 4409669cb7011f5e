import { BrokerUnavailableError } from "../../base/errors.ts";
import { applied, notApplied, type Outcome, unknown } from "../../base/outcome.ts";
import type { CommittedPosition, GroupMetadata, TopicPartition } from "../../seams/broker.ts";
import { askPatiently, waitMs } from "./ask_patiently.ts";
import { CODE, codeError, isStaleCoordinator, lostReply, outcomeOfError } from "./broker_codes.ts";
import type { CallFor } from "./connection.ts";
import type { Channel, KafkaClient } from "./kafka_client.ts";
import type { Call } from "./protocol/call.ts";
import type { PartitionCode } from "./protocol/offset_calls.ts";
import {
  addOffsetsCall,
  addPartitionsCall,
  endTransactionCall,
  initTransactionsCall,
  NO_SESSION,
  type ProducerSession,
  type SessionReply,
  type TransactionIdentity,
  transactionOffsetsCall,
} from "./protocol/transaction_calls.ts";
import { CALL_VERSIONS, type TransactionGeneration, transactionGeneration } from "./transaction_generation.ts";

/** What became of an end, and the session to go on with. */
export interface EndedTransaction {
  /** The session; generation 2 has bumped its epoch. */
  readonly session: ProducerSession;
  /**
   * Whether the request was sent more than once under an epoch that goes on: a copy that is late could end a later
   * transaction, so the epoch must be bumped before there is one.
   */
  readonly hasCopies: boolean;
}

/** Other partitions of a request that was refused for one of them. */
const NOT_ATTEMPTED = 55;
/** The broker did not expect it: nobody knows how far it came. */
const UNKNOWN_SERVER_ERROR = -1;

/** The requests of one transactional id to the coordinators of transactions and groups. Keeps no state of a transaction. */
export class TransactionSession {
  readonly #client: KafkaClient;
  readonly #channel: Channel;
  readonly #transactionalId: string;
  readonly #timeoutMs: number;
  #generation: TransactionGeneration = 1;
  #isClosed = false;

  /**
   * @param client Connections.
   * @param channel Whose connections are used.
   * @param options Transactional id and timeout.
   */
  constructor(
    client: KafkaClient,
    channel: Channel,
    options: { readonly transactionalId: string; readonly timeoutMs: number },
  ) {
    this.#client = client;
    this.#channel = channel;
    this.#transactionalId = options.transactionalId;
    this.#timeoutMs = options.timeoutMs;
  }

  /** Generation of the protocol; known after {@linkcode TransactionSession.initialize}. */
  get generation(): TransactionGeneration {
    return this.#generation;
  }

  /** Whether nothing is asked any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Nothing is asked any more; calls under way fail. */
  close(): void {
    this.#isClosed = true;
    this.#client.closeChannel(this.#channel);
  }

  /**
   * Bumps the epoch. An open transaction of the producer before is ended by it; that takes a moment.
   *
   * @param session Who goes on, as long as nobody has taken over; {@linkcode NO_SESSION} takes over.
   */
  async initialize(session: ProducerSession = NO_SESSION): Promise<Outcome<ProducerSession>> {
    const tried = `initialize producer '${this.#transactionalId}'`;
    const call = initTransactionsCall({ transactionalId: this.#transactionalId, ...session }, this.#timeoutMs);
    const callFor: CallFor<SessionReply> = (broker) => {
      this.#generation = transactionGeneration(broker, this.#client.options.transactionProtocol);
      return call;
    };
    const outcome = await this.#ask(tried, callFor, ({ errorCode }) => errorCode);
    return outcome.kind === "applied" ? applied(sessionOf(outcome.value)) : outcome;
  }

  /** Adds partitions to the transaction. */
  async addPartitions(session: ProducerSession, partitions: readonly TopicPartition[]): Promise<Outcome<void>> {
    const call = addPartitionsCall(this.#identity(session), partitions);
    const outcome = await this.#ask(`add partitions to transaction '${this.#transactionalId}'`, call, firstCode);
    return outcome.kind === "applied" ? applied() : outcome;
  }

  /** Adds the offsets of a group to the transaction. */
  async addOffsets(session: ProducerSession, groupId: string): Promise<Outcome<void>> {
    const tried = `add offsets of group '${groupId}' to transaction '${this.#transactionalId}'`;
    const call = addOffsetsCall(this.#identity(session), groupId);
    const outcome = await this.#ask(tried, call, ({ errorCode }) => errorCode);
    return outcome.kind === "applied" ? applied() : outcome;
  }

  /** Stages offsets at the coordinator of their group. */
  async stageOffsets(
    session: ProducerSession,
    positions: readonly CommittedPosition[],
    group: GroupMetadata,
  ): Promise<Outcome<void>> {
    const tried = `send offsets of group '${group.groupId}'`;
    const offsets = { identity: this.#identity(session), group, positions };
    const call = transactionOffsetsCall(offsets, CALL_VERSIONS[this.#generation].offsets);
    const outcome = await this.#ask(tried, call, firstCode, group.groupId);
    return outcome.kind === "applied" ? applied() : outcome;
  }

  /**
   * Ends the transaction. When the reply is lost the same request is sent again, for as long as the client waits for
   * replies: the coordinator answers a repeated end of the same kind as the first one, and no other.
   *
   * @returns `unknown` when no reply came, or another one than success after a lost one.
   */
  async end(session: ProducerSession, isCommit: boolean): Promise<Outcome<EndedTransaction>> {
    const tried = `${isCommit ? "commit" : "abort"} transaction of '${this.#transactionalId}'`;
    const version = CALL_VERSIONS[this.#generation].end;
    const call = endTransactionCall(this.#identity(session), { isCommit, version });
    const { clock } = this.#client.environment;
    const endMs = clock.monotonicMs() + this.#client.options.requestTimeoutMs;
    let isSent = false;
    let mayHaveEnded = false;
    for (let attempt = 0;; attempt++) {
      const hasCopies = isSent && this.#generation === 1;
      const reply = await this.#tryEnd(call, tried);
      if (reply.kind === "ended") return applied({ session: reply.session, hasCopies });
      isSent ||= reply.isSent;
      mayHaveEnded ||= reply.mayHaveEnded;
      const isOver = !reply.isPassing || this.#isClosed || clock.monotonicMs() >= endMs;
      if (isOver) return mayHaveEnded ? unknown(lostReply(tried, reply.error)) : notApplied(reply.error);
      await this.#client.sleep(waitMs(this.#client, attempt));
    }
  }

  async #tryEnd(
    call: Call<SessionReply>,
    tried: string,
  ): Promise<
    | { readonly kind: "ended"; readonly session: ProducerSession }
    | {
      readonly kind: "failed";
      readonly error: Error;
      readonly isPassing: boolean;
      /** Whether a copy may still be on its way. */
      readonly isSent: boolean;
      readonly mayHaveEnded: boolean;
    }
  > {
    const kind = "failed";
    try {
      const reply = await this.#send(call);
      const { errorCode: code } = reply;
      if (code === 0) return { kind: "ended", session: sessionOf(reply) };
      if (isStaleCoordinator(code)) this.#client.forgetCoordinator(this.#transactionalId, "transaction");
      const error = codeError(tried, code, { context: { transactionalId: this.#transactionalId } });
      // A coordinator that loses its place while it writes the end down answers so too, and its successor may find it.
      const mayHaveEnded = code === CODE.notCoordinator || code === CODE.coordinatorNotAvailable ||
        code === UNKNOWN_SERVER_ERROR;
      return { kind, error, isPassing: isPassing(code), isSent: false, mayHaveEnded };
    } catch (error) {
      const outcome = outcomeOfError(error);
      const isLost = outcome.kind === "unknown";
      const isAgain = isLost || outcome.error instanceof BrokerUnavailableError;
      return { kind, error: outcome.error, isPassing: isAgain, isSent: isLost, mayHaveEnded: isLost };
    }
  }

  /** Asks a coordinator until it is ready: that of the transactions, or that of a group. */
  async #ask<T>(
    tried: string,
    call: Call<T> | CallFor<T>,
    codeOf: (reply: T) => number,
    groupId?: string,
  ): Promise<Outcome<T>> {
    const context = { transactionalId: this.#transactionalId, ...groupId === undefined ? {} : { groupId } };
    try {
      const reply = await askPatiently(this.#client, {
        send: () => this.#send(call, groupId),
        isClosed: () => this.#isClosed,
        isPassing: (found) => {
          const code = codeOf(found);
          if (code === CODE.notCoordinator || code === CODE.coordinatorNotAvailable) this.#forget(groupId);
          return isPassing(code);
        },
      });
      const code = codeOf(reply);
      return code === 0 ? applied(reply) : outcomeOfError(codeError(tried, code, { context }));
    } catch (error) {
      const outcome = outcomeOfError(error);
      return outcome.kind === "unknown" ? unknown(lostReply(tried, outcome.error)) : outcome;
    }
  }

  async #send<T>(call: Call<T> | CallFor<T>, groupId?: string): Promise<T> {
    if (this.#isClosed) throw closedError(this.#transactionalId);
    const channel = this.#channel;
    if (groupId !== undefined) return await this.#client.sendToCoordinator(groupId, call, { channel });
    return await this.#client.sendToCoordinator(this.#transactionalId, call, { channel, kind: "transaction" });
  }

  #forget(groupId: string | undefined): void {
    if (groupId !== undefined) this.#client.forgetCoordinator(groupId);
    else this.#client.forgetCoordinator(this.#transactionalId, "transaction");
  }

  #identity({ producerId, producerEpoch }: ProducerSession): TransactionIdentity {
    return { transactionalId: this.#transactionalId, producerId, producerEpoch };
  }
}

/** The error of a call on a producer that is closed. */
export function closedError(transactionalId: string): BrokerUnavailableError {
  return new BrokerUnavailableError(
    `Cannot use producer '${transactionalId}' as it is closed, open a new one`,
    { context: { transactionalId } },
  );
}

/** The coordinator moves or loads (which a group's also says while the transaction before is ending), or is not done. */
function isPassing(code: number): boolean {
  return isStaleCoordinator(code) || code === CODE.concurrentTransactions;
}

function firstCode(places: readonly PartitionCode[]): number {
  const failed = places.filter(({ errorCode }) => errorCode !== 0);
  return (failed.find(({ errorCode }) => errorCode !== NOT_ATTEMPTED) ?? failed[0])?.errorCode ?? 0;
}

function sessionOf({ producerId, producerEpoch }: ProducerSession): ProducerSession {
  return { producerId, producerEpoch };
}
