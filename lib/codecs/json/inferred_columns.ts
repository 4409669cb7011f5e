import { batchFromColumns, type ColumnBuffers } from "../../columns/batch.ts";
import type { Batch, Columns, ColumnType } from "../../columns/schema.ts";

/** A column of parsed JSON; `undefined` (a missing field) is a null. */
type Values = readonly unknown[];

/**
 * Puts parsed rows into columns.
 *
 * @param columns Nullable columns that every row fits.
 * @param rows Parsed JSON objects.
 * @returns A batch with one row for each object.
 */
export function batchOfRows(columns: Columns, rows: readonly Readonly<Record<string, unknown>>[]): Batch {
  return batchFromColumns(columns, innerBuffers(columns, rows), rows.length);
}

function innerBuffers(columns: Columns, rows: Values): { [name: string]: ColumnBuffers } {
  return Object.fromEntries(
    Object.entries(columns).map(([name, type]) => {
      const values = rows.map((row) =>
        row !== null && row !== undefined && Object.hasOwn(row, name) ? (row as Record<string, unknown>)[name] : null
      );
      return [name, buffers(type, values)];
    }),
  );
}

function buffers(type: ColumnType, values: Values): ColumnBuffers {
  const validity = validityOf(values);
  switch (type.kind) {
    case "float64":
      return { validity, values: Float64Array.from(values, (value) => value as number ?? 0) };
    case "bool":
      return { validity, values: bitsOf(values, (value) => value === true) };
    case "list": {
      const elements = values.flatMap((value) => value as unknown[] ?? []);
      const offsets = offsetsOf(values, (value) => (value as unknown[]).length);
      return { validity, offsets, element: buffers(type.element!, elements), elementCount: elements.length };
    }
    case "struct":
      return { validity, columns: innerBuffers(type.columns!, values) };
    default:
      return { validity, ...textBuffers(values) };
  }
}

function bitsOf(values: Values, isSet: (value: unknown) => boolean): Uint8Array {
  const bits = new Uint8Array((values.length + 7) >> 3);
  for (let i = 0; i < values.length; i++) if (isSet(values[i])) bits[i >> 3]! |= 1 << (i & 7);
  return bits;
}

function validityOf(values: Values): Uint8Array {
  return bitsOf(values, (value) => value !== null && value !== undefined);
}

function offsetsOf(values: Values, length: (value: unknown) => number): Int32Array {
  const offsets = new Int32Array(values.length + 1);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    offsets[i + 1] = offsets[i]! + (value === null || value === undefined ? 0 : length(value));
  }
  return offsets;
}

function textBuffers(values: Values): { values: Uint8Array; offsets: Int32Array } {
  const encoder = new TextEncoder();
  const texts = values.map((value) => encoder.encode(value as string ?? ""));
  const offsets = offsetsOf(texts, (text) => (text as Uint8Array).length);
  const bytes = new Uint8Array(offsets[values.length]!);
  for (let i = 0; i < texts.length; i++) bytes.set(texts[i]!, offsets[i]);
  return { values: bytes, offsets };
}
