import { rawData } from "./arrow_data.ts";
import { batchFromData, childrenByName } from "./batch.ts";
import { bitmapBytes, hasBit } from "./bitmap.ts";
import { type ArrowData, boolBits, bytesValues, offsetsOf, validityOf } from "./column_data.ts";
import { columnsOf } from "./columns_of.ts";
import { wordsOf } from "./int64.ts";
import { rowOrigins, withRowOrigins } from "./row_origins.ts";
import type { Batch, Columns, ColumnType } from "./schema.ts";
import { copyBytes } from "./spans.ts";

/**
 * The chosen rows of a batch, in the order of `rowIndices`; a row may be chosen several times.
 *
 * @example Reversing a batch
 * ```ts
 * import { batchOf, rows, take, utf8 } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const batch = batchOf({ name: utf8() }, [{ name: "a" }, { name: "b" }]);
 * assertEquals([...rows(take(batch, [1, 0]))], [{ name: "b" }, { name: "a" }]);
 * ```
 *
 * @param batch A batch.
 * @param rowIndices Row numbers, each at least 0 and below `batch.numRows`.
 * @returns A fresh batch with as many rows as `rowIndices`.
 * @throws {RangeError} when a row number is not a row of the batch.
 */
export function take<S extends Columns>(batch: Batch<S>, rowIndices: Int32Array | readonly number[]): Batch<S> {
  const count = rowIndices.length;
  const rows = rowIndices instanceof Int32Array ? rowIndices : Int32Array.from(rowIndices);
  const numRows = batch.numRows;
  for (let i = 0; i < count; i++) {
    if (rows[i] !== rowIndices[i] || rows[i]! < 0 || rows[i]! >= numRows) {
      throw new RangeError(
        `Cannot take row as row numbers must be integers >= 0 and < ${numRows}: current value is ${rowIndices[i]}`,
      );
    }
  }
  return takeRows(batch, rows, count);
}

/** {@linkcode take} of the first `count` of `rows`, which are known to be rows of the batch. */
export function takeRows<S extends Columns>(batch: Batch<S>, rows: Int32Array, count: number): Batch<S> {
  const columns = columnsOf(batch);
  const from = childrenByName(batch, columns);
  const children = Object.values(columns).map((type, i) => takeData(type, from[i]!, { rows, count }));
  const origins = rowOrigins(batch);
  return withRowOrigins(
    batchFromData(columns, children, count),
    origins === undefined ? undefined : takeInts(origins, { rows, count }),
  );
}

/** Which rows a kernel takes: the first `count` of `rows`. */
export interface RowSelection {
  /** Row numbers. */
  readonly rows: Int32Array;
  /** How many of them. */
  readonly count: number;
}

/** Arrow data of the chosen rows of one column; the rows are not checked. */
export function takeData(type: ColumnType, data: ArrowData, selection: RowSelection): ArrowData {
  const { count } = selection;
  const common = { length: count, ...takeValidity(data, selection) };
  switch (type.kind) {
    case "utf8":
    case "binary":
      return rawData(type, { ...common, ...takeBytes(data, selection) });
    case "list":
      return rawData(type, { ...common, ...takeLists(type.element!, data, selection) });
    case "struct":
      return rawData(type, {
        ...common,
        children: Object.values(type.columns!).map((inner, i) => takeData(inner, data.children[i]!, selection)),
      });
    case "bool":
      return rawData(type, { ...common, data: takeBits(boolBits(data), data.offset, selection) });
    case "float64":
      return rawData(type, { ...common, data: takeDoubles(data.values, selection) });
    case "int32":
      return rawData(type, { ...common, data: takeInts(data.values, selection) });
    default:
      return rawData(type, { ...common, data: takeInt64(data.values, selection) });
  }
}

function takeValidity(data: ArrowData, selection: RowSelection): { nullCount: number; nullBitmap?: Uint8Array } {
  const validity = validityOf(data);
  if (validity === null) return { nullCount: 0 };
  const nullBitmap = takeBits(validity, data.offset, selection);
  let nullCount = selection.count;
  for (let i = 0; i < selection.count; i++) nullCount -= (nullBitmap[i >> 3]! >> (i & 7)) & 1;
  return nullCount === 0 ? { nullCount } : { nullCount, nullBitmap };
}

function takeBits(bits: Uint8Array, offset: number, { rows, count }: RowSelection): Uint8Array {
  const result = new Uint8Array(bitmapBytes(count));
  for (let i = 0; i < count; i++) {
    const at = rows[i]! + offset;
    result[i >> 3] = result[i >> 3]! | (((bits[at >> 3]! >> (at & 7)) & 1) << (i & 7));
  }
  return result;
}

function takeDoubles(values: Float64Array, { rows, count }: RowSelection): Float64Array {
  const result = new Float64Array(count);
  for (let i = 0; i < count; i++) result[i] = values[rows[i]!]!;
  return result;
}

function takeInts(values: Int32Array, { rows, count }: RowSelection): Int32Array {
  const result = new Int32Array(count);
  for (let i = 0; i < count; i++) result[i] = values[rows[i]!]!;
  return result;
}

/** Moves two int32 words for each row: a double's move may change the bits of integers that look like NaN. */
function takeInt64(values: BigInt64Array, { rows, count }: RowSelection): BigInt64Array {
  const result = new BigInt64Array(count);
  const from = wordsOf(values);
  const to = wordsOf(result);
  for (let i = 0; i < count; i++) {
    const at = 2 * rows[i]!;
    to[2 * i] = from[at]!;
    to[2 * i + 1] = from[at + 1]!;
  }
  return result;
}

/** Offsets of the chosen rows when they follow each other; a null row takes no room. */
function takeOffsets(data: ArrowData, { rows, count }: RowSelection): Int32Array {
  const offsets = offsetsOf(data);
  const validity = validityOf(data);
  const result = new Int32Array(count + 1);
  let total = 0;
  for (let i = 0; i < count; i++) {
    const row = rows[i]!;
    if (validity === null || hasBit(validity, data.offset + row)) total += offsets[row + 1]! - offsets[row]!;
    if (total > 0x7fffffff) {
      throw new RangeError(`Cannot take rows as they hold more than 2 GiB in one column: current value is ${total}`);
    }
    result[i + 1] = total;
  }
  return result;
}

function takeBytes(data: ArrowData, selection: RowSelection): { valueOffsets: Int32Array; data: Uint8Array } {
  const { rows, count } = selection;
  const offsets = offsetsOf(data);
  const bytes = bytesValues(data);
  const valueOffsets = takeOffsets(data, selection);
  const result = new Uint8Array(valueOffsets[count]!);
  for (let i = 0; i < count; i++) {
    const at = valueOffsets[i]!;
    const length = valueOffsets[i + 1]! - at;
    const start = offsets[rows[i]!]!;
    copyBytes(bytes, start, start + length, result, at);
  }
  return { valueOffsets, data: result };
}

function takeLists(
  element: ColumnType,
  data: ArrowData,
  selection: RowSelection,
): { valueOffsets: Int32Array; child: ArrowData } {
  const { rows, count } = selection;
  const offsets = offsetsOf(data);
  const valueOffsets = takeOffsets(data, selection);
  const elements = new Int32Array(valueOffsets[count]!);
  for (let i = 0; i < count; i++) {
    let from = offsets[rows[i]!]!;
    for (let at = valueOffsets[i]!; at < valueOffsets[i + 1]!; at++) elements[at] = from++;
  }
  const child = takeData(element, data.children[0]!, { rows: elements, count: elements.length });
  return { valueOffsets, child };
}
