import { hasBit } from "../columns/bitmap.ts";
import {
  type ArrowData,
  boolBits,
  bytesValues,
  columnData,
  int64Words,
  offsetsOf,
  validityOf,
} from "../columns/column_data.ts";
import type { Batch, Columns, ColumnType } from "../columns/schema.ts";
import { compareBytes } from "../columns/spans.ts";

type Compare = (a: number, b: number) => number;

/**
 * Row numbers in the order of columns, the first column first: nulls before all, numbers and instants ascending with NaN
 * last, false before true, text and binary by their bytes.
 *
 * @param batch The rows.
 * @param columns Scalar columns of the batch.
 */
export function sortedRows(batch: Batch, columns: Columns): Int32Array {
  const compares = Object.entries(columns).map(([name, type]) => compareNulls(type, columnData(batch, name)));
  const rows = new Int32Array(batch.numRows);
  for (let row = 0; row < rows.length; row++) rows[row] = row;
  return rows.sort((a, b) => {
    for (let i = 0; i < compares.length; i++) {
      const order = compares[i]!(a, b);
      if (order !== 0) return order;
    }
    return 0;
  });
}

function compareNulls(type: ColumnType, data: ArrowData): Compare {
  const validity = validityOf(data);
  const compare = compareValues(type, data);
  if (validity === null) return compare;
  return (a, b) => {
    const isA = hasBit(validity, data.offset + a);
    const isB = hasBit(validity, data.offset + b);
    return isA && isB ? compare(a, b) : Number(isA) - Number(isB);
  };
}

function compareValues(type: ColumnType, data: ArrowData): Compare {
  switch (type.kind) {
    case "utf8":
    case "binary": {
      const bytes = bytesValues(data);
      const offsets = offsetsOf(data);
      return (a, b) => compareBytes(bytes, offsets[a]!, offsets[a + 1]!, bytes, offsets[b]!, offsets[b + 1]!);
    }
    case "bool": {
      const bits = boolBits(data);
      return (a, b) => Number(hasBit(bits, data.offset + a)) - Number(hasBit(bits, data.offset + b));
    }
    case "int64":
    case "timestampMs": {
      const words = int64Words(data);
      return (a, b) => words[2 * a + 1]! - words[2 * b + 1]! || (words[2 * a]! >>> 0) - (words[2 * b]! >>> 0);
    }
    default: {
      const values: Float64Array | Int32Array = data.values;
      return (a, b) => {
        const [x, y] = [values[a]!, values[b]!];
        // only NaN is unequal to itself
        return x < y ? -1 : x > y ? 1 : Number(x !== x) - Number(y !== y);
      };
    }
  }
}
