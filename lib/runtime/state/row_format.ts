import { StateCorruptError } from "../../base/errors.ts";
import type { ByteSpans } from "../../columns/records.ts";
import type { Columns, ColumnType } from "../../columns/schema.ts";
import { BytesColumn } from "./bytes_column.ts";
import { BoolColumn, DoubleColumn, IntColumn, WordsColumn } from "./fixed_columns.ts";
import type { RowSource, SlotColumn } from "./slot_column.ts";

/** How the columns of a slot become the bytes of a row and come back. */
export interface RowFormat {
  /** Fresh columns. */
  columns(): SlotColumn[];
  /** Rows of slots [0, count). */
  encode(columns: readonly SlotColumn[], count: number): ByteSpans;
  /**
   * Reads rows into slots.
   *
   * @throws {StateCorruptError} when bytes are no row of this format.
   */
  decode(columns: readonly SlotColumn[], rows: ByteSpans, chosen: { numbers: Int32Array; codes: Int32Array }): void;
}

const VERSION = 1;

/**
 * Rows of tables: a version byte, a bitmap of the columns that are null (as many bytes as they take), the values of
 * fixed width in the order of the columns (zero when null), then for each other column that is not null its length as a
 * varint and its bytes.
 */
export class ColumnRowFormat implements RowFormat {
  readonly #types: readonly ColumnType[];
  readonly #nullBytes: number;
  readonly #what: string;

  /** @param columns Columns of the values. @param what Names the state in messages. */
  constructor(columns: Columns, what: string) {
    this.#types = Object.values(columns);
    this.#nullBytes = (this.#types.length + 7) >> 3;
    this.#what = what;
  }

  columns(): SlotColumn[] {
    return this.#types.map(slotColumn);
  }

  encode(columns: readonly SlotColumn[], count: number): ByteSpans {
    const fixedEnd = 1 + this.#nullBytes + columns.reduce((sum, column) => sum + column.fixedBytes, 0);
    const lengths = new Int32Array(count);
    for (const column of columns) column.addLengths(lengths, count);
    const starts = new Int32Array(count);
    const ends = new Int32Array(count);
    const cursors = new Int32Array(count);
    let total = 0;
    for (let i = 0; i < count; i++) {
      starts[i] = total;
      cursors[i] = total + fixedEnd;
      total += fixedEnd + lengths[i]!;
      ends[i] = total;
    }
    const bytes = new Uint8Array(total);
    const target = { bytes, view: new DataView(bytes.buffer), starts, cursors };
    for (let i = 0; i < count; i++) bytes[starts[i]!] = VERSION;
    let fixedAt = 1 + this.#nullBytes;
    for (const [number, column] of columns.entries()) {
      if (column.nulls !== null) writeNulls(column.nulls, number, { bytes, starts });
      column.write(target, fixedAt, count);
      fixedAt += column.fixedBytes;
    }
    return { bytes, starts, ends };
  }

  decode(columns: readonly SlotColumn[], rows: ByteSpans, chosen: { numbers: Int32Array; codes: Int32Array }): void {
    const { numbers, codes } = chosen;
    const count = numbers.length;
    const fixedEnd = 1 + this.#nullBytes + columns.reduce((sum, column) => sum + column.fixedBytes, 0);
    const cursors = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const start = rows.starts[numbers[i]!]!;
      cursors[i] = start + fixedEnd;
      if (rows.bytes[start] !== VERSION) throw this.#corrupt(`Version is ${rows.bytes[start]}, known is ${VERSION}`);
      if (cursors[i]! > rows.ends[numbers[i]!]!) throw this.#corrupt("Bytes end before its columns do");
    }
    const view = new DataView(rows.bytes.buffer, rows.bytes.byteOffset, rows.bytes.byteLength);
    const source: RowSource = { rows, view, numbers, cursors, count };
    let fixedAt = 1 + this.#nullBytes;
    try {
      for (const [number, column] of columns.entries()) {
        if (column.nulls !== null) readNulls(column.nulls, number, { source, codes });
        column.read(source, fixedAt, codes);
        fixedAt += column.fixedBytes;
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw this.#corrupt(error.message);
    }
    for (let i = 0; i < count; i++) {
      if (cursors[i] !== rows.ends[numbers[i]!]) throw this.#corrupt("Columns end before its bytes do");
    }
  }

  #corrupt(found: string): StateCorruptError {
    return new StateCorruptError(
      `Cannot read a row of ${this.#what} (${found}); delete the local state, it is then restored from a checkpoint`,
    );
  }
}

/** Rows that are the bytes of their one column. */
export class WholeRowFormat implements RowFormat {
  readonly #type: ColumnType;

  /** @param type `binary()`. */
  constructor(type: ColumnType) {
    this.#type = type;
  }

  columns(): SlotColumn[] {
    return [new BytesColumn(this.#type)];
  }

  encode(columns: readonly SlotColumn[], count: number): ByteSpans {
    return (columns[0] as BytesColumn).spans(count);
  }

  decode(columns: readonly SlotColumn[], rows: ByteSpans, chosen: { numbers: Int32Array; codes: Int32Array }): void {
    const { numbers, codes } = chosen;
    const view = new DataView(rows.bytes.buffer, rows.bytes.byteOffset, rows.bytes.byteLength);
    const source = { rows, view, numbers, cursors: new Int32Array(0), count: numbers.length };
    (columns[0] as BytesColumn).readWhole(source, codes);
  }
}

function slotColumn(type: ColumnType): SlotColumn {
  switch (type.kind) {
    case "float64":
      return new DoubleColumn(type);
    case "int32":
      return new IntColumn(type);
    case "int64":
    case "timestampMs":
      return new WordsColumn(type);
    case "bool":
      return new BoolColumn(type);
    default:
      return new BytesColumn(type);
  }
}

function writeNulls(nulls: Uint8Array, number: number, to: { bytes: Uint8Array; starts: Int32Array }): void {
  const { bytes, starts } = to;
  const byte = 1 + (number >> 3);
  const bit = 1 << (number & 7);
  for (let i = 0; i < starts.length; i++) {
    if (nulls[i] === 1) bytes[starts[i]! + byte] = bytes[starts[i]! + byte]! | bit;
  }
}

function readNulls(nulls: Uint8Array, number: number, from: { source: RowSource; codes: Int32Array }): void {
  const { rows, numbers, count } = from.source;
  const byte = 1 + (number >> 3);
  const bit = 1 << (number & 7);
  for (let i = 0; i < count; i++) {
    nulls[from.codes[i]!] = (rows.bytes[rows.starts[numbers[i]!]! + byte]! & bit) === 0 ? 0 : 1;
  }
}
