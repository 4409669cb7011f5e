import type { TopicPartition } from "../../seams/broker.ts";
import { type BatchRange, type BatchSource, rangesOf } from "./cut_batch.ts";
import { encodeBatch } from "./encode_batches.ts";
import type { PartitionBatch } from "./protocol/produce_calls.ts";

/** What one partition gets of one request. */
export interface RecordsPart extends TopicPartition {
  /** Records. */
  readonly count: number;
  /** What its batches are made of. */
  readonly source: BatchSource;
  /** All batches, when they had to be encoded to see that they can be; else each is encoded when its turn comes. */
  readonly encoded: readonly BatchRange[] | null;
}

/** A batch, the part that it belongs to, and what its partition gets after it. */
export interface QueuedBatch extends PartitionBatch, BatchRange {
  /** Number of the part. */
  readonly part: number;
  /** What it was made of. */
  readonly source: BatchSource;
  /** Where it came from. */
  readonly queue: PartitionQueue;
}

/** The batches that one partition is still to get, in their order. */
export class PartitionQueue {
  /** `topic/partition`. */
  readonly key: string;
  readonly #parts: { readonly number: number; readonly part: RecordsPart }[] = [];
  /** Rows of the first part that stand in batches already. */
  #rows = 0;
  /** What was drawn before and comes first. */
  #again: QueuedBatch[] = [];

  /** @param key `topic/partition`. */
  constructor(key: string) {
    this.key = key;
  }

  /** Whether nothing is left. */
  get isEmpty(): boolean {
    return this.#again.length === 0 && this.#parts.length === 0;
  }

  /** Appends a part. */
  add(part: RecordsPart, number: number): void {
    if (part.count > 0) this.#parts.push({ part, number });
  }

  /** The next batch, or `null`. */
  next(): QueuedBatch | null {
    const again = this.#again.shift();
    if (again !== undefined) return again;
    const [first] = this.#parts;
    if (first === undefined) return null;
    const { number, part: { topic, partition, source, encoded, count } } = first;
    const range = encoded === null
      ? rangesOf([encodeBatch({ ...source, first: this.#rows }, source.options)], this.#rows)[0]!
      : encoded.find((each) => each.first === this.#rows)!;
    this.#rows += range.count;
    if (this.#rows === count) {
      this.#parts.shift();
      this.#rows = 0;
    }
    return { ...range, topic, partition, part: number, source, queue: this };
  }

  /** Puts batches back, in their order, before what is left. */
  putBack(batches: readonly QueuedBatch[]): void {
    this.#again = [...batches, ...this.#again];
  }
}

/** One queue for each partition. */
export function queuesOf(parts: readonly RecordsPart[]): PartitionQueue[] {
  const queues = new Map<string, PartitionQueue>();
  for (const [number, part] of parts.entries()) {
    const key = `${part.topic}/${part.partition}`;
    let queue = queues.get(key);
    if (queue === undefined) queues.set(key, queue = new PartitionQueue(key));
    queue.add(part, number);
  }
  return [...queues.values()];
}
