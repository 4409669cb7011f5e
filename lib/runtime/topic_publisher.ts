import { InvariantError } from "../base/assert.ts";
import { ProcessingError, SerializationError } from "../base/errors.ts";
import type { Encoder, RejectedRow } from "../codecs/codec.ts";
import { encodeKeys } from "../codecs/record_key.ts";
import { asBatch } from "../columns/as_batch.ts";
import { columnData, float64Values, isValidRow } from "../columns/column_data.ts";
import type { ByteSpans, Records } from "../columns/records.ts";
import type { Batch, Columns } from "../columns/schema.ts";
import { takeSpans } from "../columns/spans.ts";
import { take } from "../columns/take.ts";
import { timestampsOf } from "../columns/timestamps.ts";
import type { Topic } from "../operator/operator.ts";
import type { ProduceRequest } from "../seams/broker.ts";

/** A batch in the form that goes to the broker. */
export interface EncodedBatch {
  /** What is produced; `undefined` when no row could be written. */
  readonly request: ProduceRequest | undefined;
  /** The rows that could be written, in the topic's columns. */
  readonly batch: Batch;
  /** All rows, in the topic's columns: what the rejected row numbers count. */
  readonly all: Batch;
  /** Rows that could not be written, in order. */
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
   * @param timestampMs Record timestamp of rows whose event time is null; without it such rows are refused.
   * @returns Records and rejected rows.
   * @throws {ProcessingError} when a column is missing or of another type.
   */
  encode(batch: Batch, timestampMs?: number): EncodedBatch {
    return this.#typed(() => this.#encode(this.#conform(batch), timestampMs));
  }

  #encode(all: Batch, timestampMs: number | undefined): EncodedBatch {
    const topic = this.#topic;
    const encoded = this.#encoder.encode(all);
    if (encoded.count + encoded.rejected.length !== all.numRows) {
      throw new InvariantError(
        `The ${topic.codec.format} encoder lost rows: ${encoded.count} + ${encoded.rejected.length} of ${all.numRows}`,
      );
    }
    let { values, rows } = encoded;
    let accepted = rows === null ? all : take(all, rows);
    let rejected = encoded.rejected;
    const { kept, refused } = this.#keyedAndTimed(accepted, timestampMs);
    if (refused.length > 0) {
      const before = rows;
      const rowOf = (row: number) => before === null ? row : before[row]!;
      rejected = [...rejected, ...refused.map((each) => ({ ...each, row: rowOf(each.row) }))];
      rejected = rejected.toSorted((a, b) => a.row - b.row);
      rows = kept.map(rowOf);
      values = takeSpans(values, kept);
      accepted = take(accepted, kept);
    }
    const count = accepted.numRows;
    if (count === 0) return { request: undefined, batch: accepted, all, rejected };
    const keys: ByteSpans | null = topic.key === null ? null : encodeKeys(accepted, topic.key);
    const timestamps = topic.eventTime === null ? null : timestampsOf(accepted, topic.eventTime);
    if (timestamps !== null && timestampMs !== undefined) {
      for (let row = 0; row < count; row++) if (Number.isNaN(timestamps[row])) timestamps[row] = timestampMs;
    }
    const records: Records = { count, keys, values, timestamps, headers: null };
    return { request: { topic: topic.name, records }, batch: accepted, all, rejected };
  }

  /** Rows whose value can be written but whose key or time cannot. */
  #keyedAndTimed(batch: Batch, timestampMs: number | undefined): { kept: Int32Array; refused: RejectedRow[] } {
    const { key, eventTime } = this.#topic;
    const badKeys = key === null ? null : nonFiniteRows(batch, key);
    const times = eventTime === null || timestampMs !== undefined ? null : timestampsOf(batch, eventTime);
    const refused: RejectedRow[] = [];
    if (badKeys === null && times === null) return { kept: new Int32Array(0), refused };
    const kept: number[] = [];
    for (let row = 0; row < batch.numRows; row++) {
      const reason = badKeys?.has(row) === true
        ? `the key '${key}' is NaN or infinite`
        : times !== null && Number.isNaN(times[row])
        ? `the event time '${eventTime}' is null`
        : undefined;
      if (reason === undefined) kept.push(row);
      else refused.push({ row, reason, position: -1 });
    }
    return { kept: Int32Array.from(kept), refused };
  }

  #conform(batch: Batch): Batch {
    const { codec, schema } = this.#topic;
    if (codec.isInferred) return batch;
    return asBatch(this.#written(schema, batch), batch) as Batch;
  }

  /** A `recordKey()` column stands in no value: a batch without it can be written all the same. */
  #written(schema: Columns, batch: Batch): Columns {
    const names = Object.keys(schema);
    const isThere = (name: string) => batch.schema.fields.some((field) => field.name === name);
    const absent = names.find((name) => schema[name]!.isRecordKey === true && !isThere(name));
    if (absent === undefined || absent === this.#topic.key) return schema;
    return Object.fromEntries(names.filter((name) => name !== absent).map((name) => [name, schema[name]!]));
  }

  #typed<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof TypeError) && !(error instanceof SerializationError)) throw error;
      throw new ProcessingError(`Cannot publish to topic '${this.#topic.name}': ${error.message}`, {
        cause: error,
        context: { topic: this.#topic.name },
      });
    }
  }
}

/** Rows of a column of doubles that have no text as a key; `null` when there are none. */
function nonFiniteRows(batch: Batch, column: string): ReadonlySet<number> | null {
  const data = columnData(batch, column);
  if (String(data.type) !== "Float64") return null;
  const values = float64Values(data);
  const found = new Set<number>();
  for (let row = 0; row < batch.numRows; row++) {
    if (!Number.isFinite(values[row]) && isValidRow(data, row)) found.add(row);
  }
  return found.size === 0 ? null : found;
}
