import { hasBit, packBits } from "../../columns/bitmap.ts";
import { type ArrowData, validityOf } from "../../columns/column_data.ts";
import type { ByteSpans } from "../../columns/records.ts";
import type { ColumnType } from "../../columns/schema.ts";

/** Where rows are written: see row_format.ts. */
export interface RowTarget {
  /** The buffer. */
  readonly bytes: Uint8Array;
  /** The same buffer. */
  readonly view: DataView;
  /** First byte of each row. */
  readonly starts: Int32Array;
  /** Next free byte of each row's part of variable width; moved on by whoever writes there. */
  readonly cursors: Int32Array;
}

/** Where rows are read from. */
export interface RowSource {
  /** The rows. */
  readonly rows: ByteSpans;
  /** The buffer of the rows. */
  readonly view: DataView;
  /** Which rows. */
  readonly numbers: Int32Array;
  /** Next byte of each chosen row's part of variable width; moved on by whoever reads there. */
  readonly cursors: Int32Array;
  /** How many of `numbers`. */
  readonly count: number;
}

/**
 * One column of values by slot (a dense code of the key), in typed arrays. The same class holds before-images and the
 * rows of a flush, which are moved between such columns row by row without an object for any.
 */
export abstract class SlotColumn {
  /** The column's type. */
  readonly type: ColumnType;
  /** Bytes that a value takes in the fixed part of a row. */
  abstract readonly fixedBytes: number;
  /** 1 where the value is null; `null` when the column holds no nulls. */
  nulls: Uint8Array | null;

  /** @param type The column's type. */
  constructor(type: ColumnType) {
    this.type = type;
    this.nulls = type.nullable ? new Uint8Array(0) : null;
  }

  /** Makes room for slots [0, capacity). */
  fit(capacity: number): void {
    if (this.nulls !== null) this.nulls = grown(this.nulls, capacity);
    this.fitValues(capacity);
  }

  /** Slot `codes[i]` gets row i; of several rows for one slot the last one stays. */
  put(data: ArrowData, codes: Int32Array, count: number): void {
    const { nulls } = this;
    if (nulls !== null) {
      const validity = validityOf(data);
      if (validity === null) { for (let i = 0; i < count; i++) nulls[codes[i]!] = 0; }
      else for (let i = 0; i < count; i++) nulls[codes[i]!] = hasBit(validity, data.offset + i) ? 0 : 1;
    }
    this.putValues(data, codes, count);
  }

  /**
   * Rows of slots as Arrow data.
   *
   * @param codes The slots.
   * @param isThere Which rows have a value at all, 1 or 0; the others become null.
   */
  take(codes: Int32Array, isThere: Uint8Array): ArrowData {
    const { nulls } = this;
    const length = codes.length;
    const valid = nulls === null ? isThere : new Uint8Array(length);
    if (nulls !== null) { for (let i = 0; i < length; i++) valid[i] = isThere[i]! & (nulls[codes[i]!]! ^ 1); }
    let nullCount = length;
    for (let i = 0; i < length; i++) nullCount -= valid[i]!;
    const common = nullCount === 0 ? { length, nullCount } : { length, nullCount, nullBitmap: packBits(valid, length) };
    return this.takeValues(codes, valid, common);
  }

  /** Slot `to[i]` gets slot `from[i]` of a column of the same kind. */
  move(source: SlotColumn, from: Int32Array, to: Int32Array): void {
    if (this.nulls !== null) moveRows(source.nulls!, this.nulls, from, to);
    this.moveValues(source, from, to);
  }

  /** An empty column of the same kind, between which and this one slots can be moved. */
  abstract sibling(): SlotColumn;
  /** Lets go of what the column holds outside of it. */
  abstract release(): void;
  /** Bytes of memory. */
  abstract readonly byteLength: number;
  /** Adds to `lengths` the bytes that slots [0, count) take in the part of variable width. */
  abstract addLengths(lengths: Int32Array, count: number): void;
  /** Bytes that the values of slots take in rows, nearly. */
  abstract estimateBytes(codes: Int32Array, count: number): number;
  /** Writes slots [0, count) to rows [0, count). */
  abstract write(target: RowTarget, fixedAt: number, count: number): void;
  /** Reads rows into slots; the nulls are read already. @throws {RangeError} when a row is too short. */
  abstract read(source: RowSource, fixedAt: number, codes: Int32Array): void;

  protected abstract fitValues(capacity: number): void;
  protected abstract putValues(data: ArrowData, codes: Int32Array, count: number): void;
  protected abstract takeValues(codes: Int32Array, valid: Uint8Array, common: object): ArrowData;
  protected abstract moveValues(source: SlotColumn, from: Int32Array, to: Int32Array): void;
}

/** The same values in a longer array, or the array itself when it is long enough. */
export function grown<A extends Uint8Array | Int32Array | Float64Array>(array: A, length: number): A {
  if (array.length >= length) return array;
  const result = new (array.constructor as new (length: number) => A)(length);
  result.set(array);
  return result;
}

/** `to[toRows[i]] = from[fromRows[i]]`. */
export function moveRows<A extends Uint8Array | Int32Array | Float64Array>(
  from: A,
  to: A,
  fromRows: Int32Array,
  toRows: Int32Array,
): void {
  for (let i = 0; i < fromRows.length; i++) to[toRows[i]!] = from[fromRows[i]!]!;
}
