import { RecordTooLargeError } from "../../base/errors.ts";
import type { Records } from "../../columns/records.ts";
import { encodeBatches, type EncodedBatch, type EncodeOptions, nextSequence } from "./encode_batches.ts";
import type { KafkaClient } from "./kafka_client.ts";

/** The records of one partition, and how they are encoded. */
export interface BatchSource {
  /** Topic name. */
  readonly topic: string;
  /** The records. */
  readonly records: Records;
  /** Which of them, in order; all when `null`. */
  readonly rows: Int32Array | null;
  /** How they are encoded; the sequence number is the one of the first row. */
  readonly options: EncodeOptions;
}

/** Rows of a source in one batch. */
export interface BatchRange {
  /** Position of its first row in the source. */
  readonly first: number;
  /** Number of its rows. */
  readonly count: number;
  /** The batch. */
  readonly bytes: Uint8Array;
  /** Gives the bytes back, once a broker has them. */
  release(): void;
}

/** A batch that a broker refused, and what it was made of. */
export interface RefusedBatch extends BatchRange {
  /** What it was made of. */
  readonly source: BatchSource;
}

const MESSAGE_TOO_LARGE = 10;
const RECORD_LIST_TOO_LARGE = 18;

/** Whether a code means that a batch was refused, and nothing of it written, as it is larger than the topic takes. */
export function isTooLarge(code: number): boolean {
  return code === MESSAGE_TOO_LARGE || code === RECORD_LIST_TOO_LARGE;
}

/** Which rows stand in which batch. */
export function rangesOf(batches: readonly EncodedBatch[], first: number = 0): BatchRange[] {
  let next = first;
  return batches.map(({ bytes, count, release }) => {
    const range = { first: next, count, bytes, release };
    next += count;
    return range;
  });
}

/**
 * Cuts a batch that was refused as too large into smaller ones. They have the sequence numbers that it had: a batch is
 * refused as a whole before its numbers count, so the broker waits for just these.
 *
 * @param client Connections, to ask for the topic's limit.
 * @param refused The batch.
 * @returns Two batches or more, in order.
 * @throws {RecordTooLargeError} when one of its records does not fit into a batch of its own.
 */
export async function cutBatch(
  client: KafkaClient,
  { first, count, bytes, source }: RefusedBatch,
): Promise<BatchRange[]> {
  const { records, rows, topic, options } = source;
  const limit = await client.batchLimits.learn(client, { topic, bytes: bytes.length });
  const own = rows === null
    ? Int32Array.from({ length: count }, (_, at) => first + at)
    : rows.subarray(first, first + count);
  if (count === 1 && !limit.isExact) throw tooLarge(topic, { row: own[0]!, size: bytes.length });
  const producer = { ...options.producer, sequence: nextSequence(options.producer.sequence, first) };
  return rangesOf(encodeBatches(records, own, { ...options, producer, limit }), first);
}

function tooLarge(topic: string, { row, size }: { readonly row: number; readonly size: number }): RecordTooLargeError {
  return new RecordTooLargeError(
    `Cannot produce record ${row} to '${topic}' as it takes ${size} bytes in a batch of its own and the topic's ` +
      "max.message.bytes allows less, split the record, or raise it",
    { context: { topic, row, size } },
  );
}
