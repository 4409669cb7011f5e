import { makeData } from "apache-arrow";
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

/** Arrow's `makeData` for a column type, without its overloads. */
export function rawData(type: ColumnType, props: object): ArrowData {
  // deno-lint-ignore no-explicit-any
  return makeData({ type: type.arrow, ...props } as any);
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
