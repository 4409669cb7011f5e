import { emptyData, rawData } from "../../columns/arrow_data.ts";
import { hasBit, packBits } from "../../columns/bitmap.ts";
import { type ArrowData, bytesValues, offsetsOf, validityOf } from "../../columns/column_data.ts";
import type { ColumnType } from "../../columns/schema.ts";
import { ByteWriter } from "./byte_writer.ts";

/**
 * Values of lists and structs as bytes: integers and doubles in 4 or 8 bytes (low byte first), a bool in one, text and
 * bytes as varint length and bytes, a list as varint count and elements, a struct as its columns; before each element
 * or column that is nullable one byte that tells whether it is there.
 */

/** Writes one value that is not null. */
export type NestedWriter = (row: number, out: ByteWriter) => void;

/**
 * A writer of a column's values.
 *
 * @param type The column's type.
 * @param data Its data.
 */
export function nestedWriter(type: ColumnType, data: ArrowData): NestedWriter {
  switch (type.kind) {
    case "utf8":
    case "binary": {
      const bytes = bytesValues(data);
      const offsets = offsetsOf(data);
      return (row, out) => {
        out.varint(offsets[row + 1]! - offsets[row]!);
        out.range(bytes, offsets[row]!, offsets[row + 1]!);
      };
    }
    case "bool":
      return (row, out) => out.byte(hasBit(data.values, data.offset + row) ? 1 : 0);
    case "float64":
      return (row, out) => out.float64(data.values[row]);
    case "int32":
      return (row, out) => out.int32(data.values[row]);
    case "list": {
      const offsets = offsetsOf(data);
      const element = fieldWriter(type.element!, data.children[0]!);
      return (row, out) => {
        out.varint(offsets[row + 1]! - offsets[row]!);
        for (let at = offsets[row]!; at < offsets[row + 1]!; at++) element(at, out);
      };
    }
    case "struct": {
      const fields = Object.values(type.columns!).map((inner, i) => fieldWriter(inner, data.children[i]!));
      return (row, out) => {
        for (const field of fields) field(row, out);
      };
    }
    default: {
      const { values } = data;
      const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
      return (row, out) => {
        out.int32(words[2 * row]!);
        out.int32(words[2 * row + 1]!);
      };
    }
  }
}

function fieldWriter(type: ColumnType, data: ArrowData): NestedWriter {
  const write = nestedWriter(type, data);
  if (!type.nullable) return write;
  const validity = validityOf(data);
  return (row, out) => {
    const isThere = validity === null || hasBit(validity, data.offset + row);
    out.byte(isThere ? 1 : 0);
    if (isThere) write(row, out);
  };
}

/** Bytes that are read one after the other. */
export interface ByteReader {
  /** The bytes. */
  readonly bytes: Uint8Array;
  /** The same bytes. */
  readonly view: DataView;
  /** Next byte to read. */
  at: number;
  /** One past the last byte to read. */
  end: number;
}

/** Collects values of one type. */
export interface NestedBuilder {
  /** Reads one value. @throws {RangeError} when its bytes end before it does. */
  read(from: ByteReader): void;
  /** Adds a null, or what stands in place of a value under a null. */
  skip(): void;
  /** The column of everything that was added. @param isNull Rows that are null, or `null` when none is. */
  finish(isNull: Uint8Array | null): ArrowData;
}

/** A builder of a column. @param type Its type. */
export function nestedBuilder(type: ColumnType): NestedBuilder {
  switch (type.kind) {
    case "utf8":
    case "binary":
      return new BytesBuilder(type);
    case "list":
      return new ListBuilder(type);
    case "struct":
      return new StructBuilder(type);
    default:
      return new FixedBuilder(type);
  }
}

/** Reads a count. @param from Where it stands. */
export function readVarint(from: ByteReader): number {
  let value = 0;
  for (let shift = 0;; shift += 7) {
    if (from.at >= from.end || shift > 28) throw new RangeError("Bytes end within a count");
    const byte = from.bytes[from.at++]!;
    value |= (byte & 127) << shift;
    if (byte >= 128) continue;
    if (value < 0) throw new RangeError("Count is below zero");
    return value;
  }
}

function validityFrom(isNull: Uint8Array | null, length: number): { nullCount: number; nullBitmap?: Uint8Array } {
  if (isNull === null) return { nullCount: 0 };
  const valid = new Uint8Array(length);
  let nullCount = 0;
  for (let row = 0; row < length; row++) {
    valid[row] = isNull[row] === 0 ? 1 : 0;
    nullCount += isNull[row]!;
  }
  return nullCount === 0 ? { nullCount } : { nullCount, nullBitmap: packBits(valid, length) };
}

/** Which values of a nullable element or column are null. */
class FieldBuilder {
  readonly #values: NestedBuilder;
  readonly #isNull: number[] | null;
  length = 0;

  constructor(type: ColumnType) {
    this.#values = nestedBuilder(type);
    this.#isNull = type.nullable ? [] : null;
  }

  read(from: ByteReader): void {
    this.length++;
    const isNull = this.#isNull !== null && from.bytes[from.at++] === 0;
    this.#isNull?.push(isNull ? 1 : 0);
    if (isNull) this.#values.skip();
    else this.#values.read(from);
  }

  skip(): void {
    this.length++;
    this.#isNull?.push(1);
    this.#values.skip();
  }

  finish(): ArrowData {
    return this.#values.finish(this.#isNull === null ? null : Uint8Array.from(this.#isNull));
  }
}

class FixedBuilder implements NestedBuilder {
  readonly #type: ColumnType;
  readonly #width: number;
  readonly #out = new ByteWriter();

  constructor(type: ColumnType) {
    this.#type = type;
    this.#width = type.kind === "bool" ? 1 : type.kind === "int32" ? 4 : 8;
  }

  read(from: ByteReader): void {
    const end = from.at + this.#width;
    if (end > from.end) throw new RangeError("Bytes end within a number");
    this.#out.range(from.bytes, from.at, end);
    from.at = end;
  }

  skip(): void {
    for (let i = 0; i < this.#width; i++) this.#out.byte(0);
  }

  finish(isNull: Uint8Array | null): ArrowData {
    const bytes = this.#out.bytes.slice(0, this.#out.length);
    const length = bytes.length / this.#width;
    const common = { length, ...validityFrom(isNull, length) };
    if (this.#type.kind === "bool") return rawData(this.#type, { ...common, data: packBits(bytes, length) });
    return rawData(this.#type, { ...common, data: new this.#type.arrow.ArrayType(bytes.buffer) });
  }
}

class BytesBuilder implements NestedBuilder {
  readonly #type: ColumnType;
  readonly #out = new ByteWriter();
  readonly #offsets = [0];

  constructor(type: ColumnType) {
    this.#type = type;
  }

  read(from: ByteReader): void {
    const end = readVarint(from) + from.at;
    if (end > from.end) throw new RangeError("Bytes end within a text");
    this.#out.range(from.bytes, from.at, end);
    from.at = end;
    this.#offsets.push(this.#out.length);
  }

  skip(): void {
    this.#offsets.push(this.#out.length);
  }

  finish(isNull: Uint8Array | null): ArrowData {
    const length = this.#offsets.length - 1;
    return rawData(this.#type, {
      length,
      ...validityFrom(isNull, length),
      valueOffsets: Int32Array.from(this.#offsets),
      data: this.#out.bytes.slice(0, this.#out.length),
    });
  }
}

class ListBuilder implements NestedBuilder {
  readonly #type: ColumnType;
  readonly #element: FieldBuilder;
  readonly #offsets = [0];

  constructor(type: ColumnType) {
    this.#type = type;
    this.#element = new FieldBuilder(type.element!);
  }

  read(from: ByteReader): void {
    for (let count = readVarint(from); count > 0; count--) this.#element.read(from);
    this.#offsets.push(this.#element.length);
  }

  skip(): void {
    this.#offsets.push(this.#element.length);
  }

  finish(isNull: Uint8Array | null): ArrowData {
    const length = this.#offsets.length - 1;
    const child = this.#element.length === 0 ? emptyData(this.#type.element!) : this.#element.finish();
    const valueOffsets = Int32Array.from(this.#offsets);
    return rawData(this.#type, { length, ...validityFrom(isNull, length), valueOffsets, child });
  }
}

class StructBuilder implements NestedBuilder {
  readonly #type: ColumnType;
  readonly #fields: FieldBuilder[];
  #length = 0;

  constructor(type: ColumnType) {
    this.#type = type;
    this.#fields = Object.values(type.columns!).map((inner) => new FieldBuilder(inner));
  }

  read(from: ByteReader): void {
    this.#length++;
    for (const field of this.#fields) field.read(from);
  }

  skip(): void {
    this.#length++;
    for (const field of this.#fields) field.skip();
  }

  finish(isNull: Uint8Array | null): ArrowData {
    const children = this.#fields.map((field) => field.finish());
    return rawData(this.#type, { length: this.#length, ...validityFrom(isNull, this.#length), children });
  }
}
