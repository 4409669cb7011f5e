/**
 * I-05: exactly-once, a read_committed reader sees no duplicate, no aborted record, no half transaction: records are
 * appended by the producer that holds the id and only while its transaction is open, each sequence number once; a commit
 * makes all records that were sent in the transaction visible, and the offsets with them.
 */
import type { Outcome } from "../../../lib/base/outcome.ts";
import type { BatchAppended, Change, MarkerAppended, TransactionChange } from "../../../lib/embedded/change.ts";
import { partitionKey } from "../../../lib/embedded/cluster_state.ts";
import type { ProduceRequest } from "../../../lib/seams/broker.ts";
import type { CallEvent, Checker, InvariantId, RunView, SeamCall, SimProcess } from "../contracts.ts";
import { describeProcess, lifeKey, type SeamHandle, type SeamHandles } from "./seam_handles.ts";

/** What the broker has of a transaction that is open or ending. */
interface Transaction {
  /** Records appended, by partition. */
  readonly records: Map<string, number>;
  /** Groups with staged offsets. */
  readonly groups: Set<string>;
  /** Verdict, once it is decided. */
  isCommit: boolean | undefined;
}

/** What a producer of the job has sent since it began a transaction. */
interface Sent {
  readonly who: string;
  records: number;
  hasOffsets: boolean;
}

/** Last records of a producer in a partition. */
interface Sequence {
  epoch: number;
  next: number;
}

/** Watches the transactions of the broker. */
export class Transactions implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-05"];
  readonly #view: RunView;
  readonly #handles: SeamHandles;
  readonly #idOf = new Map<number, string>();
  readonly #open = new Map<string, Transaction>();
  readonly #sequences = new Map<string, Map<number, Sequence>>();
  readonly #sent = new Map<SeamHandle, Sent>();
  /** Last handle of a process that asked to become the producer of an id. */
  readonly #asking = new Map<string, SeamHandle>();
  /** The handle that is the producer of an id now. */
  readonly #producers = new Map<string, SeamHandle>();
  #landing: CallEvent | undefined;

  /**
   * @param view The run.
   * @param handles Who is who at the broker seam.
   */
  constructor(view: RunView, handles: SeamHandles) {
    this.#view = view;
    this.#handles = handles;
  }

  seam(call: SeamCall): void {
    if (call.kind !== "transactional") return;
    const { method, phase } = call;
    const handle = this.#handles.of(call);
    if (handle === undefined) return;
    if (method === "begin") {
      const who = describeProcess(call.process, call.incarnation);
      this.#sent.set(handle, { who, records: 0, hasOffsets: false });
      return;
    }
    if (method === "initialize") {
      if (phase === "called") this.#asking.set(askingKey(call, handle.transactionalId!), handle);
      return;
    }
    const sent = this.#sent.get(handle);
    if (sent === undefined) return;
    if (method === "produce") {
      if (phase === "called") sent.records += (call.args[0] as ProduceRequest).records.count;
      // What was refused as a whole need not be there; such a transaction can only be aborted.
      else if ((call.value as Outcome<unknown> | undefined)?.kind === "not-applied") sent.records = Infinity;
    } else if (method === "sendOffsets" && phase === "called") sent.hasOffsets = true;
  }

  call(event: CallEvent): void {
    if (event.phase === "landed") this.#landing = event;
  }

  afterEvent(): void {
    this.#landing = undefined;
  }

  change(change: Change): void {
    switch (change.kind) {
      case "batch-appended":
        return this.#appended(change);
      case "marker-appended":
        return this.#marked(change);
      case "transaction-initialized":
      case "transaction-prepared":
      case "transaction-offsets-staged":
      case "transaction-offsets-resolved":
      case "transaction-completed":
        return this.#transaction(change);
      case "log-truncated":
      case "topic-deleted":
        // Producers begin anew where the log ends.
        for (const key of this.#sequences.keys()) if (key.startsWith(`${change.topic}:`)) this.#sequences.delete(key);
        return this.#forget(change.topic);
    }
  }

  #appended(change: BatchAppended): void {
    const { topic, partition, producerId, producerEpoch, isTransactional, records, baseOffset } = change;
    if (producerId < 0) return;
    const where = `${topic}:${partition} at offset ${baseOffset}`;
    this.#checkSequence(change, where);
    if (!isTransactional) return;
    const id = this.#idOf.get(producerId);
    const state = id === undefined ? undefined : this.#view.broker.cluster.state.transactions.get(id);
    if (id === undefined || state === undefined) return;
    if (state.status !== "Ongoing" || state.producerId !== producerId || state.producerEpoch !== producerEpoch) {
      this.#view.violate(
        "I-05",
        `records of producer ${producerId} of epoch ${producerEpoch} were appended to ${where} outside of its ` +
          `transaction: expected an open transaction of that producer, found '${id}' ${state.status} with producer ` +
          `${state.producerId} of epoch ${state.producerEpoch}`,
      );
    }
    const transaction = this.#transactionOf(id);
    const key = partitionKey(topic, partition);
    transaction.records.set(key, (transaction.records.get(key) ?? 0) + records.count);
  }

  /** Each sequence number once, none left out. */
  #checkSequence(change: BatchAppended, where: string): void {
    const { topic, partition, producerId, producerEpoch, sequence, records } = change;
    const key = partitionKey(topic, partition);
    let producers = this.#sequences.get(key);
    if (producers === undefined) this.#sequences.set(key, producers = new Map());
    const last = producers.get(producerId);
    if (last === undefined) {
      producers.set(producerId, { epoch: producerEpoch, next: sequence + records.count });
      return;
    }
    const expected = producerEpoch === last.epoch ? last.next : 0;
    if (producerEpoch < last.epoch || sequence !== expected) {
      this.#view.violate(
        "I-05",
        `a record was written twice or left out in ${where}: expected sequence ${expected} of producer ${producerId} in ` +
          `epoch ${last.epoch} or later, found sequence ${sequence} in epoch ${producerEpoch}`,
      );
    }
    last.epoch = producerEpoch;
    last.next = sequence + records.count;
  }

  #marked({ topic, partition, transactionalId, isCommit, offset }: MarkerAppended): void {
    const transaction = transactionalId === null ? undefined : this.#open.get(transactionalId);
    if (transaction === undefined) return;
    const key = partitionKey(topic, partition);
    if (transaction.isCommit !== isCommit) {
      this.#view.violate(
        "I-05",
        `the transaction of '${transactionalId}' ends both ways: expected ${verdict(transaction.isCommit)}, found ` +
          `${verdict(isCommit)} in ${key} at offset ${offset}`,
      );
    }
    transaction.records.delete(key);
  }

  #transaction(change: Extract<TransactionChange, { transactionalId: string }>): void {
    const { transactionalId: id } = change;
    switch (change.kind) {
      case "transaction-initialized":
        this.#idOf.set(change.producerId, id);
        this.#open.delete(id);
        return this.#initialized(id);
      case "transaction-offsets-staged":
        this.#transactionOf(id).groups.add(change.groupId);
        return;
      case "transaction-prepared":
        this.#idOf.set(change.producerId, id);
        this.#transactionOf(id).isCommit = change.isCommit;
        if (change.isCommit) this.#checkWhole(id);
        return;
      case "transaction-offsets-resolved":
        this.#open.get(id)?.groups.delete(change.groupId);
        return;
      case "transaction-completed":
        return this.#completed(id);
    }
  }

  #initialized(id: string): void {
    const asker = this.#landing === undefined ? undefined : this.#asking.get(askingKey(this.#landing, id));
    if (asker === undefined) this.#producers.delete(id);
    else this.#producers.set(id, asker);
  }

  /** A commit makes visible what was sent, all of it, and offsets with it. */
  #checkWhole(id: string): void {
    const producer = this.#producers.get(id);
    const sent = producer === undefined ? undefined : this.#sent.get(producer);
    if (sent === undefined) return;
    const { records, groups } = this.#transactionOf(id);
    let appended = 0;
    for (const count of records.values()) appended += count;
    if (appended !== sent.records) {
      this.#view.violate(
        "I-05",
        `half a transaction of '${id}' was committed: expected the ${sent.records} records that ${sent.who} sent in it, ` +
          `found ${appended}`,
      );
    }
    if (groups.size > 0 || appended === 0) return;
    this.#view.violate(
      "I-05",
      `a transaction of '${id}' was committed without offsets: expected offsets with its ${appended} records` +
        `${sent.hasOffsets ? ", which were sent and not staged" : ", which were not sent yet"}`,
    );
  }

  #completed(id: string): void {
    const transaction = this.#open.get(id);
    this.#open.delete(id);
    if (transaction === undefined || (transaction.records.size === 0 && transaction.groups.size === 0)) return;
    this.#view.violate(
      "I-05",
      `the transaction of '${id}' is complete and not all of it was ${verdict(transaction.isCommit)}: no marker for ` +
        `${[...transaction.records.keys()].join(", ") || "no partition"}, unresolved offsets of ` +
        `${[...transaction.groups].join(", ") || "no group"}`,
    );
  }

  /** A topic, or the end of one, is gone with its part of open transactions. */
  #forget(topic: string): void {
    for (const { records } of this.#open.values()) {
      for (const key of records.keys()) if (key.startsWith(`${topic}:`)) records.delete(key);
    }
    this.#sent.clear();
  }

  #transactionOf(id: string): Transaction {
    let transaction = this.#open.get(id);
    if (transaction === undefined) {
      this.#open.set(id, transaction = { records: new Map(), groups: new Set(), isCommit: undefined });
    }
    return transaction;
  }
}

function askingKey({ process, incarnation }: { process: SimProcess; incarnation: number }, id: string): string {
  return `${lifeKey(process, incarnation)} ${id}`;
}

function verdict(isCommit: boolean | undefined): string {
  return isCommit === undefined ? "undecided" : isCommit ? "committed" : "aborted";
}
