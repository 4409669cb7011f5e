import { Data, makeData } from "apache-arrow";
import { bitmapBytes } from "./bitmap.ts";
import type { ArrowData } from "./column_data.ts";
import type { ColumnType } from "./schema.ts";

/** Arrow data of a column without rows. */
export function emptyData(type: ColumnType): ArrowData {
  return constantData(type, 0, true);
}

/** Arrow data of `count` rows that are all null, or all zero (empty) when `isValid`. */
export function constantData(type: ColumnType, count: number, isValid = false): ArrowData {
  const common = isValid
    ? { length: count, nullCount: 0 }
    : { length: count, nullCount: count, nullBitmap: new Uint8Array(bitmapBytes(count)) };
  switch (type.kind) {
    case "utf8":
    case "binary":
      return rawData(type, { ...common, valueOffsets: new Int32Array(count + 1), data: new Uint8Array(0) });
    case "list":
      return rawData(type, { ...common, valueOffsets: new Int32Array(count + 1), child: emptyData(type.element!) });
    case "struct":
      return rawData(type, {
        ...common,
        children: Object.values(type.columns!).map((inner) => constantData(inner, count, !inner.nullable)),
      });
    case "bool":
      return rawData(type, { ...common, data: new Uint8Array(bitmapBytes(count)) });
    default:
      return rawData(type, { ...common, data: new type.arrow.ArrayType(count) });
  }
}

const NO_BYTES = new Uint8Array(0);

/** What Arrow data is made of, by the names that Arrow has for it. */
interface RawParts {
  readonly offset?: number;
  readonly length?: number;
  readonly nullCount?: number;
  readonly nullBitmap?: Uint8Array | null;
  readonly data?: ArrayBufferView;
  readonly valueOffsets?: Int32Array;
  readonly child?: ArrowData;
  readonly children?: ArrowData[];
}

/** Arrow's `makeData` for a column type, without its overloads. */
export function rawData(type: ColumnType, props: object): ArrowData {
  const { offset = 0, length, nullBitmap, nullCount, data, valueOffsets, child, children }: RawParts = props;
  const isExact = length !== undefined && isExactly(nullBitmap, Uint8Array) && isExactly(valueOffsets, Int32Array) &&
    hasItsValues(type, data);
  // deno-lint-ignore no-explicit-any
  if (!isExact) return makeData({ type: type.arrow, ...props } as any);
  // What makeData() comes to, without its detours: most batches are small, and then these are what they cost.
  const nulls = nullCount ?? (nullBitmap ? -1 : 0);
  const buffers = [valueOffsets, data, nullBitmap ?? NO_BYTES] as object;
  return new Data(
    type.arrow,
    offset,
    length,
    nulls,
    buffers,
    children ?? (child === undefined ? [] : [child]),
  ) as never;
}

/** Whether a buffer is missing, or of a class and not of one derived from it. */
function isExactly(buffer: ArrayBufferView | null | undefined, constructor: object): boolean {
  return buffer === undefined || buffer === null || buffer.constructor === constructor;
}

function hasItsValues({ kind, arrow }: ColumnType, data: ArrayBufferView | undefined): boolean {
  if (kind === "struct" || kind === "list") return data === undefined;
  return data !== undefined && data.constructor === arrow.ArrayType;
}

/** Whether Arrow data of type `found` can stand under a column of type `type`; nullability is not compared. */
export function isSameType(type: ColumnType, found: ArrowData["type"]): boolean {
  if (found.typeId !== type.arrow.typeId) return false;
  switch (type.kind) {
    case "int32":
    case "int64":
      return found.bitWidth === (type.kind === "int32" ? 32 : 64) && found.isSigned === true;
    case "float64":
      return found.precision === 2;
    case "timestampMs":
      return found.unit === 1;
    case "list":
      return isSameType(type.element!, found.children[0]!.type);
    case "struct": {
      const inner = Object.entries(type.columns!);
      return inner.length === found.children.length &&
        inner.every(([name, column], i) => {
          const field = found.children[i]! as { name: string; type: ArrowData["type"] };
          return field.name === name && isSameType(column, field.type);
        });
    }
    default:
      return true;
  }
}
