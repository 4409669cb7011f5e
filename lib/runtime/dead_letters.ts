import type { ByteSpans, Records } from "../columns/records.ts";
import { decodeHeaders, encodeHeaders, type HeaderEntry } from "../columns/headers.ts";
import { spanBytes, spansOf, takeSpans } from "../columns/spans.ts";
import type { ProduceRequest } from "../seams/broker.ts";

/** A refused record, with its provenance. */
export interface DeadLetter {
  /** Row in the records it came from. */
  readonly row: number;
  /** Offset of the record. */
  readonly offset: number;
  /** Why it was refused. */
  readonly reason: string;
  /** Byte in the value where it was noticed, or -1. */
  readonly position: number;
  /** First lines of the stack of an exception, if there was one. */
  readonly stack?: string;
}

/** Header names of dead-lettered records. */
export const DEAD_LETTER_HEADERS = {
  topic: "turbine-source-topic",
  partition: "turbine-source-partition",
  offset: "turbine-source-offset",
  timestamp: "turbine-source-timestamp",
  reason: "turbine-reason",
  position: "turbine-position",
  stack: "turbine-stack",
  subscription: "turbine-subscription",
} as const;

/** Longest reason and stack that go into a header, in characters. */
const TEXT_MAX = 1_000;
const TEXT = new TextEncoder();

/**
 * The records of a dead-letter topic: key, value and headers of the refused record as they were, and headers that say
 * where it came from and why it was refused.
 *
 * @param letters What was refused.
 * @param source The records it came from and their place.
 * @returns One request for the dead-letter topic.
 */
export function deadLetterRequest(
  letters: readonly DeadLetter[],
  source: {
    readonly records: Records;
    readonly topic: string;
    readonly partition: number;
    readonly deadLetterTopic: string;
    readonly subscription: string;
  },
): ProduceRequest {
  const { records, topic, partition, deadLetterTopic, subscription } = source;
  const rows = Int32Array.from(letters, (letter) => letter.row);
  const keys: ByteSpans | null = records.keys === null ? null : takeSpans(records.keys, rows);
  const headers = letters.map((letter) => {
    const own = records.headers === null ? null : spanBytes(records.headers, letter.row);
    const entries: HeaderEntry[] = own === null ? [] : [...decodeHeaders(own)];
    const add = (name: string, text: string) => entries.push([name, TEXT.encode(text)]);
    add(DEAD_LETTER_HEADERS.topic, topic);
    add(DEAD_LETTER_HEADERS.partition, String(partition));
    add(DEAD_LETTER_HEADERS.offset, String(letter.offset));
    add(DEAD_LETTER_HEADERS.timestamp, String(records.timestamps?.[letter.row] ?? -1));
    add(DEAD_LETTER_HEADERS.reason, letter.reason.slice(0, TEXT_MAX));
    add(DEAD_LETTER_HEADERS.position, String(letter.position));
    add(DEAD_LETTER_HEADERS.subscription, subscription);
    if (letter.stack !== undefined) add(DEAD_LETTER_HEADERS.stack, letter.stack.slice(0, TEXT_MAX));
    return encodeHeaders(entries);
  });
  return {
    topic: deadLetterTopic,
    records: {
      count: letters.length,
      keys,
      values: takeSpans(records.values, rows),
      timestamps: records.timestamps === null ? null : Float64Array.from(rows, (row) => records.timestamps![row]!),
      headers: spansOf(headers),
    },
  };
}
