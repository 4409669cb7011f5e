import { invariant } from "../base/assert.ts";
import type { OffsetEntry, PartitionEntry } from "./change.ts";
import { findLog, partitionKey, type TransactionState, type TransactionStatus } from "./cluster_state.ts";
import { completeTransaction, isCompletable } from "./complete_transaction.ts";
import type { Core, Times } from "./core.ts";
import { checkFence, type GroupFence } from "./group_fence.ts";
import { checkOffsets } from "./offset_requests.ts";
import { done, type Refusal, refused, type Reply } from "./reply.ts";
import { unknownPartition } from "./topic_requests.ts";
import { checkGroupCoordinator, checkTransactionCoordinator } from "./troubles.ts";

/**
 * Transaction coordinator. Protocol generation 1 keeps the epoch for all transactions of a producer, so a delayed end
 * may land in a later transaction; generation 2 bumps the epoch with each end, which refuses it.
 *
 *   Empty -> Ongoing -> PrepareCommit -> CompleteCommit -> Ongoing ...
 *                   \-> PrepareAbort  -> CompleteAbort  -> Ongoing ...      any of these but Ongoing, Prepare* -> Dead
 */

/** Greatest producer epoch; past it the producer gets a new id. */
export const PRODUCER_EPOCH_MAX = 32_767;

/** Who asks: a producer as the coordinator initialized it. */
export interface TransactionIdentity {
  /** `transactional.id`. */
  readonly transactionalId: string;
  /** Producer id. */
  readonly producerId: number;
  /** Producer epoch. */
  readonly producerEpoch: number;
}

/** Id and epoch of a producer. */
export interface ProducerSession {
  /** Producer id. */
  readonly producerId: number;
  /** Producer epoch. */
  readonly producerEpoch: number;
}

/** Switches the generation of the transaction protocol; what happens to an open transaction then is not modelled. */
export function setTransactionVersion(core: Core, version: 1 | 2): Reply<void> {
  if (core.state.transactionVersion === version) return done(undefined);
  for (const { transactionalId, status } of core.state.transactions.values()) {
    if (status !== "Ongoing" && !status.startsWith("Prepare")) continue;
    const message = `the transaction of '${transactionalId}' is ${status} and cannot change its protocol`;
    return refused("not-modelled", message, { transactionalId, status });
  }
  core.emit({ kind: "transaction-version-set", version });
  return done(undefined);
}

/** Gives out an id for an idempotent producer. */
export function allocateProducer(core: Core): Reply<ProducerSession> {
  const producerId = core.state.nextProducerId;
  core.emit({ kind: "producer-allocated", producerId });
  return done({ producerId, producerEpoch: 0 });
}

/** Finds the transaction and fences any producer but the newest. */
export function checkIdentity(core: Core, identity: TransactionIdentity): Reply<TransactionState> {
  const { transactionalId, producerId, producerEpoch } = identity;
  const transaction = core.state.transactions.get(transactionalId);
  if (transaction === undefined) {
    return refused("unknown-producer", `transactional id '${transactionalId}' is not initialized`, { transactionalId });
  }
  if (transaction.producerId === producerId && transaction.producerEpoch === producerEpoch) return done(transaction);
  const message = `'${transactionalId}' belongs to producer ${transaction.producerId} of epoch ` +
    `${transaction.producerEpoch} now, not to producer ${producerId} of epoch ${producerEpoch}`;
  return refused("producer-fenced", message, { transactionalId, producerId, producerEpoch });
}

function stillEnding(transactionalId: string): Refusal {
  const message = `the last transaction of '${transactionalId}' is still ending`;
  return refused("concurrent-transactions", message, { transactionalId });
}

/** The identity after the present one: the next epoch, or a new id when epochs are used up. */
function nextSession(core: Core, { producerId, producerEpoch, isExhausted }: TransactionState): ProducerSession {
  return producerEpoch + 1 < PRODUCER_EPOCH_MAX && !isExhausted
    ? { producerId, producerEpoch: producerEpoch + 1 }
    : { producerId: core.state.nextProducerId, producerEpoch: 0 };
}

/**
 * Makes the caller the one producer of a transactional id. An open transaction is aborted first, under an epoch that
 * fences its producer; the caller asks again then.
 *
 * @returns The new identity; `concurrent-transactions` is to be tried again.
 */
export function initializeTransactions(
  core: Core,
  request: { readonly transactionalId: string; readonly timeoutMs: number },
  times: Times,
): Reply<ProducerSession> {
  const { transactionalId, timeoutMs } = request;
  if (!(timeoutMs > 0 && timeoutMs <= core.options.transactionTimeoutMsMax)) {
    const message = `a transaction timeout of ${timeoutMs} ms is not in (0, ${core.options.transactionTimeoutMsMax}]`;
    return refused("invalid-transaction-timeout", message, { transactionalId, timeoutMs });
  }
  const moved = checkTransactionCoordinator(core, transactionalId, times);
  if (moved !== null) return moved;
  const transaction = core.state.transactions.get(transactionalId);
  if (transaction === undefined) {
    const session = { producerId: core.state.nextProducerId, producerEpoch: 0 };
    core.emit({ kind: "transaction-initialized", transactionalId, ...session, timeoutMs });
    return done(session);
  }
  if (transaction.status === "Ongoing") abortFenced(core, transaction, times);
  if (transaction.status.startsWith("Prepare")) return stillEnding(transactionalId);
  const session = nextSession(core, transaction);
  core.emit({ kind: "transaction-initialized", transactionalId, ...session, timeoutMs });
  return done(session);
}

/** Generation 1: partitions join the transaction before the first record is sent to them. */
export function addTransactionPartitions(
  core: Core,
  request: TransactionIdentity & { readonly partitions: readonly PartitionEntry[] },
  times: Times,
): Reply<void> {
  const moved = checkTransactionCoordinator(core, request.transactionalId, times);
  if (moved !== null) return moved;
  const checked = checkIdentity(core, request);
  if (checked.kind === "refused") return checked;
  if (checked.value.status.startsWith("Prepare")) return stillEnding(request.transactionalId);
  for (const [topic, partition] of request.partitions) {
    if (findLog(core.state, topic, partition) === undefined) return unknownPartition(topic, partition);
  }
  beginIfNeeded(core, request.transactionalId, { partitions: request.partitions, times });
  return done(undefined);
}

/** Makes the transaction Ongoing and adds those partitions that are not in it yet. */
export function beginIfNeeded(
  core: Core,
  transactionalId: string,
  { partitions, times }: { readonly partitions: readonly PartitionEntry[]; readonly times: Times },
): void {
  const transaction = core.state.transactions.get(transactionalId);
  invariant(transaction !== undefined, "the identity was checked");
  const isOpen = transaction.status === "Ongoing";
  const missing = partitions.filter((entry) => !transaction.partitions.has(partitionKey(...entry)));
  if (isOpen && missing.length === 0) return;
  core.emit({ kind: "transaction-partitions-added", transactionalId, partitions: missing });
  if (!isOpen) transaction.startedMs = times.monotonicMs;
}

/**
 * Stages offsets that become committed with the transaction, under the fence of the group (KIP-447).
 *
 * @param core The cluster.
 * @param request Who asks, the fence, and the offsets.
 * @param times Monotonic time begins the transaction if these are its first news.
 */
export function stageOffsets(
  core: Core,
  request: TransactionIdentity & { readonly fence: GroupFence; readonly offsets: readonly OffsetEntry[] },
  times: Times,
): Reply<void> {
  const { transactionalId, fence, offsets } = request;
  const moved = checkTransactionCoordinator(core, transactionalId, times) ??
    checkGroupCoordinator(core, fence.groupId, times);
  if (moved !== null) return moved;
  const checked = checkIdentity(core, request);
  if (checked.kind === "refused") return checked;
  if (checked.value.status.startsWith("Prepare")) return stillEnding(transactionalId);
  const refusal = checkFence(core, fence) ?? checkOffsets(core, offsets);
  if (refusal !== null) return refusal;
  beginIfNeeded(core, transactionalId, { partitions: [], times });
  core.emit({ kind: "transaction-offsets-staged", transactionalId, groupId: fence.groupId, offsets });
  return done(undefined);
}

/**
 * Ends a transaction. A repeated request with the same result is answered as the first one.
 *
 * @returns The identity for the next transaction (generation 2 bumps the epoch).
 */
export function endTransaction(
  core: Core,
  request: TransactionIdentity & { readonly isCommit: boolean },
  times: Times,
): Reply<ProducerSession> {
  const { transactionalId, isCommit } = request;
  const moved = checkTransactionCoordinator(core, transactionalId, times);
  if (moved !== null) return moved;
  const repeated = answerRepeated(core, request);
  if (repeated !== null) return repeated;
  const checked = checkIdentity(core, request);
  if (checked.kind === "refused") return checked;
  const transaction = checked.value;
  const isBumping = core.state.transactionVersion === 2;
  const mayEnd = transaction.status === "Ongoing" || (isBumping && !isCommit);
  if (!mayEnd || transaction.status.startsWith("Prepare")) return cannotEnd(transaction, isCommit);
  const session = isBumping ? nextSession(core, transaction) : transaction;
  const markerEpoch = isBumping ? transaction.producerEpoch + 1 : transaction.producerEpoch;
  const { producerId, producerEpoch } = session;
  core.emit({
    kind: "transaction-prepared",
    transactionalId,
    isCommit,
    isFenced: false,
    markerEpoch,
    producerId,
    producerEpoch,
  });
  completeTransaction(core, transaction, times);
  return done({ producerId, producerEpoch });
}

/**
 * The answer to an end that was carried out before, or `null` when this is another one. In generation 2 the epoch tells
 * which transaction is meant: the other end of one that has ended is refused as such, and a producer whose transaction
 * timed out may abort it and go on, as long as nobody has taken over.
 */
function answerRepeated(
  core: Core,
  { transactionalId, producerId, producerEpoch, isCommit }: TransactionIdentity & { readonly isCommit: boolean },
): Reply<ProducerSession> | null {
  const transaction = core.state.transactions.get(transactionalId);
  const ended = transaction?.ended ?? null;
  if (transaction === undefined || ended === null) return null;
  if (ended.producerId !== producerId || ended.producerEpoch !== producerEpoch) return null;
  const isBumping = core.state.transactionVersion === 2;
  if (ended.isFenced && !isBumping) return null;
  if (ended.isCommit !== isCommit) return isBumping ? cannotEnd(transaction, isCommit) : null;
  if (transaction.status.startsWith("Prepare")) return stillEnding(transactionalId);
  return done({ producerId: transaction.producerId, producerEpoch: transaction.producerEpoch });
}

function cannotEnd({ transactionalId, status }: TransactionState, isCommit: boolean): Refusal {
  const message = `the transaction of '${transactionalId}' is ${status} and cannot be ` +
    (isCommit ? "committed" : "aborted");
  return refused("invalid-transaction-state", message, { transactionalId, status });
}

/** Aborts an open transaction against its producer's will: the markers carry an epoch that fences it. */
export function abortFenced(core: Core, transaction: TransactionState, times: Times): void {
  const { transactionalId } = transaction;
  const session = nextSession(core, transaction);
  core.emit({
    kind: "transaction-prepared",
    transactionalId,
    isCommit: false,
    isFenced: true,
    markerEpoch: transaction.producerEpoch + 1,
    ...session,
  });
  completeTransaction(core, transaction, times);
}

/** Forgets a transactional id that has no open transaction: its state is Dead, its producer unknown. */
export function expireTransactionalId(core: Core, transactionalId: string): Reply<void> {
  const status = transactionStatus(core, transactionalId);
  if (status === "Ongoing" || status.startsWith("Prepare")) {
    return refused("invalid-transaction-state", `the transaction of '${transactionalId}' is ${status}`, {
      transactionalId,
    });
  }
  if (status !== "Dead") core.emit({ kind: "transaction-expired", transactionalId });
  return done(undefined);
}

/** Where a transactional id stands. */
export function transactionStatus(core: Core, transactionalId: string): TransactionStatus {
  return core.state.transactions.get(transactionalId)?.status ?? "Dead";
}

/** Aborts transactions that are open for too long and completes decided ones. */
export function tickTransactions(core: Core, times: Times): void {
  for (const transaction of core.state.transactions.values()) {
    if (core.troubles.movingTransactions.has(transaction.transactionalId)) continue;
    if (transaction.status === "Ongoing") {
      // After a restart the age is not known: the bound starts again.
      transaction.startedMs ??= times.monotonicMs;
      // As the deadline is computed: a difference could be a rounding error smaller, for ever.
      if (times.monotonicMs >= transaction.startedMs + transaction.timeoutMs) abortFenced(core, transaction, times);
    } else if (isCompletable(core, transaction)) {
      completeTransaction(core, transaction, times);
    }
  }
}

/** The present epoch of a transactional id becomes the last one of its producer id. */
export function exhaustEpochs(core: Core, transactionalId: string): Reply<void> {
  if (transactionStatus(core, transactionalId) === "Dead") {
    return refused("unknown-producer", `transactional id '${transactionalId}' is not initialized`, { transactionalId });
  }
  core.emit({ kind: "transaction-epochs-exhausted", transactionalId });
  return done(undefined);
}
