import { emptyData, rawData } from "./arrow_data.ts";
import { bitmapBytes, copyBits, setBits } from "./bitmap.ts";
import { type ArrowData, boolBits, bytesValues, offsetsOf } from "./column_data.ts";
import type { ColumnType } from "./schema.ts";

/** Arrow data of all parts' rows after each other; the part itself when there is one. */
export function concatData(type: ColumnType, parts: readonly ArrowData[]): ArrowData {
  if (parts.length === 0) return emptyData(type);
  if (parts.length === 1) return parts[0]!;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const common = { length, ...concatValidity(parts, length) };
  switch (type.kind) {
    case "utf8":
    case "binary":
      return rawData(type, { ...common, ...concatBytes(parts, length) });
    case "list": {
      const valueOffsets = new Int32Array(length + 1);
      const elements: ArrowData[] = [];
      let row = 0;
      for (const part of parts) {
        const offsets = offsetsOf(part);
        const base = offsets[0]!;
        const shift = valueOffsets[row]! - base;
        for (let i = 1; i <= part.length; i++) valueOffsets[++row] = offsets[i]! + shift;
        const elementCount = offsets[part.length]! - base;
        if (elementCount > 0) elements.push(part.children[0]!.slice(base, elementCount));
      }
      return rawData(type, { ...common, valueOffsets, child: concatData(type.element!, elements) });
    }
    case "struct":
      return rawData(type, {
        ...common,
        children: Object.values(type.columns!).map((inner, i) =>
          concatData(inner, parts.map((part) => part.children[i]!))
        ),
      });
    case "bool": {
      const data = new Uint8Array(bitmapBytes(length));
      let row = 0;
      for (const part of parts) {
        copyBits(boolBits(part), part.offset, part.length, data, row);
        row += part.length;
      }
      return rawData(type, { ...common, data });
    }
    default: {
      const data = new type.arrow.ArrayType(length);
      let row = 0;
      for (const part of parts) {
        data.set(part.values.subarray(0, part.length), row);
        row += part.length;
      }
      return rawData(type, { ...common, data });
    }
  }
}

function concatValidity(parts: readonly ArrowData[], length: number): { nullCount: number; nullBitmap?: Uint8Array } {
  const nullCount = parts.reduce((sum, part) => sum + part.nullCount, 0);
  if (nullCount === 0) return { nullCount };
  const nullBitmap = new Uint8Array(bitmapBytes(length));
  let row = 0;
  for (const part of parts) {
    if (part.nullCount === 0) setBits(nullBitmap, row, row + part.length);
    else copyBits(part.nullBitmap!, part.offset, part.length, nullBitmap, row);
    row += part.length;
  }
  return { nullCount, nullBitmap };
}

function concatBytes(parts: readonly ArrowData[], length: number): { valueOffsets: Int32Array; data: Uint8Array } {
  let total = 0;
  for (const part of parts) total += offsetsOf(part)[part.length]! - offsetsOf(part)[0]!;
  const valueOffsets = new Int32Array(length + 1);
  const data = new Uint8Array(total);
  let row = 0;
  for (const part of parts) {
    const offsets = offsetsOf(part);
    const base = offsets[0]!;
    const at = valueOffsets[row]!;
    data.set(bytesValues(part).subarray(base, offsets[part.length]!), at);
    for (let i = 1; i <= part.length; i++) valueOffsets[++row] = offsets[i]! - base + at;
  }
  return { valueOffsets, data };
}
