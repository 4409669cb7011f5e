import { invariant } from "../base/assert.ts";
import type { Records } from "../columns/records.ts";
import type { BatchAppended, MarkerAppended } from "./change.ts";
import { denseByteLength } from "./dense_records.ts";
import { PartitionProducers } from "./partition_producers.ts";

/**
 * Invariants: offsets only grow; `logStart <= lastStableOffset <= logEnd`; batches lie in offset order without overlap;
 * a transactional batch is marked aborted at the moment its abort marker is appended, so a reader below the last stable
 * offset never has to look for markers ahead of it.
 */

/** Bytes that a control record is counted with. */
const MARKER_BYTES = 78;

/** A batch, or a control record, as it lies in the log. */
export interface LogBatch {
  /** Offset of the first record. */
  readonly baseOffset: number;
  /** Offset of the last record. */
  readonly lastOffset: number;
  /** The records; `null` for a control record. */
  readonly records: Records | null;
  /** The control record; `null` for records. */
  readonly marker: { readonly isCommit: boolean; readonly timestamp: number } | null;
  /** Leader epoch at the append. */
  readonly leaderEpoch: number;
  /** Producer id, or -1. */
  readonly producerId: number;
  /** Producer epoch, or -1. */
  readonly producerEpoch: number;
  /** First sequence number, or -1. */
  readonly sequence: number;
  /** Whether it belongs, or belonged, to a transaction. */
  readonly isTransactional: boolean;
  /** Whether its transaction was aborted. */
  isAborted: boolean;
  /** Bytes of keys, values and headers. */
  readonly bytes: number;
  /** Greatest timestamp of its records, epoch milliseconds. */
  readonly maxTimestamp: number;
}

/** The log of one partition, as batches of columns. */
export class PartitionLog {
  /** What it knows of producers. */
  readonly producers: PartitionProducers = new PartitionProducers();
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
    return stable;
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
    const { records, baseOffset, producerId } = change;
    invariant(records.count > 0, "a batch holds records");
    const batch: LogBatch = {
      baseOffset,
      lastOffset: baseOffset + records.count - 1,
      records,
      marker: null,
      leaderEpoch: change.leaderEpoch,
      producerId,
      producerEpoch: change.producerEpoch,
      sequence: change.sequence,
      isTransactional: change.isTransactional,
      isAborted: false,
      bytes: denseByteLength(records),
      maxTimestamp: greatest(records.timestamps),
    };
    this.#push(batch);
    if (producerId < 0) return;
    this.producers.remember(producerId, {
      epoch: change.producerEpoch,
      sequence: change.sequence,
      count: records.count,
      firstOffset: baseOffset,
    });
    if (!change.isTransactional) return;
    const open = this.#open.get(producerId);
    if (open === undefined) this.#open.set(producerId, { firstOffset: baseOffset, batches: [batch] });
    else open.batches.push(batch);
    this.producers.open(producerId, baseOffset);
  }

  /** Appends the control record that ends a producer's transaction here. */
  appendMarker(change: MarkerAppended): void {
    this.#push({
      baseOffset: change.offset,
      lastOffset: change.offset,
      records: null,
      marker: { isCommit: change.isCommit, timestamp: change.timestamp },
      leaderEpoch: change.leaderEpoch,
      producerId: change.producerId,
      producerEpoch: change.producerEpoch,
      sequence: -1,
      isTransactional: true,
      isAborted: false,
      bytes: MARKER_BYTES,
      maxTimestamp: change.timestamp,
    });
    const open = this.#open.get(change.producerId);
    if (open !== undefined) {
      if (!change.isCommit) { for (const batch of open.batches) batch.isAborted = true; }
      this.#open.delete(change.producerId);
    }
    this.producers.close(change.producerId, change.producerEpoch);
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

  /** Sets an empty log as a snapshot tells. */
  restore(nextOffset: number, leaderEpoch: number): void {
    invariant(this.#logEnd === 0 && this.batchCount === 0, "only a new log can be restored");
    this.#logStart = nextOffset;
    this.#logEnd = nextOffset;
    this.#leaderEpoch = leaderEpoch;
  }

  /** Puts back what a snapshot tells of a producer; its batches that are still held were appended before. */
  restoreProducer(
    producer: { producerId: number; epoch: number; batches: [number, number, number][]; openFrom: number | null },
  ): void {
    this.producers.restore(producer);
    if (producer.openFrom === null) return;
    const held = this.#open.get(producer.producerId)?.batches ?? [];
    this.#open.set(producer.producerId, { firstOffset: producer.openFrom, batches: held });
  }

  #push(batch: LogBatch): void {
    invariant(batch.baseOffset === this.#logEnd, "a batch is appended at the log's end");
    this.#batches.push(batch);
    this.#bytes += batch.bytes;
    this.#logEnd = batch.lastOffset + 1;
  }
}

function greatest(timestamps: Float64Array | null): number {
  invariant(timestamps !== null, "records in a log are stamped");
  let max = -Infinity;
  for (let i = 0; i < timestamps.length; i++) if (timestamps[i]! > max) max = timestamps[i]!;
  return max;
}
