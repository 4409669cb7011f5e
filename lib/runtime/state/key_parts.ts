import { hasBit } from "../../columns/bitmap.ts";
import { type ArrowData, bytesValues, int64Words, offsetsOf, validityOf } from "../../columns/column_data.ts";
import type { ColumnType } from "../../columns/schema.ts";
import { copyBytes } from "../../columns/spans.ts";

/**
 * Bytes of keys: different keys give different bytes, and bytes compare as the keys do.
 *
 *   int32, int64, timestampMs  4 or 8 bytes, high byte first, sign flipped
 *   float64                    8 bytes, high byte first; negative ones inverted, others with the sign flipped; one NaN,
 *                              and -0 is 0
 *   bool                       0 or 1
 *   utf8, binary               the bytes as they are; inside a struct a 0 becomes (0, 255) and (0, 0) ends them
 *   struct                     its columns after each other; not nullable itself
 *   nullable                   one byte before it, 0 for null and 1 otherwise
 */
export interface KeyPart {
  /** Adds the bytes that each row takes. @throws {TypeError} when a row is null and must not be. */
  addLengths(data: ArrowData, lengths: Int32Array): void;
  /** Writes each row at its cursor and moves the cursor on. */
  write(data: ArrowData, out: Uint8Array, cursors: Int32Array): void;
  /** Reads one value. */
  read(from: KeyCursor): unknown;
}

/** A key that is being read. */
export interface KeyCursor {
  /** The bytes. */
  readonly bytes: Uint8Array;
  /** Next byte. */
  at: number;
  /** One past the last byte of the key. */
  readonly end: number;
}

const textDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * The part of a key that a type takes.
 *
 * @param type A scalar, or a struct of scalars.
 * @param isInside Whether other parts may follow, so that the end must be marked.
 */
export function keyPart(type: ColumnType, isInside: boolean): KeyPart {
  const part = type.kind === "struct"
    ? structPart(type)
    : type.kind === "utf8" || type.kind === "binary"
    ? bytesPart(type, isInside)
    : fixedPart(type);
  return withNulls(type, part);
}

/** 1 for a row that is null: nothing is written for it. */
type Skip = Uint8Array | null;

interface PlainPart {
  addLengths(data: ArrowData, lengths: Int32Array, skip: Skip): void;
  write(data: ArrowData, out: Uint8Array, target: { cursors: Int32Array; skip: Skip }): void;
  read(from: KeyCursor): unknown;
}

function withNulls(type: ColumnType, part: PlainPart): KeyPart {
  if (!type.nullable) {
    return {
      addLengths(data, lengths) {
        const validity = validityOf(data);
        for (let row = 0; validity !== null && row < data.length; row++) {
          if (!hasBit(validity, data.offset + row)) {
            throw new TypeError(
              `Cannot use state key of row ${row} as its type is not nullable: current value is null`,
            );
          }
        }
        part.addLengths(data, lengths, null);
      },
      write: (data, out, cursors) => part.write(data, out, { cursors, skip: null }),
      read: (from) => part.read(from),
    };
  }
  return {
    addLengths(data, lengths) {
      for (let row = 0; row < data.length; row++) lengths[row] = lengths[row]! + 1;
      part.addLengths(data, lengths, nullRows(data));
    },
    write(data, out, cursors) {
      const skip = nullRows(data);
      for (let row = 0; row < data.length; row++) {
        out[cursors[row]!] = skip !== null && skip[row] === 1 ? 0 : 1;
        cursors[row] = cursors[row]! + 1;
      }
      part.write(data, out, { cursors, skip });
    },
    read: (from) => from.bytes[from.at++] === 0 ? null : part.read(from),
  };
}

function nullRows(data: ArrowData): Skip {
  const validity = validityOf(data);
  if (validity === null) return null;
  const rows = new Uint8Array(data.length);
  for (let row = 0; row < rows.length; row++) rows[row] = hasBit(validity, data.offset + row) ? 0 : 1;
  return rows;
}

function structPart(type: ColumnType): PlainPart {
  const parts = Object.values(type.columns!).map((inner) => keyPart(inner, true));
  const names = Object.keys(type.columns!);
  return {
    addLengths(data, lengths) {
      for (const [i, part] of parts.entries()) part.addLengths(data.children[i]!, lengths);
    },
    write(data, out, { cursors }) {
      for (const [i, part] of parts.entries()) part.write(data.children[i]!, out, cursors);
    },
    read: (from) => Object.fromEntries(names.map((name, i) => [name, parts[i]!.read(from)])),
  };
}

function bytesPart(type: ColumnType, isInside: boolean): PlainPart {
  return {
    addLengths(data, lengths, skip) {
      const bytes = bytesValues(data);
      const offsets = offsetsOf(data);
      const end = isInside ? 2 : 0;
      const hasZeros = isInside && holdsZeros(data);
      for (let row = 0; row < data.length; row++) {
        if (skip !== null && skip[row] === 1) continue;
        let length = offsets[row + 1]! - offsets[row]! + end;
        if (hasZeros) { for (let p = offsets[row]!; p < offsets[row + 1]!; p++) if (bytes[p] === 0) length++; }
        lengths[row] = lengths[row]! + length;
      }
    },
    write(data, out, { cursors, skip }) {
      const bytes = bytesValues(data);
      const offsets = offsetsOf(data);
      const hasZeros = isInside && holdsZeros(data);
      for (let row = 0; row < data.length; row++) {
        if (skip !== null && skip[row] === 1) continue;
        let at = cursors[row]!;
        if (hasZeros) at = putEscaped(bytes, offsets[row]!, offsets[row + 1]!, out, at);
        else at = copyBytes(bytes, offsets[row]!, offsets[row + 1]!, out, at);
        if (isInside) {
          out[at++] = 0;
          out[at++] = 0;
        }
        cursors[row] = at;
      }
    },
    read(from) {
      const bytes = isInside ? unescaped(from) : from.bytes.slice(from.at, from.end);
      return type.kind === "utf8" ? textDecoder.decode(bytes) : bytes;
    },
  };
}

function holdsZeros(data: ArrowData): boolean {
  const offsets = offsetsOf(data);
  return bytesValues(data).subarray(offsets[0]!, offsets[data.length]!).includes(0);
}

function putEscaped(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  for (let p = start; p < end; p++) {
    out[at++] = bytes[p]!;
    if (bytes[p] === 0) out[at++] = 255;
  }
  return at;
}

function unescaped(from: KeyCursor): Uint8Array {
  const zero = from.bytes.indexOf(0, from.at);
  if (zero >= 0 && zero + 1 < from.end && from.bytes[zero + 1] === 0) {
    const bytes = from.bytes.slice(from.at, zero);
    from.at = zero + 2;
    return bytes;
  }
  const result = new Uint8Array(from.end - from.at);
  let length = 0;
  for (; from.at < from.end; from.at++) {
    const byte = from.bytes[from.at]!;
    if (byte === 0 && from.bytes[++from.at] === 0) break;
    result[length++] = byte;
  }
  from.at++;
  return result.slice(0, length);
}

function fixedPart(type: ColumnType): PlainPart {
  const width = type.kind === "bool" ? 1 : type.kind === "int32" ? 4 : 8;
  return {
    addLengths(data, lengths, skip) {
      for (let row = 0; row < data.length; row++) {
        if (skip === null || skip[row] === 0) lengths[row] = lengths[row]! + width;
      }
    },
    write(data, out, { cursors, skip }) {
      if (width === 8 && type.kind !== "float64") return writeWords(data, out, { cursors, skip });
      const put = putFixed(type, data, out);
      for (let row = 0; row < data.length; row++) {
        if (skip !== null && skip[row] === 1) continue;
        put(row, cursors[row]!);
        cursors[row] = cursors[row]! + width;
      }
    },
    read(from) {
      const view = new DataView(from.bytes.buffer, from.bytes.byteOffset + from.at, width);
      from.at += width;
      return readFixed(type, view);
    },
  };
}

/** int64 and timestampMs: the type of most keys of this width, so without a call per row. */
function writeWords(data: ArrowData, out: Uint8Array, target: { cursors: Int32Array; skip: Skip }): void {
  const { cursors, skip } = target;
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  const words = int64Words(data);
  for (let row = 0; row < data.length; row++) {
    if (skip !== null && skip[row] === 1) continue;
    const at = cursors[row]!;
    view.setInt32(at, words[2 * row + 1]! ^ 0x80000000);
    view.setInt32(at + 4, words[2 * row]!);
    cursors[row] = at + 8;
  }
}

function putFixed(type: ColumnType, data: ArrowData, out: Uint8Array): (row: number, at: number) => void {
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  switch (type.kind) {
    case "bool":
      return (row, at) => view.setUint8(at, hasBit(data.values, data.offset + row) ? 1 : 0);
    case "int32":
      return (row, at) => view.setInt32(at, data.values[row] ^ 0x80000000);
    default:
      return (row, at) => {
        // -0 + 0 is 0, and one NaN stands for all
        const value = data.values[row];
        view.setFloat64(at, value !== value ? NaN : value + 0);
        const high = view.getInt32(at);
        if (high < 0) view.setInt32(at + 4, ~view.getInt32(at + 4));
        view.setInt32(at, high < 0 ? ~high : high ^ 0x80000000);
      };
  }
}

function readFixed(type: ColumnType, view: DataView): unknown {
  switch (type.kind) {
    case "bool":
      return view.getUint8(0) === 1;
    case "int32":
      return view.getInt32(0) ^ 0x80000000;
    case "float64": {
      const high = view.getInt32(0);
      const bits = new DataView(new ArrayBuffer(8));
      bits.setInt32(0, high < 0 ? high ^ 0x80000000 : ~high);
      bits.setInt32(4, high < 0 ? view.getInt32(4) : ~view.getInt32(4));
      return bits.getFloat64(0);
    }
    default: {
      const value = (BigInt(view.getInt32(0) ^ 0x80000000) << 32n) | BigInt(view.getUint32(4));
      return type.kind === "int64" ? value : Number(value);
    }
  }
}
