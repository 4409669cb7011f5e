import { invariant } from "../base/assert.ts";
import type { BatchAppended, MarkerAppended } from "./change.ts";
import { type EpochStart, LeaderEpochs } from "./leader_epochs.ts";
import { batchWithout, controlBatch, type LogBatch, type OffsetRanges, recordBatch } from "./log_batch.ts";
import { PartitionProducers } from "./partition_producers.ts";
import { truncatedProducers } from "./truncated_producers.ts";

export { type EpochStart, LeaderEpochs } from "./leader_epochs.ts";
export type { LogBatch, OffsetRanges } from "./log_batch.ts";

/**
 * Invariants: offsets only grow, but for an unclean election; `logStart <= lastStableOffset <= logEnd`; batches lie in
 * offset order without overlap, with gaps where compaction took records; a transactional batch is marked aborted at the
 * moment its abort marker is appended, so a reader below the last stable offset never has to look for markers ahead of it.
 */

/** The log of one partition, as batches of columns. */
export class PartitionLog {
  /** What it knows of producers. */
  get producers(): PartitionProducers {
    return this.#producers;
  }

  /** Which leader epoch wrote which part of it. */
  readonly epochs: LeaderEpochs = new LeaderEpochs();
  #producers = new PartitionProducers();
  #batches: LogBatch[] = [];
  #head = 0;
  #logStart = 0;
  #logEnd = 0;
  #leaderEpoch = 0;
  #bytes = 0;
  readonly #open = new Map<number, { firstOffset: number; batches: LogBatch[] }>();

  /** First offset that the log still holds. */
  get logStart(): number {
    return this.#logStart;
  }

  /** Offset of the next record: the high watermark, as there is one replica. */
  get logEnd(): number {
    return this.#logEnd;
  }

  /** Offset up to which every transaction is decided. */
  get lastStableOffset(): number {
    let stable = this.#logEnd;
    for (const { firstOffset } of this.#open.values()) if (firstOffset < stable) stable = firstOffset;
    // An operator may give up records of an open transaction: what is left of it stays undecided.
    return Math.max(stable, this.#logStart);
  }

  /** Leader epoch of the next append. */
  get leaderEpoch(): number {
    return this.#leaderEpoch;
  }

  /** Bytes of all batches that are held. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** Batches that are held, oldest first. */
  batches(): readonly LogBatch[] {
    return this.#head === 0 ? this.#batches : this.#batches.slice(this.#head);
  }

  /** Number of batches that are held. */
  get batchCount(): number {
    return this.#batches.length - this.#head;
  }

  /** The batch at `index`, from 0. */
  batchAt(index: number): LogBatch {
    return this.#batches[this.#head + index]!;
  }

  /** Index of the first batch whose last offset is at or after `offset`; `batchCount` when there is none. */
  indexOf(offset: number): number {
    let low = this.#head;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#batches[middle]!.lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low - this.#head;
  }

  /** Appends records. */
  append(change: BatchAppended): void {
    const batch = recordBatch(change);
    const { producerId, producerEpoch: epoch, baseOffset, lastOffset } = batch;
    this.#push(batch);
    if (producerId < 0) return;
    const count = lastOffset + 1 - baseOffset;
    this.#producers.remember(producerId, { epoch, sequence: batch.sequence, count, firstOffset: baseOffset });
    if (!batch.isTransactional) return;
    this.#join(batch);
    this.#producers.open(producerId, baseOffset);
  }

  /** Appends the control record that ends a producer's transaction here. */
  appendMarker(change: MarkerAppended): void {
    const batch = controlBatch(change);
    this.#push(batch);
    this.#decide(batch);
    this.#producers.close(change.producerId, change.producerEpoch);
  }

  /** Gives up everything before `logStart`; whole batches are freed. */
  moveStart(logStart: number): void {
    invariant(logStart >= this.#logStart && logStart <= this.#logEnd, "the log's start moves forward inside the log");
    this.#logStart = logStart;
    while (this.#head < this.#batches.length && this.#batches[this.#head]!.lastOffset < logStart) {
      this.#bytes -= this.#batches[this.#head]!.bytes;
      this.#batches[this.#head] = undefined as unknown as LogBatch;
      this.#head++;
    }
    this.epochs.moveStart(logStart);
    if (this.#head > 64 && this.#head * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#head);
      this.#head = 0;
    }
  }

  /** A new leader took over; its batches carry its epoch. */
  bumpLeaderEpoch(leaderEpoch: number): void {
    invariant(leaderEpoch > this.#leaderEpoch, "leader epochs only grow");
    this.#leaderEpoch = leaderEpoch;
  }

  /** Takes the records of some offsets out of the log; the other ones keep theirs. */
  compact(removed: OffsetRanges): void {
    const kept: LogBatch[] = [];
    for (let index = this.#head; index < this.#batches.length; index++) {
      const before = this.#batches[index]!;
      const after = batchWithout(before, removed);
      this.#bytes += (after?.bytes ?? 0) - before.bytes;
      if (after !== null) kept.push(after);
    }
    this.#batches = kept;
    this.#head = 0;
  }

  /**
   * Loses everything from `logEnd` on, to a new leader that never had it. What the lost part decided is undecided again:
   * a transaction whose marker is lost is open, one whose records are lost never was, a producer goes on after its last
   * batch that is left.
   */
  truncate(logEnd: number, leaderEpoch: number): void {
    invariant(logEnd >= this.#logStart && logEnd <= this.#logEnd, "a log is cut back inside its bounds");
    this.bumpLeaderEpoch(leaderEpoch);
    const held = this.batches();
    const kept = held.filter(({ lastOffset }) => lastOffset < logEnd);
    this.#producers = truncatedProducers(this.#producers, held, logEnd);
    this.epochs.truncate(logEnd);
    this.#batches = kept;
    this.#head = 0;
    this.#logEnd = logEnd;
    this.#bytes = 0;
    this.#open.clear();
    for (const batch of kept) {
      this.#bytes += batch.bytes;
      batch.isAborted = false;
      if (batch.records === null) this.#decide(batch);
      else if (batch.isTransactional) this.#join(batch);
    }
  }

  /** Sets an empty log as a snapshot tells. */
  restore(
    { nextOffset, leaderEpoch, epochs = [] }: {
      readonly nextOffset: number;
      readonly leaderEpoch: number;
      readonly epochs?: readonly EpochStart[];
    },
  ): void {
    invariant(this.#logEnd === 0 && this.batchCount === 0, "only a new log can be restored");
    this.#logStart = nextOffset;
    this.#logEnd = nextOffset;
    this.#leaderEpoch = leaderEpoch;
    this.epochs.restore(epochs);
  }

  /** Compaction left nothing up to `nextOffset`. */
  skipTo(nextOffset: number): void {
    invariant(nextOffset > this.#logEnd, "offsets are skipped forward");
    this.#logEnd = nextOffset;
  }

  /** Puts back what a snapshot tells of a producer; its batches that are still held were appended before. */
  restoreProducer(
    producer: { producerId: number; epoch: number; batches: [number, number, number][]; openFrom: number | null },
  ): void {
    this.#producers.restore(producer);
    const { producerId, openFrom: firstOffset } = producer;
    if (firstOffset === null) return;
    this.#open.set(producerId, { firstOffset, batches: this.#open.get(producerId)?.batches ?? [] });
  }

  /** A batch becomes part of its producer's open transaction. */
  #join(batch: LogBatch): void {
    const open = this.#open.get(batch.producerId);
    if (open === undefined) this.#open.set(batch.producerId, { firstOffset: batch.baseOffset, batches: [batch] });
    else open.batches.push(batch);
  }

  /** A control record decides its producer's open transaction. */
  #decide({ producerId, marker }: LogBatch): void {
    const open = this.#open.get(producerId);
    if (open === undefined) return;
    if (!marker!.isCommit) { for (const batch of open.batches) batch.isAborted = true; }
    this.#open.delete(producerId);
  }

  #push(batch: LogBatch): void {
    invariant(batch.baseOffset === this.#logEnd, "a batch is appended at the log's end");
    this.#batches.push(batch);
    this.#bytes += batch.bytes;
    this.#logEnd = batch.lastOffset + 1;
    this.epochs.note(batch.leaderEpoch, batch.baseOffset);
  }
}
