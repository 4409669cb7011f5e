import type { Data, RecordBatch, Vector } from "apache-arrow";
import { hasBit } from "./bitmap.ts";
import { wordsOf } from "./int64.ts";
import type { Columns, ColumnType } from "./schema.ts";

/**
 * What kernels read of a column. `values` and `offsets` begin at row 0 even in a slice; bitmaps (`validity`, and the
 * `values` of booleans) begin at bit `bitOffset`.
 */

/** Arrow's data of one column: one contiguous run of rows. */
// deno-lint-ignore no-explicit-any
export type ArrowData = Data<any>;

/** Typed arrays that can stand under a column. */
export type ValuesArray = Float64Array | Int32Array | BigInt64Array | Uint8Array;

const NO_BYTES = new Uint8Array(0);
const NO_OFFSETS = new Int32Array(1);

/** The error for a column that does not exist: names it and those that do. */
export function unknownColumn(name: string, names: readonly string[]): TypeError {
  return new TypeError(`Cannot find column '${name}': the columns are ${names.join(", ")}`);
}

/**
 * Type of a column.
 *
 * @throws {TypeError} when there is no such column; the message names those that exist.
 */
export function typeOfColumn(columns: Columns, name: string): ColumnType {
  if (!Object.hasOwn(columns, name)) throw unknownColumn(name, Object.keys(columns));
  return columns[name]!;
}

/**
 * Index of a column.
 *
 * @param batch A batch.
 * @param name A column's name.
 * @returns Its position.
 * @throws {TypeError} when there is no such column; the message names those that exist.
 */
export function columnIndex(batch: RecordBatch, name: string): number {
  const index = batch.schema.fields.findIndex((field) => field.name === name);
  if (index < 0) throw unknownColumn(name, batch.schema.fields.map((field) => field.name));
  return index;
}

/**
 * Arrow's data of a column by name.
 *
 * @param batch A batch.
 * @param name A column's name.
 * @returns The data, one contiguous run of rows.
 * @throws {TypeError} when there is no such column.
 */
export function columnData(batch: RecordBatch, name: string): ArrowData {
  return batch.data.children[columnIndex(batch, name)]!;
}

/** Validity bitmap of a column, or `null` when it holds no nulls. Row i is bit `data.offset + i`. */
export function validityOf(data: ArrowData): Uint8Array | null {
  return data.nullCount > 0 ? data.nullBitmap! : null;
}

/** Whether a row is not null. For the rim: kernels take {@linkcode validityOf} once for each batch. */
export function isValidRow(data: ArrowData, row: number): boolean {
  return data.nullCount === 0 || hasBit(data.nullBitmap!, data.offset + row);
}

/** Values of a float64 column; row i is element i. */
export function float64Values(data: ArrowData): Float64Array {
  return data.values;
}

/** Values of an int32 column; row i is element i. */
export function int32Values(data: ArrowData): Int32Array {
  return data.values;
}

/** Words (low, high, ...) of an int64 or timestampMs column; row i is elements 2i and 2i + 1. */
export function int64Words(data: ArrowData): Int32Array {
  return wordsOf(data.values);
}

/** Bitmap of a bool column; row i is bit `data.offset + i`. */
export function boolBits(data: ArrowData): Uint8Array {
  return data.values ?? NO_BYTES;
}

/** Bytes of a utf8 or binary column; row i is [offsets[i], offsets[i + 1]). */
export function bytesValues(data: ArrowData): Uint8Array {
  return data.values ?? NO_BYTES;
}

/** Offsets of a utf8, binary or list column, one more than rows. */
export function offsetsOf(data: ArrowData): Int32Array {
  return data.valueOffsets?.length > 0 ? data.valueOffsets : NO_OFFSETS;
}

/** The one run of rows under a vector; `undefined` when it has several (or none). */
// deno-lint-ignore no-explicit-any
export function soleData(vector: Vector<any>): ArrowData | undefined {
  return vector.data.length === 1 ? vector.data[0] as ArrowData : undefined;
}
