import { decodeCommitMetadata } from "../../lib/core/commit_metadata.ts";
import type { GroupReading } from "../../lib/core/commit_commands.ts";
import { offsetOf, type TaskPosition } from "../../lib/core/position.ts";

/** The input of the one task. */
export const INPUT: readonly number[] = [3, 1, 4, 1, 5, 9];
/** Rows of a batch; one batch is one commit. */
export const BATCH = 2;
/** The input partition. */
export const IN = { topic: "in", partition: 0 } as const;
/** A checkpoint is taken after so many commits. */
export const CHECKPOINT_EVERY = 2;
/** Checkpoints kept. */
export const RETAINED = 2;

/** The reference: the running sum of the first `count` values. */
export function fold(count: number): number {
  return INPUT.slice(0, count).reduce((a, b) => a + b, 0);
}

/** One output record: the running sum, and which input row it is of. */
export interface Output {
  readonly value: number;
  readonly at: number;
}

/** A state with its position, as a store or a checkpoint holds it. */
export interface Stored {
  readonly sum: number;
  readonly position: TaskPosition;
}

/** Offset of the one input in a stored state. */
export function storedOffset(stored: Stored): bigint {
  return offsetOf(stored.position, IN)!;
}

/** A transaction that the coordinator holds open. */
interface OpenTransaction {
  readonly epoch: number;
  readonly outputs: Output[];
  committed: GroupReading;
}

/** A request that was sent and has not arrived: it may, later or never. */
export type Delayed =
  | { readonly kind: "end-transaction"; readonly epoch: number }
  | { readonly kind: "produce"; readonly epoch: number; readonly outputs: readonly Output[] }
  | { readonly kind: "commit-offsets"; readonly committed: NonNullable<GroupReading> };

/** Everything outside of the process: broker, disks of two nodes, blob store. Small, synchronous, without faults. */
export class CommitWorld {
  /** Outputs that a read_committed reader sees, in order. */
  outputs: Output[] = [];
  /** What the group holds. */
  committed: GroupReading = undefined;
  /** Local stores of two nodes. */
  locals: (Stored | undefined)[] = [undefined, undefined];
  /** Checkpoints, oldest first. */
  checkpoints: Stored[] = [];
  /** Epoch of the transactional id at the coordinator. */
  epoch = 0;
  /** The open transaction. */
  transaction: OpenTransaction | undefined = undefined;
  /** Requests on their way. */
  delayed: Delayed[] = [];
  /** Rows that may be repeated at-least-once: those in flight at each failure. */
  repeatsMax = 0;
  /** Kinds of violations seen on the way. */
  violations: Set<string> = new Set();
  /** Owners seen. */
  owners = 0;
  /** Lineages begun. */
  lineages = 0;

  readonly #guarantee: "at-least-once" | "exactly-once";

  /** @param guarantee What readers were promised. */
  constructor(guarantee: "at-least-once" | "exactly-once") {
    this.#guarantee = guarantee;
  }

  /** Appends outputs; under a transactional id they open a transaction if none is (first transaction protocol). */
  produce(outputs: readonly Output[], epoch: number | undefined): void {
    if (epoch === undefined) this.#show(outputs);
    else if (epoch === this.epoch) this.#opened().outputs.push(...outputs);
  }

  /** Puts an offset into the transaction. */
  sendOffsets(committed: NonNullable<GroupReading>, epoch: number): void {
    if (epoch === this.epoch) this.#opened().committed = committed;
  }

  /** Commits whatever transaction is open at that epoch. */
  endTransaction(epoch: number): void {
    const { transaction } = this;
    if (transaction === undefined || epoch !== this.epoch) return;
    this.#show(transaction.outputs);
    if (transaction.committed !== undefined) this.#commit(transaction.committed, true);
    this.transaction = undefined;
  }

  /** Ends the open transaction without a trace. */
  abortTransaction(epoch: number): void {
    if (epoch === this.epoch) this.transaction = undefined;
  }

  /** Bumps the epoch and ends the open transaction. */
  initialize(): number {
    this.transaction = undefined;
    this.epoch++;
    // What an older epoch has on its way can never take effect.
    this.delayed = this.delayed.filter((one) => one.kind === "commit-offsets");
    return this.epoch;
  }

  /** Commits an offset outside of a transaction. */
  commitOffsets(committed: NonNullable<GroupReading>): void {
    this.#commit(committed, false);
  }

  /** A delayed request arrives. */
  deliver(delayed: Delayed): void {
    this.delayed.splice(this.delayed.indexOf(delayed), 1);
    if (delayed.kind === "end-transaction") return this.endTransaction(delayed.epoch);
    if (delayed.kind === "produce") return this.produce(delayed.outputs, delayed.epoch);
    const before = this.committed?.offset ?? 0n;
    if (delayed.committed.offset < before) this.repeatsMax += Number(before - delayed.committed.offset);
    this.#commit(delayed.committed, false);
  }

  /** How far the number of repeated outputs is from its bound; the greater, the worse. */
  get debt(): number {
    if (this.#guarantee === "exactly-once") return 0;
    return this.outputs.length - new Set(this.outputs.map((one) => one.at)).size - this.repeatsMax;
  }

  /** All that matters from here on, as text, but for the debt. */
  key(): string {
    const rows = new Set(this.outputs.map((one) => one.at));
    const delayed = this.delayed.map((one) =>
      one.kind === "commit-offsets"
        ? `c${reading(one.committed)}`
        : `${one.kind[0]}${one.epoch - this.epoch}${one.kind === "produce" ? one.outputs[0]!.at : ""}`
    );
    const open = this.transaction;
    return [
      [...rows].sort(),
      reading(this.committed),
      this.locals.map(storedText),
      this.checkpoints.map(storedText),
      open === undefined ? "-" : `${open.outputs.map((one) => one.at)}${reading(open.committed)}`,
      delayed.sort(),
      [...this.violations],
    ].join("|");
  }

  #show(outputs: readonly Output[]): void {
    for (const output of outputs) {
      const isRepeated = this.outputs.some((one) => one.at === output.at);
      if (isRepeated && this.#guarantee === "exactly-once") this.violations.add("DUPLICATE (I-05)");
      if (output.value !== fold(output.at + 1)) this.violations.add("WRONG OUTPUT");
      this.outputs.push(output);
    }
  }

  #opened(): OpenTransaction {
    return this.transaction ??= { epoch: this.epoch, outputs: [], committed: undefined };
  }

  #commit(committed: NonNullable<GroupReading>, isTransactional: boolean): void {
    if (isTransactional && this.committed !== undefined && committed.offset < this.committed.offset) {
      this.violations.add("COMMITTED OFFSET WENT BACK (I-08)");
    }
    this.committed = committed;
  }
}

function storedText(stored: Stored | undefined): string {
  if (stored === undefined) return "-";
  return `${stored.sum}@${storedOffset(stored)}#${stored.position.commitSequence}${stored.position.lineage}`;
}

const readings = new Map<string, string>();

/** Offset, commit sequence and lineage as text. */
function reading(committed: GroupReading): string {
  if (committed === undefined) return "-";
  const { offset, metadata } = committed;
  let text = readings.get(metadata);
  if (text === undefined) {
    const read = decodeCommitMetadata(metadata);
    text = read.kind === "ours" ? `#${read.commitSequence}${read.lineage}` : read.kind;
    readings.set(metadata, text);
  }
  return `${offset}${text}`;
}
