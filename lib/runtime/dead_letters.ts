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

/** A row that was made here and could not be written: there is no record of it. */
export interface MadeLetter {
  /** Why it was refused. */
  readonly reason: string;
  /** The row for people, as JSON text. */
  readonly value: string;
}

/** Where refused rows came from and where they go. */
export interface DeadLetterSource {
  /** Input topic. */
  readonly topic: string;
  /** Input partition. */
  readonly partition: number;
  /** Where the letters go. */
  readonly deadLetterTopic: string;
  /** Name of the subscription. */
  readonly subscription: string;
}

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
  source: DeadLetterSource & { readonly records: Records },
): ProduceRequest {
  const { records, deadLetterTopic } = source;
  const rows = Int32Array.from(letters, (letter) => letter.row);
  const keys: ByteSpans | null = records.keys === null ? null : takeSpans(records.keys, rows);
  const headers = letters.map((letter) => {
    const own = records.headers === null ? null : spanBytes(records.headers, letter.row);
    const timestamp = records.timestamps?.[letter.row] ?? -1;
    return encodeHeaders([...own === null ? [] : decodeHeaders(own), ...provenance(source, { ...letter, timestamp })]);
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

/**
 * The records of a dead-letter topic for rows that came from no single record: the row as JSON text, with the same
 * headers; offset and timestamp are -1.
 *
 * @param letters What was refused.
 * @param source Where the rows were made.
 * @returns One request for the dead-letter topic.
 */
export function madeLetterRequest(letters: readonly MadeLetter[], source: DeadLetterSource): ProduceRequest {
  const nowhere = { offset: -1, timestamp: -1, position: -1 };
  const headers = letters.map(({ reason }) => encodeHeaders(provenance(source, { ...nowhere, reason })));
  const values = spansOf(letters.map(({ value }) => value));
  return {
    topic: source.deadLetterTopic,
    records: { count: letters.length, keys: null, values, timestamps: null, headers: spansOf(headers) },
  };
}

function provenance(
  source: DeadLetterSource,
  letter: { offset: number; timestamp: number; position: number; reason: string; stack?: string },
): HeaderEntry[] {
  const entries: HeaderEntry[] = [];
  const add = (name: string, text: string) => entries.push([name, TEXT.encode(text)]);
  add(DEAD_LETTER_HEADERS.topic, source.topic);
  add(DEAD_LETTER_HEADERS.partition, String(source.partition));
  add(DEAD_LETTER_HEADERS.offset, String(letter.offset));
  add(DEAD_LETTER_HEADERS.timestamp, String(letter.timestamp));
  add(DEAD_LETTER_HEADERS.reason, letter.reason.slice(0, TEXT_MAX));
  add(DEAD_LETTER_HEADERS.position, String(letter.position));
  add(DEAD_LETTER_HEADERS.subscription, source.subscription);
  if (letter.stack !== undefined) add(DEAD_LETTER_HEADERS.stack, letter.stack.slice(0, TEXT_MAX));
  return entries;
}
