/** Records of a broker's log as plain JavaScript values: what references are made of. */
import type { ByteSpans, Records } from "../../../lib/columns/records.ts";
import { spanBytes } from "../../../lib/columns/spans.ts";

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LAX = new TextDecoder("utf-8", { ignoreBOM: true });

/** One record that a reader sees. */
export interface SeenRecord {
  /** Partition number. */
  readonly partition: number;
  /** Offset. */
  readonly offset: number;
  /** Key, `null` when there is none, `undefined` when it is no text. */
  readonly key: string | null | undefined;
  /** Value, `null` when there is none, `undefined` when it is no text. */
  readonly value: string | null | undefined;
  /** Record timestamp in epoch milliseconds. */
  readonly timestampMs: number;
}

/**
 * Texts of all rows of spans, decoded in one go where that is possible.
 *
 * @param spans The rows.
 * @returns One text for each row: `null` for a null row, `undefined` for bytes that are no UTF-8.
 */
export function spanTexts(spans: ByteSpans): (string | null | undefined)[] {
  const { bytes, starts, ends } = spans;
  const all = LAX.decode(bytes);
  // Each byte is one character: rows are slices.
  const isAscii = all.length === bytes.length && !all.includes("\ufffd");
  const texts: (string | null | undefined)[] = new Array(starts.length);
  for (let row = 0; row < starts.length; row++) {
    texts[row] = isAscii && starts[row]! >= 0 ? all.slice(starts[row], ends[row]) : textAt(spans, row);
  }
  return texts;
}

function textAt(spans: ByteSpans, row: number): string | null | undefined {
  const bytes = spanBytes(spans, row);
  if (bytes === null) return null;
  try {
    return STRICT.decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * The records of one append.
 *
 * @param records What was appended.
 * @param place Partition, and offset of the first record.
 */
export function seenRecords(
  records: Records,
  place: { readonly partition: number; readonly baseOffset: number },
): SeenRecord[] {
  const keys = records.keys === null ? null : spanTexts(records.keys);
  return spanTexts(records.values).map((value, row) => ({
    partition: place.partition,
    offset: place.baseOffset + row,
    key: keys === null ? null : keys[row],
    value,
    timestampMs: records.timestamps![row]!,
  }));
}

/**
 * The object that a text holds.
 *
 * @param text Text of a value.
 * @returns `undefined` when it is no JSON object.
 */
export function objectOf(text: string | null | undefined): Readonly<Record<string, unknown>> | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : undefined;
  } catch {
    return undefined;
  }
}
