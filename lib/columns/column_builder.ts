import { constantData, rawData } from "./arrow_data.ts";
import { bitmapBytes } from "./bitmap.ts";
import type { ArrowData } from "./column_data.ts";
import { highWord, lowWord, numberToWords, wordsOf } from "./int64.ts";
import { concatData } from "./concat_data.ts";
import type { ColumnType } from "./schema.ts";
import { takeData } from "./take.ts";

/** A value that does not fit its column: in which row, where inside the value, what was wanted, and what came. */
export class ValueMismatch extends Error {
  /** What was wanted. */
  readonly wanted: string;
  /** What came. */
  readonly found: unknown;
  /** Path inside a list or struct, for example `[2].name`; empty for the value itself. */
  readonly path: string;
  /** Row of the column; -1 while it is not known. */
  row: number;

  /** @param wanted What was wanted. @param found What came. @param place Where. */
  constructor(wanted: string, found: unknown, place: { row?: number; path?: string } = {}) {
    super(wanted);
    this.wanted = wanted;
    this.found = found;
    this.path = place.path ?? "";
    this.row = place.row ?? -1;
  }
}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/**
 * Arrow data of a column from JavaScript values. For rows at the rim and for tests.
 *
 * @param type The column's type.
 * @param values One value for each row; `undefined` counts as null.
 * @returns The data.
 * @throws {ValueMismatch} when a value does not fit.
 */
export function dataOfValues(type: ColumnType, values: readonly unknown[]): ArrowData {
  const length = values.length;
  const nullBitmap = new Uint8Array(bitmapBytes(length));
  let nullCount = 0;
  for (let row = 0; row < length; row++) {
    if (values[row] !== null && values[row] !== undefined) {
      nullBitmap[row >> 3] = nullBitmap[row >> 3]! | (1 << (row & 7));
    } else if (type.nullable) nullCount++;
    else throw new ValueMismatch("a value, as it is not nullable", values[row], { row });
  }
  const common = nullCount === 0 ? { length, nullCount } : { length, nullCount, nullBitmap };
  const each = (put: (value: unknown, row: number) => void) => {
    for (let row = 0; row < length; row++) {
      if (values[row] === null || values[row] === undefined) continue;
      try {
        put(values[row], row);
      } catch (error) {
        if (error instanceof ValueMismatch) error.row = row;
        throw error;
      }
    }
  };
  return rawData(type, { ...common, ...buffersOf(type, length, each) });
}

/** Calls back for each row that is not null. */
type Each = (put: (value: unknown, row: number) => void) => void;

function buffersOf(type: ColumnType, length: number, each: Each): object {
  switch (type.kind) {
    case "utf8":
    case "binary":
      return bytesOf(type.kind, length, each);
    case "bool": {
      const data = new Uint8Array(bitmapBytes(length));
      each((value, row) => {
        if (typeof value !== "boolean") throw new ValueMismatch("true or false", value);
        if (value) data[row >> 3] = data[row >> 3]! | (1 << (row & 7));
      });
      return { data };
    }
    case "list":
      return listOf(type.element!, length, each);
    case "struct":
      return structOf(type, length, each);
    default:
      return { data: numbersOf(type.kind, length, each) };
  }
}

function numbersOf(kind: string, length: number, each: Each): Float64Array | Int32Array | BigInt64Array {
  switch (kind) {
    case "float64": {
      const data = new Float64Array(length);
      each((value, row) => {
        if (typeof value !== "number") throw new ValueMismatch("a number", value);
        data[row] = value;
      });
      return data;
    }
    case "int32": {
      const data = new Int32Array(length);
      each((value, row) => {
        if (typeof value !== "number" || value !== (value | 0)) throw new ValueMismatch("an integer of 32 bits", value);
        data[row] = value;
      });
      return data;
    }
    case "timestampMs": {
      const data = new BigInt64Array(length);
      const words = wordsOf(data);
      each((value, row) => {
        if (typeof value !== "number" || !Number.isSafeInteger(value)) {
          throw new ValueMismatch("epoch milliseconds as an integer within ±(2^53 - 1)", value);
        }
        numberToWords(value, words, row);
      });
      return data;
    }
    default: {
      const data = new BigInt64Array(length);
      const words = wordsOf(data);
      each((value, row) => {
        if (typeof value !== "bigint" || value < INT64_MIN || value > INT64_MAX) {
          throw new ValueMismatch("a bigint of 64 bits", value);
        }
        words[2 * row] = lowWord(value);
        words[2 * row + 1] = highWord(value);
      });
      return data;
    }
  }
}

function bytesOf(kind: "utf8" | "binary", length: number, each: Each): { valueOffsets: Int32Array; data: Uint8Array } {
  const encoder = new TextEncoder();
  const parts: (Uint8Array | undefined)[] = new Array(length);
  let total = 0;
  each((value, row) => {
    if (kind === "binary") {
      if (!(value instanceof Uint8Array)) throw new ValueMismatch("a Uint8Array", value);
      parts[row] = value;
    } else {
      if (typeof value !== "string") throw new ValueMismatch("a string", value);
      if (!value.isWellFormed()) throw new ValueMismatch("a string without lone surrogates", value);
      parts[row] = encoder.encode(value);
    }
    total += parts[row]!.length;
  });
  const valueOffsets = new Int32Array(length + 1);
  const data = new Uint8Array(total);
  let at = 0;
  for (let row = 0; row < length; row++) {
    const part = parts[row];
    if (part !== undefined) {
      data.set(part, at);
      at += part.length;
    }
    valueOffsets[row + 1] = at;
  }
  return { valueOffsets, data };
}

function listOf(element: ColumnType, length: number, each: Each): { valueOffsets: Int32Array; child: ArrowData } {
  const lengths = new Int32Array(length);
  const elements: unknown[] = [];
  const firsts: [row: number, first: number][] = [];
  each((value, row) => {
    if (!Array.isArray(value)) throw new ValueMismatch("an array", value);
    firsts.push([row, elements.length]);
    lengths[row] = value.length;
    for (const item of value) elements.push(item);
  });
  const valueOffsets = new Int32Array(length + 1);
  for (let row = 0; row < length; row++) valueOffsets[row + 1] = valueOffsets[row]! + lengths[row]!;
  return {
    valueOffsets,
    child: nested(element, elements, { firsts, suffix: (item, first) => `[${item - first}]` }),
  };
}

function structOf(type: ColumnType, length: number, each: Each): { children: ArrowData[] } {
  const columns = type.columns!;
  const names = Object.keys(columns);
  const known = new Set(names);
  const valuesByName = new Map(names.map((name) => [name, new Array<unknown>(length).fill(undefined)]));
  const firsts: [row: number, first: number][] = [];
  each((value, row) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ValueMismatch("an object", value);
    }
    const extra = Object.keys(value).find((name) => !known.has(name));
    if (extra !== undefined) throw new ValueMismatch(`no field but ${names.join(", ")}`, extra);
    firsts.push([row, row]);
    for (const name of names) {
      valuesByName.get(name)![row] = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
    }
  });
  const children = names.map((name) => {
    const inner = columns[name]!;
    const values = valuesByName.get(name)!;
    if (firsts.length === length) return nested(inner, values, { firsts, suffix: () => `.${name}` });
    // rows under a null struct have no values: build the others, then spread them
    const rows = firsts.map(([row]) => row);
    const present = rows.map((row) => values[row]);
    const dense = firsts.map(([row], i): [number, number] => [row, i]);
    return spread(inner, nested(inner, present, { firsts: dense, suffix: () => `.${name}` }), { rows, length });
  });
  return { children };
}

interface NestedOptions {
  /** Outer row and first inner value of each outer row that is not null. */
  firsts: readonly (readonly [row: number, first: number])[];
  suffix: (item: number, first: number) => string;
}

/** Data of inner values; a mismatch is reported at its outer row, with the path inside it. */
function nested(type: ColumnType, values: readonly unknown[], { firsts, suffix }: NestedOptions): ArrowData {
  try {
    return dataOfValues(type, values);
  } catch (error) {
    if (!(error instanceof ValueMismatch)) throw error;
    let [row, first] = firsts[0]!;
    for (const [outer, from] of firsts) if (from <= error.row) [row, first] = [outer, from];
    throw new ValueMismatch(error.wanted, error.found, { row, path: `${suffix(error.row, first)}${error.path}` });
  }
}

/** Rows of `data` at `rows` of a longer column; the rest is zero (empty), or null where the type allows it. */
function spread(type: ColumnType, data: ArrowData, options: { rows: readonly number[]; length: number }): ArrowData {
  const { rows, length } = options;
  const from = new Int32Array(length).fill(data.length);
  for (const [i, row] of rows.entries()) from[row] = i;
  const filler = constantData(type, 1, !type.nullable);
  return takeData(type, concatData(type, [data, filler]), { rows: from, count: length });
}
