import { decodeHeaders, encodeHeaders, type HeaderEntry } from "../lib/columns/headers.ts";
import type { Records, RecordSlab } from "../lib/columns/records.ts";
import { spanBytes, spansOf } from "../lib/columns/spans.ts";

/** One record as a test writes it. */
export interface RecordRow {
  /** Key; `null` or left away for none. */
  key?: string | Uint8Array | null;
  /** Value; `null` is a tombstone. */
  value: string | Uint8Array | null;
  /** Headers in order. */
  headers?: readonly HeaderEntry[];
  /** Record timestamp in epoch milliseconds; left away in all rows: the broker stamps. */
  timestampMs?: number;
}

/** One record as a test reads it. */
export interface ReadRow {
  /** Partition number. */
  partition: number;
  /** Offset. */
  offset: number;
  /** Key as text, or `null`. */
  key: string | null;
  /** Value as text, or `null` for a tombstone. */
  value: string | null;
  /** Headers in order. */
  headers: HeaderEntry[];
  /** Record timestamp in epoch milliseconds. */
  timestampMs: number;
}

/** Columns of records from rows; a row may be just the text of its value. */
export function recordsOf(rows: readonly (RecordRow | string)[]): Records {
  const full = rows.map((row): RecordRow => typeof row === "string" ? { value: row } : row);
  const hasHeaders = full.some(({ headers }) => headers !== undefined);
  const isStamped = full.some(({ timestampMs }) => timestampMs !== undefined);
  return {
    count: full.length,
    keys: full.every(({ key }) => (key ?? null) === null) ? null : spansOf(full.map(({ key }) => key ?? null)),
    values: spansOf(full.map(({ value }) => value)),
    timestamps: isStamped ? Float64Array.from(full, ({ timestampMs }) => timestampMs ?? 0) : null,
    headers: hasHeaders
      ? spansOf(full.map(({ headers }) => headers === undefined ? null : encodeHeaders(headers)))
      : null,
  };
}

/** Rows of a slab, for comparison in tests. */
export function rowsOf(slab: Pick<RecordSlab, "partition" | "records" | "offsets">): ReadRow[] {
  const decoder = new TextDecoder();
  const text = (bytes: Uint8Array | null): string | null => bytes === null ? null : decoder.decode(bytes);
  const { keys, values, headers, timestamps, count } = slab.records;
  return Array.from({ length: count }, (_, row) => {
    const headerBytes = headers === null ? null : spanBytes(headers, row);
    return {
      partition: slab.partition,
      offset: slab.offsets[row]!,
      key: keys === null ? null : text(spanBytes(keys, row)),
      value: text(spanBytes(values, row)),
      headers: headerBytes === null ? [] : decodeHeaders(headerBytes.slice()),
      timestampMs: timestamps![row]!,
    };
  });
}
