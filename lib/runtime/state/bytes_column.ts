import { StateCorruptError } from "../../base/errors.ts";
import { rawData } from "../../columns/arrow_data.ts";
import { type ArrowData, bytesValues, offsetsOf, validityOf } from "../../columns/column_data.ts";
import { hasBit } from "../../columns/bitmap.ts";
import type { ByteSpans } from "../../columns/records.ts";
import type { ColumnType } from "../../columns/schema.ts";
import { copyBytes } from "../../columns/spans.ts";
import { ByteArena } from "./byte_arena.ts";
import { ByteWriter, putVarint, varintLength } from "./byte_writer.ts";
import { type ByteReader, type NestedBuilder, nestedBuilder, nestedWriter, readVarint } from "./nested_value.ts";
import { grown, moveRows, type RowSource, type RowTarget, SlotColumn } from "./slot_column.ts";

/** utf8, binary, list and struct: a range of an arena for each slot. */
export class BytesColumn extends SlotColumn {
  readonly fixedBytes = 0;
  /** First byte of each slot's value. */
  starts: Int32Array = new Int32Array(0);
  /** One past the last byte of each slot's value. */
  ends: Int32Array = new Int32Array(0);
  readonly #arena: ByteArena;
  readonly #isNested: boolean;

  /** @param type The column's type. @param arena Where the bytes are; shared by columns between which slots are moved. */
  constructor(type: ColumnType, arena: ByteArena = new ByteArena()) {
    super(type);
    this.#arena = arena;
    this.#isNested = type.kind === "list" || type.kind === "struct";
    arena.register(this);
  }

  get byteLength(): number {
    return this.starts.byteLength + this.ends.byteLength + this.#arena.bytes.byteLength;
  }

  sibling(): BytesColumn {
    return new BytesColumn(this.type, this.#arena);
  }

  release(): void {
    this.#arena.unregister(this);
  }

  /** Lets go of bytes that no slot refers to. */
  compact(): void {
    this.#arena.compact();
  }

  /** The bytes of one slot, copied. */
  bytesAt(code: number): Uint8Array {
    return this.#arena.bytes.slice(this.starts[code]!, this.ends[code]!);
  }

  /** Slot `code` gets bytes. */
  putBytes(code: number, bytes: Uint8Array): void {
    this.#arena.reserve(bytes.length);
    this.starts[code] = this.#arena.append(bytes, 0, bytes.length);
    this.ends[code] = this.starts[code]! + bytes.length;
  }

  /** Slots [0, count) as spans, without a copy. */
  spans(count: number): ByteSpans {
    return { bytes: this.#arena.bytes, starts: this.starts.slice(0, count), ends: this.ends.slice(0, count) };
  }

  /** Slots get the whole rows of a source. */
  readWhole({ rows, numbers, count }: RowSource, codes: Int32Array): void {
    let total = 0;
    for (let i = 0; i < count; i++) total += rows.ends[numbers[i]!]! - rows.starts[numbers[i]!]!;
    this.#arena.reserve(total);
    for (let i = 0; i < count; i++) {
      this.#append(rows.bytes, rows.starts[numbers[i]!]!, rows.ends[numbers[i]!]!, codes[i]!);
    }
  }

  addLengths(lengths: Int32Array, count: number): void {
    const { nulls, starts, ends } = this;
    for (let i = 0; i < count; i++) {
      if (nulls !== null && nulls[i] === 1) continue;
      const length = ends[i]! - starts[i]!;
      lengths[i] = lengths[i]! + length + varintLength(length);
    }
  }

  estimateBytes(codes: Int32Array, count: number): number {
    let total = count;
    for (let i = 0; i < count; i++) total += this.ends[codes[i]!]! - this.starts[codes[i]!]!;
    return total;
  }

  write({ bytes, cursors }: RowTarget, _fixedAt: number, count: number): void {
    const { nulls, starts, ends } = this;
    const from = this.#arena.bytes;
    for (let i = 0; i < count; i++) {
      if (nulls !== null && nulls[i] === 1) continue;
      const at = putVarint(bytes, cursors[i]!, ends[i]! - starts[i]!);
      cursors[i] = copyBytes(from, starts[i]!, ends[i]!, bytes, at);
    }
  }

  read({ rows, view, numbers, cursors, count }: RowSource, _fixedAt: number, codes: Int32Array): void {
    let total = 0;
    for (let i = 0; i < count; i++) total += rows.ends[numbers[i]!]! - cursors[i]!;
    this.#arena.reserve(Math.max(0, total));
    const from: ByteReader = { bytes: rows.bytes, view, at: 0, end: 0 };
    for (let i = 0; i < count; i++) {
      if (this.nulls !== null && this.nulls[codes[i]!] === 1) {
        this.ends[codes[i]!] = this.starts[codes[i]!]!;
        continue;
      }
      from.at = cursors[i]!;
      from.end = rows.ends[numbers[i]!]!;
      const end = readVarint(from) + from.at;
      if (end > from.end) throw new RangeError("Bytes end within a value");
      this.#append(rows.bytes, from.at, end, codes[i]!);
      cursors[i] = end;
    }
  }

  protected fitValues(capacity: number): void {
    this.starts = grown(this.starts, capacity);
    this.ends = grown(this.ends, capacity);
  }

  protected putValues(data: ArrowData, codes: Int32Array, count: number): void {
    if (this.#isNested) return this.#putNested(data, codes, count);
    const bytes = bytesValues(data);
    const offsets = offsetsOf(data);
    const { nulls } = this;
    this.#arena.reserve(offsets[count]! - offsets[0]!);
    for (let i = 0; i < count; i++) {
      const code = codes[i]!;
      // a null row may have bytes of its own in Arrow
      if (nulls !== null && nulls[code] === 1) this.#append(bytes, 0, 0, code);
      else this.#append(bytes, offsets[i]!, offsets[i + 1]!, code);
    }
  }

  protected takeValues(codes: Int32Array, valid: Uint8Array, common: object): ArrowData {
    if (this.#isNested) return this.#takeNested(codes, valid);
    const { starts, ends } = this;
    const length = codes.length;
    const valueOffsets = new Int32Array(length + 1);
    let total = 0;
    for (let i = 0; i < length; i++) {
      if (valid[i] === 1) total += ends[codes[i]!]! - starts[codes[i]!]!;
      if (total > 0x7fffffff) {
        throw new RangeError(`Cannot read state as a column would hold more than 2 GiB: current value is ${total}`);
      }
      valueOffsets[i + 1] = total;
    }
    const data = new Uint8Array(total);
    const from = this.#arena.bytes;
    for (let i = 0; i < length; i++) {
      if (valid[i] === 1) copyBytes(from, starts[codes[i]!]!, ends[codes[i]!]!, data, valueOffsets[i]!);
    }
    return rawData(this.type, { ...common, valueOffsets, data });
  }

  protected moveValues(source: BytesColumn, from: Int32Array, to: Int32Array): void {
    moveRows(source.starts, this.starts, from, to);
    moveRows(source.ends, this.ends, from, to);
  }

  #append(bytes: Uint8Array, start: number, end: number, code: number): void {
    const at = this.#arena.append(bytes, start, end);
    this.starts[code] = at;
    this.ends[code] = at + end - start;
  }

  #putNested(data: ArrowData, codes: Int32Array, count: number): void {
    const out = new ByteWriter();
    const offsets = new Int32Array(count + 1);
    const write = nestedWriter(this.type, data);
    const validity = validityOf(data);
    for (let i = 0; i < count; i++) {
      if (validity === null || hasBit(validity, data.offset + i)) write(i, out);
      offsets[i + 1] = out.length;
    }
    this.#arena.reserve(out.length);
    for (let i = 0; i < count; i++) this.#append(out.bytes, offsets[i]!, offsets[i + 1]!, codes[i]!);
  }

  #takeNested(codes: Int32Array, valid: Uint8Array): ArrowData {
    const { bytes } = this.#arena;
    const from: ByteReader = { bytes, view: new DataView(bytes.buffer), at: 0, end: 0 };
    const builder = nestedBuilder(this.type);
    const isNull = new Uint8Array(codes.length);
    for (let i = 0; i < codes.length; i++) {
      isNull[i] = valid[i]! ^ 1;
      from.at = this.starts[codes[i]!]!;
      from.end = this.ends[codes[i]!]!;
      if (valid[i] === 1) this.#readNested(builder, from);
      else builder.skip();
    }
    return builder.finish(isNull);
  }

  /** Values are looked into when they are used, not when their row is read: a damaged one is found here. */
  #readNested(builder: NestedBuilder, from: ByteReader): void {
    try {
      builder.read(from);
      if (from.at !== from.end) throw new RangeError("The value ends before its bytes do");
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new StateCorruptError(
        `Cannot read a ${this.type.kind} of state (${error.message}); delete the local state, it is then restored from a ` +
          `checkpoint`,
        { cause: error },
      );
    }
  }
}
