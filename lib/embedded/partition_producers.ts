import type { RefusalCode } from "./reply.ts";

/** How many batches a partition remembers of each producer, to answer a repeated one. */
export const REMEMBERED_BATCHES = 5;
/** How many producers a partition remembers; the one that was silent for longest is forgotten first. */
export const REMEMBERED_PRODUCERS = 1_000;

/** What a partition remembers of one batch. */
export type RememberedBatch = readonly [firstSequence: number, lastSequence: number, firstOffset: number];

/** What a partition remembers of one producer. */
export interface PartitionProducer {
  /** Producer id. */
  readonly producerId: number;
  /** Newest epoch seen. */
  epoch: number;
  /** The last batches of that epoch, oldest first. */
  batches: RememberedBatch[];
  /** First offset of the open transaction, or `null`. */
  openFrom: number | null;
}

/** What becomes of a batch, judged by its sequence number. */
export type SequenceVerdict =
  | { readonly kind: "next" }
  | { readonly kind: "duplicate"; readonly firstOffset: number }
  | { readonly kind: "refused"; readonly code: RefusalCode; readonly expected: number };

const NEXT: SequenceVerdict = { kind: "next" };

/** The producers of one partition: fences old epochs, finds repeated batches and gaps. */
export class PartitionProducers {
  readonly #producers = new Map<number, PartitionProducer>();

  /** All producers, the one silent for longest first. */
  values(): IterableIterator<PartitionProducer> {
    return this.#producers.values();
  }

  /** What is remembered of a producer. */
  get(producerId: number): PartitionProducer | undefined {
    return this.#producers.get(producerId);
  }

  /**
   * Judges a batch before it is appended.
   *
   * @param producerId Producer id.
   * @param batch Epoch, first sequence number and number of records.
   * @returns Whether it is the next one, a repeated one, or is to be refused.
   */
  judge(producerId: number, batch: { epoch: number; sequence: number; count: number }): SequenceVerdict {
    const producer = this.#producers.get(producerId);
    if (producer !== undefined && batch.epoch < producer.epoch) {
      return { kind: "refused", code: "invalid-producer-epoch", expected: producer.epoch };
    }
    if (producer !== undefined && batch.epoch === producer.epoch && producer.batches.length > 0) {
      const last = batch.sequence + batch.count - 1;
      for (const [firstSequence, lastSequence, firstOffset] of producer.batches) {
        if (firstSequence === batch.sequence && lastSequence === last) return { kind: "duplicate", firstOffset };
      }
      const expected = producer.batches.at(-1)![1] + 1;
      return batch.sequence === expected ? NEXT : { kind: "refused", code: "out-of-order-sequence", expected };
    }
    return batch.sequence === 0 ? NEXT : { kind: "refused", code: "out-of-order-sequence", expected: 0 };
  }

  /** Remembers an appended batch. */
  remember(producerId: number, batch: { epoch: number; sequence: number; count: number; firstOffset: number }): void {
    const producer = this.#touch(producerId, batch.epoch);
    producer.batches.push([batch.sequence, batch.sequence + batch.count - 1, batch.firstOffset]);
    if (producer.batches.length > REMEMBERED_BATCHES) producer.batches.shift();
  }

  /** Remembers where the open transaction of a producer began. */
  open(producerId: number, offset: number): void {
    const producer = this.#producers.get(producerId);
    if (producer !== undefined && producer.openFrom === null) producer.openFrom = offset;
  }

  /** A marker ends the producer's transaction and fences lower epochs. */
  close(producerId: number, epoch: number): void {
    this.#touch(producerId, epoch).openFrom = null;
  }

  /** Puts back what a snapshot tells. */
  restore(producer: PartitionProducer): void {
    this.#producers.delete(producer.producerId);
    this.#producers.set(producer.producerId, producer);
  }

  #touch(producerId: number, epoch: number): PartitionProducer {
    let producer = this.#producers.get(producerId);
    if (producer === undefined) producer = { producerId, epoch, batches: [], openFrom: null };
    else this.#producers.delete(producerId);
    if (epoch > producer.epoch) {
      producer.epoch = epoch;
      producer.batches = [];
    }
    this.#producers.set(producerId, producer);
    if (this.#producers.size > REMEMBERED_PRODUCERS) this.#forgetOne();
    return producer;
  }

  #forgetOne(): void {
    for (const [producerId, producer] of this.#producers) {
      if (producer.openFrom !== null) continue;
      this.#producers.delete(producerId);
      return;
    }
  }
}
