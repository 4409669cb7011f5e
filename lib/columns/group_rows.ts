import { hasBit } from "./bitmap.ts";
import {
  type ArrowData,
  boolBits,
  columnData,
  float64Values,
  int32Values,
  int64Words,
  isValidRow,
} from "./column_data.ts";
import { KeyTable } from "./key_table.ts";
import { PairTable } from "./pair_table.ts";
import type { Batch } from "./schema.ts";

/** Rows of a batch by equal key. */
export interface RowGroups {
  /** Group of each row, dense from 0 in order of first appearance. */
  readonly codes: Int32Array;
  /** Number of groups. */
  readonly count: number;
  /** First row of each group. */
  readonly first: Int32Array;
}

/**
 * Groups rows by one or several columns of any scalar type, and by one more number if given. Nulls are equal to each
 * other and to nothing else; -0 equals 0, NaN equals NaN.
 *
 * @param batch The rows.
 * @param columns Names of the key columns.
 * @param extra One more key: a double for each row.
 * @returns Dense group codes.
 * @throws {TypeError} when a column does not exist or is a list or struct.
 */
export function groupRows(batch: Batch, columns: readonly string[], extra?: Float64Array): RowGroups {
  const count = batch.numRows;
  let codes: Int32Array | undefined;
  const combine = (next: Int32Array): void => {
    codes = codes === undefined ? next : combineCodes(codes, next);
  };
  for (const name of columns) combine(columnCodes(name, columnData(batch, name), count));
  if (extra !== undefined) combine(doubleCodes(extra));
  return renumber(codes ?? new Int32Array(count));
}

function combineCodes(first: Int32Array, second: Int32Array): Int32Array {
  const words = new Int32Array(first.length * 2);
  for (let row = 0; row < first.length; row++) {
    words[2 * row] = first[row]!;
    words[2 * row + 1] = second[row]!;
  }
  return new PairTable(first.length).internWords(words);
}

function doubleCodes(values: Float64Array): Int32Array {
  const normal = new Float64Array(values.length);
  for (let row = 0; row < values.length; row++) normal[row] = values[row]! === 0 ? 0 : values[row]!;
  return new PairTable(values.length).internWords(new Int32Array(normal.buffer));
}

function columnCodes(name: string, data: ArrowData, count: number): Int32Array {
  const codes = presentCodes(name, data, count);
  if (data.nullCount === 0) return codes;
  const out = codes.slice(0, count);
  for (let row = 0; row < count; row++) if (!isValidRow(data, row)) out[row] = -1;
  return out;
}

function presentCodes(name: string, data: ArrowData, count: number): Int32Array {
  const kind = String(data.type);
  if (kind === "Utf8" || kind === "Binary") return new KeyTable().internColumn(data);
  if (kind === "Float64") return doubleCodes(float64Values(data).subarray(0, count));
  if (kind === "Int32") return pairCodes(int32Values(data), count);
  if (kind === "Int64" || kind.startsWith("Timestamp")) {
    return new PairTable(count).internWords(int64Words(data).subarray(0, 2 * count));
  }
  if (kind === "Bool") {
    const bits = boolBits(data);
    return Int32Array.from({ length: count }, (_, row) => hasBit(bits, data.offset + row) ? 1 : 0);
  }
  throw new TypeError(`Cannot group rows as column '${name}' must be a scalar: current value is ${kind}`);
}

function pairCodes(values: Int32Array, count: number): Int32Array {
  const table = new PairTable(count);
  const codes = new Int32Array(count);
  for (let row = 0; row < count; row++) codes[row] = table.intern(values[row]!, 0);
  return codes;
}

/** Dense codes in order of first appearance, with the first row of each. */
function renumber(codes: Int32Array): RowGroups {
  const dense = new Int32Array(codes.length);
  const first = new Int32Array(codes.length);
  const numbers = new PairTable(codes.length);
  let count = 0;
  for (let row = 0; row < codes.length; row++) {
    const code = numbers.intern(codes[row]!, 0);
    if (code === count) first[count++] = row;
    dense[row] = code;
  }
  return { codes: dense, count, first: first.slice(0, count) };
}
