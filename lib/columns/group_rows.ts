import { hasBit } from "./bitmap.ts";
import {
  type ArrowData,
  boolBits,
  columnData,
  float64Values,
  int32Values,
  int64Words,
  validityOf,
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

/** Codes of pairs of codes; codes are at least -1 and below the number of rows. */
function combineCodes(first: Int32Array, second: Int32Array): Int32Array {
  const rows = first.length;
  const width = highest(second) + 2;
  const size = (highest(first) + 2) * width;
  // a table of all pairs is cheaper than hashing for as long as it is not much larger than the batch
  if (size <= 4 * rows + 1_024) {
    const codes = new Int32Array(rows);
    for (let row = 0; row < rows; row++) codes[row] = (first[row]! + 1) * width + second[row]! + 1;
    return denseCodes(codes, size);
  }
  const words = new Int32Array(rows * 2);
  for (let row = 0; row < rows; row++) {
    words[2 * row] = first[row]!;
    words[2 * row + 1] = second[row]!;
  }
  return new PairTable(rows).internWords(words);
}

function highest(codes: Int32Array): number {
  let most = -1;
  for (let row = 0; row < codes.length; row++) if (codes[row]! > most) most = codes[row]!;
  return most;
}

/** Numbers of [0, size) as codes in order of first appearance, in place. */
function denseCodes(numbers: Int32Array, size: number): Int32Array {
  const codes = new Int32Array(size);
  let count = 0;
  for (let row = 0; row < numbers.length; row++) {
    const number = numbers[row]!;
    if (codes[number] === 0) codes[number] = ++count;
    numbers[row] = codes[number]! - 1;
  }
  return numbers;
}

function doubleCodes(values: Float64Array): Int32Array {
  const normal = new Float64Array(values.length);
  // -0 + 0 is 0, and one NaN stands for all
  for (let row = 0; row < values.length; row++) normal[row] = values[row]! === values[row]! ? values[row]! + 0 : NaN;
  return wordCodes(new Int32Array(normal.buffer));
}

/** Codes of 64-bit words. Neighbours are often equal (windows, sorted columns): then the table is not asked. */
function wordCodes(words: Int32Array): Int32Array {
  const codes = new Int32Array(words.length >> 1);
  const table = new PairTable(Math.min(codes.length, 1_024));
  let code = -1;
  for (let row = 0; row < codes.length; row++) {
    const low = words[2 * row]!;
    const high = words[2 * row + 1]!;
    if (row === 0 || low !== words[2 * row - 2] || high !== words[2 * row - 1]) code = table.intern(low, high);
    codes[row] = code;
  }
  return codes;
}

/** Codes of a column below its number of rows, -1 for null rows. */
function columnCodes(name: string, data: ArrowData, count: number): Int32Array {
  const codes = presentCodes(name, data, count);
  const validity = validityOf(data);
  if (validity === null) return codes;
  for (let row = 0; row < count; row++) if (!hasBit(validity, data.offset + row)) codes[row] = -1;
  return codes;
}

function presentCodes(name: string, data: ArrowData, count: number): Int32Array {
  const kind = String(data.type);
  if (kind === "Utf8" || kind === "Binary") return new KeyTable({ capacity: count }).internColumn(data);
  if (kind === "Float64") return doubleCodes(float64Values(data).subarray(0, count));
  if (kind === "Int32") return intCodes(int32Values(data), count);
  if (kind === "Int64" || kind.startsWith("Timestamp")) return wordCodes(int64Words(data).subarray(0, 2 * count));
  if (kind === "Bool") {
    const bits = boolBits(data);
    const codes = new Int32Array(count);
    for (let row = 0; row < count; row++) codes[row] = hasBit(bits, data.offset + row) ? 1 : 0;
    return codes;
  }
  throw new TypeError(`Cannot group rows as column '${name}' must be a scalar: current value is ${kind}`);
}

function intCodes(values: Int32Array, count: number): Int32Array {
  const table = new PairTable(Math.min(count, 1_024));
  const codes = new Int32Array(count);
  for (let row = 0; row < count; row++) codes[row] = table.intern(values[row]!, 0);
  return codes;
}

/** Dense codes in order of first appearance, with the first row of each. */
function renumber(codes: Int32Array): RowGroups {
  for (let row = 0; row < codes.length; row++) codes[row]! += 1;
  const dense = denseCodes(codes, highest(codes) + 1);
  const first = new Int32Array(highest(dense) + 1);
  let count = 0;
  for (let row = 0; row < dense.length; row++) if (dense[row] === count) first[count++] = row;
  return { codes: dense, count, first };
}
