import { runningMaximum } from "../core/task_time.ts";
import { timestampsOf } from "../columns/timestamps.ts";
import type { Batch } from "../columns/schema.ts";
import type { Topic } from "../operator/operator.ts";
import type { InputBatch } from "./task_input.ts";

/** Times of the rows of one batch. */
export interface InputTimes {
  /** Offset of each accepted row. */
  readonly offsets: Float64Array;
  /** Record timestamp of each accepted row, epoch ms. */
  readonly timestamps: Float64Array;
  /** Event time of each accepted row, epoch ms. */
  readonly eventTimes: Float64Array;
  /** Task time up to and with each accepted row. */
  readonly taskTimes: Float64Array;
}

/**
 * Looks up the times of accepted rows. Task time advances per row, never per batch, so that the cut of batches does not
 * matter: it is the running maximum over the rows' event times and what it was before. A null event time counts as the
 * record's timestamp.
 *
 * @param topic Says which column is the event time.
 * @param input Where the rows came from.
 * @param more The decoded batch, the input row of each of its rows (`null`: all rows) and task time before it.
 */
export function inputTimes(
  topic: Topic,
  input: InputBatch,
  more: { readonly batch: Batch; readonly rows: Int32Array | null; readonly taskTimeMs: number | undefined },
): InputTimes {
  const { batch, rows, taskTimeMs } = more;
  const count = batch.numRows;
  const pick = (source: Float64Array): Float64Array => {
    if (rows === null) return source.slice(input.fromRow, input.toRow);
    const out = new Float64Array(count);
    for (let row = 0; row < count; row++) out[row] = source[rows[row]!]!;
    return out;
  };
  const offsets = pick(input.offsets);
  const timestamps = pick(input.records.timestamps!);
  const eventTimes = topic.eventTime === null ? timestamps : timestampsOf(batch, topic.eventTime);
  const taskTimes = new Float64Array(count);
  for (let row = 0; row < count; row++) if (Number.isNaN(eventTimes[row]!)) eventTimes[row] = timestamps[row]!;
  runningMaximum(eventTimes, taskTimeMs ?? -Infinity, taskTimes);
  return { offsets, timestamps, eventTimes, taskTimes };
}
