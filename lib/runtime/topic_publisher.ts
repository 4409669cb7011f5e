import { InvariantError } from "../base/assert.ts";
import { ProcessingError } from "../base/errors.ts";
import type { Encoder, RejectedRow } from "../codecs/codec.ts";
import { encodeKeys } from "../codecs/record_key.ts";
import type { ByteSpans, Records } from "../columns/records.ts";
import type { Batch } from "../columns/schema.ts";
import { takeSpans } from "../columns/spans.ts";
import { timestampsOf } from "../columns/timestamps.ts";
import { conformBatch } from "../columns/conform.ts";
import type { Topic } from "../operator/operator.ts";
import type { ProduceRequest } from "../seams/broker.ts";

/** A batch in the form that goes to the broker. */
export interface EncodedBatch {
  /** What is produced; `undefined` when no row could be written. */
  readonly request: ProduceRequest | undefined;
  /** The batch in the topic's columns. */
  readonly batch: Batch;
  /** Rows that could not be written. */
  readonly rejected: readonly RejectedRow[];
}

/** Turns batches into records of one topic: columns, values, keys, timestamps. One for each task and topic. */
export class TopicPublisher {
  readonly #topic: Topic;
  readonly #encoder: Encoder;

  /** @param topic Where the batches go. */
  constructor(topic: Topic) {
    this.#topic = topic;
    this.#encoder = topic.codec.encoder();
  }

  /**
   * Encodes a batch; a wider batch is projected to the topic's columns.
   *
   * @param batch What a handler returned.
   * @returns Records and rejected rows.
   * @throws {ProcessingError} when a column is missing or of another type.
   */
  encode(batch: Batch): EncodedBatch {
    const topic = this.#topic;
    const conformed = this.#conform(batch);
    const { values, count, rows, rejected } = this.#encoder.encode(conformed);
    if (count + rejected.length !== conformed.numRows) {
      throw new InvariantError(
        `The ${topic.codec.format} encoder lost rows: ${count} + ${rejected.length} of ${conformed.numRows}`,
      );
    }
    if (count === 0) return { request: undefined, batch: conformed, rejected };
    let keys: ByteSpans | null = topic.key === null ? null : encodeKeys(conformed, topic.key);
    let timestamps = topic.eventTime === null ? null : timestampsOf(conformed, topic.eventTime);
    if (rows !== null) {
      keys = keys === null ? null : takeSpans(keys, rows);
      timestamps = timestamps === null ? null : Float64Array.from(rows, (row) => timestamps![row]!);
    }
    const records: Records = { count, keys, values, timestamps, headers: null };
    return { request: { topic: topic.name, records }, batch: conformed, rejected };
  }

  #conform(batch: Batch): Batch {
    if (this.#topic.codec.isInferred) return batch;
    try {
      return conformBatch(this.#topic.schema, batch);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new ProcessingError(`Cannot publish to topic '${this.#topic.name}': ${error.message}`, {
        cause: error,
        context: { topic: this.#topic.name },
      });
    }
  }
}
