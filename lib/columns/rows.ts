import {
  type ArrowData,
  boolBits,
  bytesValues,
  float64Values,
  int32Values,
  int64Words,
  offsetsOf,
  validityOf,
} from "./column_data.ts";
import { hasBit } from "./bitmap.ts";
import { columnsOf } from "./columns_of.ts";
import { canGenerateCode } from "./expression_kernel.ts";
import type { Batch, Columns, ColumnType, RowOf } from "./schema.ts";
import { childrenByName } from "./batch.ts";
import { wordsToNumber } from "./int64.ts";

/** Reads one value of a column by row. */
export type ValueReader = (row: number) => unknown;

/**
 * The rows of a batch as plain objects, one after the other; each is fresh and may be kept. Several times faster than
 * iterating the RecordBatch, and much slower than working on columns: for the rim, for tests and for rare rows.
 *
 * float64, int32 and timestampMs give numbers, int64 a bigint, utf8 a string, binary a Uint8Array (a view into the
 * batch), bool true or false, a list an array, a struct an object; null where the value is null.
 *
 * @example Looking at rows
 * ```ts
 * import { batchOf, int64, rows, utf8 } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const batch = batchOf({ name: utf8(), n: int64() }, [{ name: "a", n: 1n }, { name: "b", n: 2n }]);
 * const names = [];
 * for (const row of rows(batch)) names.push(`${row.name}=${row.n}`);
 * assertEquals(names, ["a=1", "b=2"]);
 * ```
 *
 * @param batch A batch.
 * @returns An iterator over its rows, which can also be iterated in `for`.
 */
export function* rows<S extends Columns>(batch: Batch<S>): Generator<RowOf<S>, undefined, undefined> {
  const columns = columnsOf(batch);
  const names = Object.keys(columns);
  const data = childrenByName(batch, columns);
  const make = rowMaker(names)(names.map((name, i) => valueReader(columns[name]!, data[i]!)));
  for (let row = 0; row < batch.numRows; row++) yield make(row) as RowOf<S>;
}

type RowMaker = (readers: readonly ValueReader[]) => (row: number) => object;
const MAKERS_MAX = 256;
const makers = new Map<string, RowMaker>();

/** Makes objects of one shape. A function compiled for the names makes them three times as fast as assigning by name. */
function rowMaker(names: readonly string[]): RowMaker {
  if (!canGenerateCode()) return plainRowMaker(names);
  const key = JSON.stringify(names);
  let maker = makers.get(key);
  if (maker === undefined) {
    const readers = names.map((_, i) => `r${i}=r[${i}]`).join(",");
    // a quoted "__proto__" in a literal would set the prototype, a computed one does not
    const fields = names.map((name, i) => `${name === "__proto__" ? '["__proto__"]' : JSON.stringify(name)}:r${i}(i)`);
    maker = new Function(
      "r",
      `"use strict";${names.length > 0 ? `const ${readers};` : ""}return (i)=>({${fields}});`,
    ) as RowMaker;
    if (makers.size >= MAKERS_MAX) makers.clear();
    makers.set(key, maker);
  }
  return maker;
}

/** {@linkcode rowMaker} where code must not be generated. */
export function plainRowMaker(names: readonly string[]): RowMaker {
  return (readers) => (row) => Object.fromEntries(names.map((name, i) => [name, readers[i]!(row)]));
}

// without ignoreBOM a text that begins with U+FEFF would lose it
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A function that reads the values of one column.
 *
 * @param type The column's type.
 * @param data Its data.
 * @returns Gives the value of a row, null where it is null.
 */
export function valueReader(type: ColumnType, data: ArrowData): ValueReader {
  const read = presentReader(type, data);
  const validity = validityOf(data);
  if (validity === null) return read;
  const { offset } = data;
  return (row) => hasBit(validity, offset + row) ? read(row) : null;
}

function presentReader(type: ColumnType, data: ArrowData): ValueReader {
  switch (type.kind) {
    case "float64": {
      const values = float64Values(data);
      return (row) => values[row]!;
    }
    case "int32": {
      const values = int32Values(data);
      return (row) => values[row]!;
    }
    case "int64": {
      const values = data.values as BigInt64Array;
      return (row) => values[row]!;
    }
    case "timestampMs": {
      const words = int64Words(data);
      return (row) => wordsToNumber(words, row);
    }
    case "bool": {
      const bits = boolBits(data);
      const { offset } = data;
      return (row) => hasBit(bits, offset + row);
    }
    case "utf8":
      return stringReader(data);
    case "binary": {
      const bytes = bytesValues(data);
      const offsets = offsetsOf(data);
      return (row) => bytes.subarray(offsets[row]!, offsets[row + 1]!);
    }
    case "list": {
      const offsets = offsetsOf(data);
      const read = valueReader(type.element!, data.children[0]!);
      return (row) => {
        const values: unknown[] = [];
        for (let at = offsets[row]!; at < offsets[row + 1]!; at++) values.push(read(at));
        return values;
      };
    }
    default: {
      const names = Object.keys(type.columns!);
      return rowMaker(names)(names.map((name, i) => valueReader(type.columns![name]!, data.children[i]!)));
    }
  }
}

/** Text column: decoded at once and cut into pieces where it is all ASCII, else decoded row by row. */
function stringReader(data: ArrowData): ValueReader {
  const bytes = bytesValues(data);
  const offsets = offsetsOf(data);
  const base = offsets[0]!;
  let whole: string | undefined;
  let isAscii = true;
  return (row) => {
    if (whole === undefined) {
      const used = bytes.subarray(base, offsets[data.length]!);
      isAscii = isAsciiOnly(used);
      whole = isAscii ? decoder.decode(used) : "";
    }
    return isAscii
      ? whole.substring(offsets[row]! - base, offsets[row + 1]! - base)
      : decoder.decode(bytes.subarray(offsets[row]!, offsets[row + 1]!));
  };
}

function isAsciiOnly(bytes: Uint8Array): boolean {
  for (let p = 0; p < bytes.length; p++) if (bytes[p]! > 127) return false;
  return true;
}
