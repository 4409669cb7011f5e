import type { ArrowData } from "../../columns/column_data.ts";
import type { ByteSpans } from "../../columns/records.ts";
import { takeSpans } from "../../columns/spans.ts";
import type { StatePage } from "../../seams/state_store.ts";
import { identityRows } from "./identity_rows.ts";
import type { RowFormat } from "./row_format.ts";
import { LOADED, PRESENT, type SlotTable } from "./slot_table.ts";
import type { StateHost } from "./state_host.ts";
import { userKeyStart } from "./stored_key.ts";

const PAGE_ROWS = 4_096;

/** Some rows of a table. */
export interface ScannedRows {
  /** Number of rows. */
  readonly count: number;
  /** The user's keys. */
  readonly keys: ByteSpans;
  /** Values by column. */
  readonly columns: readonly ArrowData[];
}

/**
 * All rows of a table as they are at the first step of the iteration, those that are not flushed among them. Rows that
 * are not held in memory are found by reading the whole store.
 *
 * @param host The store.
 * @param table The table.
 * @param shape The table's part of stored keys, and its rows.
 */
export async function* scanState(
  host: StateHost,
  table: SlotTable,
  shape: { prefix: Uint8Array; format: RowFormat },
): AsyncGenerator<ScannedRows> {
  // both are taken in the same turn: a flush between them would hide rows or show them twice
  const pages = table.isComplete ? undefined : host.store.scan({}, PAGE_ROWS);
  const { keys, flags: current } = table;
  const flags = current.slice(0, keys.size);
  const held = heldRows(table, flags);
  if (held.count > 0) yield held;
  if (pages === undefined) return;
  const isHeld = (codes: Int32Array, row: number): boolean => {
    const code = codes[row]!;
    return code >= 0 && code < flags.length && (flags[code]! & LOADED) !== 0;
  };
  for await (const page of pages) {
    const { rows, userKeys } = rowsOf(page, shape.prefix);
    const codes = keys.findSpans(userKeys);
    const wanted = Int32Array.from(rows.keys()).filter((row) => !isHeld(codes, row));
    if (wanted.length === 0) continue;
    yield decoded(takeSpans(userKeys, wanted), takeSpans(page.values, takeInts(rows, wanted)), shape.format);
  }
}

function heldRows(table: SlotTable, flags: Uint8Array): ScannedRows {
  const codes = new Int32Array(flags.length);
  let count = 0;
  for (let code = 0; code < flags.length; code++) if ((flags[code]! & PRESENT) !== 0) codes[count++] = code;
  const present = codes.subarray(0, count);
  const isThere = new Uint8Array(count).fill(1);
  return {
    count,
    keys: takeSpans(table.keys.keySpans(), present),
    columns: table.columns.map((column) => column.take(present, isThere)),
  };
}

/** Rows of a page that belong to an operator, and the user's keys of them. */
function rowsOf(page: StatePage, prefix: Uint8Array): { rows: Int32Array; userKeys: ByteSpans } {
  const rows = new Int32Array(page.count);
  const starts = new Int32Array(page.count);
  const ends = new Int32Array(page.count);
  let count = 0;
  for (let row = 0; row < page.count; row++) {
    const start = userKeyStart(page.keys, row, prefix);
    if (start < 0) continue;
    rows[count] = row;
    starts[count] = start;
    ends[count++] = page.keys.ends[row]!;
  }
  const userKeys = { bytes: page.keys.bytes, starts: starts.subarray(0, count), ends: ends.subarray(0, count) };
  return { rows: rows.subarray(0, count), userKeys };
}

function decoded(keys: ByteSpans, values: ByteSpans, format: RowFormat): ScannedRows {
  const count = keys.starts.length;
  const columns = format.columns();
  for (const column of columns) column.fit(count);
  const codes = identityRows(0, count);
  format.decode(columns, values, { numbers: codes, codes });
  const isThere = new Uint8Array(count).fill(1);
  return { count, keys, columns: columns.map((column) => column.take(codes, isThere)) };
}

function takeInts(values: Int32Array, rows: Int32Array): Int32Array {
  const result = new Int32Array(rows.length);
  for (let i = 0; i < result.length; i++) result[i] = values[rows[i]!]!;
  return result;
}
