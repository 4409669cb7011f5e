import type { Batch, Columns, RowOf } from "../columns/schema.ts";
import type { Topic } from "../operator/operator.ts";
import type { Broker } from "../seams/broker.ts";
import type { Clock } from "../seams/clock.ts";
import { encodeRows } from "./encode_rows.ts";

/**
 * Produces rows or a batch outside of a job, with a producer of its own.
 *
 * @param rows Objects, or a batch.
 * @param to Topic, an open broker, and the clock that stamps rows whose event time is null.
 * @throws {SerializationError} when a row cannot be written; nothing is produced then.
 * @throws {BrokerError} when the broker does not take them.
 */
export async function produceTo<S extends Columns>(
  rows: readonly RowOf<S>[] | Batch<S>,
  { topic, broker, clock }: { readonly topic: Topic<S>; readonly broker: Broker; readonly clock: Clock },
): Promise<void> {
  const request = encodeRows(rows, { topic, wallMs: clock.wallMs() });
  if (request === undefined) return;
  const producer = await broker.producer();
  try {
    const outcome = await producer.produce(request);
    if (outcome.kind !== "applied") throw outcome.error;
  } finally {
    await producer.close();
  }
}
