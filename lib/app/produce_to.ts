import { SerializationError } from "../base/errors.ts";
import { batchOf } from "../columns/batch_of.ts";
import type { Batch, Columns, RowOf } from "../columns/schema.ts";
import type { Topic } from "../operator/operator.ts";
import { TopicPublisher } from "../runtime/topic_publisher.ts";
import type { Broker } from "../seams/broker.ts";

/**
 * Produces rows or a batch outside of a job.
 *
 * @param broker An open broker.
 * @param topic Where to.
 * @param rows Objects, or a batch.
 * @throws {SerializationError} when a row cannot be written; nothing is produced then.
 */
export async function produceTo<S extends Columns>(
  broker: Broker,
  topic: Topic<S>,
  rows: readonly RowOf<S>[] | Batch<S>,
): Promise<void> {
  const batch = Array.isArray(rows) ? batchOf(topic.schema, rows as readonly RowOf<S>[]) : rows as Batch<S>;
  const { request, rejected } = new TopicPublisher(topic as Topic).encode(batch as unknown as Batch);
  const first = rejected[0];
  if (first !== undefined) {
    throw new SerializationError(`Cannot write row ${first.row} to topic '${topic.name}': ${first.reason}`, {
      context: { topic: topic.name, row: first.row },
    });
  }
  if (request === undefined) return;
  const producer = await broker.producer();
  try {
    const outcome = await producer.produce(request);
    if (outcome.kind !== "applied") throw outcome.error;
  } finally {
    await producer.close();
  }
}
