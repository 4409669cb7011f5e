import { SerializationError } from "../base/errors.ts";
import { batchOf } from "../columns/batch_of.ts";
import type { Batch, Columns, RowOf } from "../columns/schema.ts";
import { spansOf } from "../columns/spans.ts";
import type { Topic } from "../operator/operator.ts";
import { TopicPublisher } from "../runtime/topic_publisher.ts";
import type { ProduceRequest } from "../seams/broker.ts";

/**
 * Rows or a batch in the form that goes to the broker.
 *
 * @param rows Objects, or a batch.
 * @param to Where they go, and the record timestamp of rows whose event time is null.
 * @returns The request, or `undefined` when there are no rows.
 * @throws {SerializationError} when a row cannot be written, naming row and reason.
 * @throws {TypeError} when a value is missing, mistyped or extra.
 */
export function encodeRows<S extends Columns>(
  rows: readonly RowOf<S>[] | Batch<S>,
  { topic, wallMs }: { readonly topic: Topic<S>; readonly wallMs: number },
): ProduceRequest | undefined {
  if (Array.isArray(rows) && topic.codec.isInferred) return encodeObjects(topic as Topic, rows);
  const batch = Array.isArray(rows) ? batchOf(topic.schema, rows as readonly RowOf<S>[]) : rows as Batch<S>;
  const { request, rejected } = publisherOf(topic as Topic).encode(batch as unknown as Batch, wallMs);
  const first = rejected[0];
  if (first !== undefined) throw unwritable(topic.name, first.row, first.reason);
  return request;
}

/** One for each topic: an encoder plans and compiles once. Encoding is synchronous, so that callers may share it. */
const PUBLISHERS = new WeakMap<Topic, TopicPublisher>();

function publisherOf(topic: Topic): TopicPublisher {
  let publisher = PUBLISHERS.get(topic);
  if (publisher === undefined) PUBLISHERS.set(topic, publisher = new TopicPublisher(topic));
  return publisher;
}

/** Without a schema an object is written as `JSON.stringify` writes it, except that nothing is lost on the way. */
function encodeObjects(topic: Topic, rows: readonly unknown[]): ProduceRequest | undefined {
  if (rows.length === 0) return undefined;
  const values = rows.map((row, at) => {
    if (typeof row !== "object" || row === null || Array.isArray(row)) {
      throw unwritable(topic.name, at, `it must be an object, not ${row === null ? "null" : typeof row}`);
    }
    return JSON.stringify(row, (name, value) => {
      if (typeof value === "bigint" || typeof value === "function" || typeof value === "symbol") {
        throw unwritable(topic.name, at, `'${name}' is a ${typeof value}, which JSON without a schema cannot hold`);
      }
      if (typeof value === "number" && !Number.isFinite(value)) {
        throw unwritable(topic.name, at, `'${name}' is ${value}`);
      }
      return value;
    });
  });
  const { key } = topic;
  const keyOf = (row: unknown): string | null => {
    const value = (row as Record<string, unknown>)[key!] ?? null;
    return value === null || typeof value === "string" ? value : JSON.stringify(value);
  };
  const keys = key === null ? null : spansOf(rows.map(keyOf));
  const records = { count: rows.length, keys, values: spansOf(values), timestamps: null, headers: null };
  return { topic: topic.name, records };
}

function unwritable(topic: string, row: number, reason: string): SerializationError {
  return new SerializationError(`Cannot write row ${row} to topic '${topic}': ${reason}`, { context: { topic, row } });
}
