import type { Data } from "apache-arrow";
import { rawData } from "../../columns/arrow_data.ts";
import type { ColumnType } from "../../columns/schema.ts";
import { isNullAt } from "./skip_value.ts";

/** Arrow data of any type. */
// deno-lint-ignore no-explicit-any
export type ArrowData = Data<any>;

/** Where a value is: field names and list indices, outermost first. */
export type ValuePath = (string | number)[];

/** Why a value does not fit its column. */
export interface Refusal {
  /** What is wrong with it, to be read after the column's name. */
  readonly reason: string;
  /** Where it is, relative to the column that refused. */
  readonly path: ValuePath;
  /** Whether the last step of the path does not exist in the value. */
  readonly isMissing: boolean;
}

/** A number as it was written, since a double cannot hold every integer. */
export class JsonNumber {
  /** @param text The number in JSON. */
  constructor(readonly text: string) {}
}

/** What `JSON.parse` made of a value, in words. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value instanceof JsonNumber) return "a number";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** A refusal of the value itself. */
export function refuse(reason: string): Refusal {
  return { reason, path: [], isMissing: false };
}

const NO_BYTES = new Uint8Array(0);

/**
 * One column under construction. Rows are written at their index and in ascending order; a row may be written again
 * until the next one is, so an attempt that failed needs no undoing: whatever is in its place is overwritten, and
 * variable parts begin where the previous row ended. Only validity is sticky, see {@linkcode JsonColumn.forget}.
 */
export abstract class JsonColumn {
  /** The column's type. */
  readonly type: ColumnType;
  /** Whether nulls may occur. */
  readonly isNullable: boolean;
  /** Rows that fit. */
  protected capacity = 0;
  #validity: Uint8Array = NO_BYTES;
  #hasNulls = false;

  /** @param type The column's type. */
  constructor(type: ColumnType) {
    this.type = type;
    this.isNullable = type.nullable;
  }

  /** Starts a batch on fresh arrays. */
  begin(capacity: number): void {
    this.capacity = capacity;
    this.#hasNulls = false;
    this.#validity = NO_BYTES;
    this.allocate(capacity);
  }

  /** Makes room for at least `capacity` rows and keeps what is there. */
  reserve(capacity: number): void {
    if (capacity <= this.capacity) return;
    const grown = Math.max(capacity, 2 * this.capacity, 16);
    if (this.#hasNulls) this.#validity = grownBits(this.#validity, grown);
    this.capacity = grown;
    this.grow(grown);
  }

  /** Writes `null`, and whatever the arrays need beneath it. */
  setNull(row: number): void {
    if (this.isNullable) {
      if (!this.#hasNulls) {
        this.#hasNulls = true;
        this.#validity = grownBits(NO_BYTES, this.capacity);
      }
      this.#validity[row >> 3]! &= ~(1 << (row & 7));
    }
    this.zero(row);
  }

  /** Takes back a null of an earlier attempt at this row. */
  setValid(row: number): void {
    if (this.#hasNulls) this.#validity[row >> 3]! |= 1 << (row & 7);
  }

  /** Clears what an attempt at this row left behind that scanners, which never write validity of values, do not. */
  forget(row: number): void {
    this.setValid(row);
  }

  /** Parses a value or `null`; as {@linkcode JsonColumn.parse}. */
  parseNullable(bytes: Uint8Array, p: number, end: number, row: number): number {
    if (p < end && bytes[p] === 110) {
      if (!this.isNullable || !isNullAt(bytes, p, end)) return -1;
      this.setNull(row);
      return p + 4;
    }
    this.setValid(row);
    return this.parse(bytes, p, end, row);
  }

  /** Writes what `JSON.parse` made of a value or null; as {@linkcode JsonColumn.set}. */
  setNullable(row: number, value: unknown): Refusal | null {
    if (value === null) {
      if (!this.isNullable) return refuse("is null");
      this.setNull(row);
      return null;
    }
    this.setValid(row);
    return this.set(row, value);
  }

  /** Hands the first `count` rows out. */
  finish(count: number): ArrowData {
    let nullCount = 0;
    const common: Record<string, unknown> = { length: count };
    if (this.#hasNulls) {
      const bits = exactBits(this.#validity, count);
      nullCount = count - countOnes(bits);
      if (nullCount > 0) common.nullBitmap = bits;
      this.#validity = NO_BYTES;
      this.#hasNulls = false;
    }
    return rawData(this.type, { ...common, nullCount, ...this.buffers(count) });
  }

  /** Allocates fresh arrays. */
  protected abstract allocate(capacity: number): void;
  /** Enlarges the arrays. */
  protected abstract grow(capacity: number): void;
  /** Writes the value that stands beneath a null. */
  protected abstract zero(row: number): void;
  /** Arrow's buffers of the first `count` rows, exactly sized; the column keeps none of them. */
  protected abstract buffers(count: number): Record<string, unknown>;

  /**
   * Parses a value that is not null.
   *
   * @returns One past the value, or a negative number when this parser leaves it to the exact one (which may accept it).
   */
  abstract parse(bytes: Uint8Array, p: number, end: number, row: number): number;

  /** Writes what `JSON.parse` made of a value (numbers as {@linkcode JsonNumber}). */
  abstract set(row: number, value: unknown): Refusal | null;
}

/** The bits of `capacity` rows, beginning with `bits`, the rest set. */
function grownBits(bits: Uint8Array, capacity: number): Uint8Array {
  const grown = new Uint8Array((capacity + 7) >> 3).fill(255);
  grown.set(bits);
  return grown;
}

/** The first `count` bits in as few bytes as hold them, zeros behind them. */
export function exactBits(bits: Uint8Array, count: number): Uint8Array {
  const exact = exactly(bits, (count + 7) >> 3);
  if ((count & 7) !== 0) exact[count >> 3]! &= (1 << (count & 7)) - 1;
  return exact;
}

function countOnes(bits: Uint8Array): number {
  let ones = 0;
  for (let i = 0; i < bits.length; i++) {
    for (let byte = bits[i]!; byte !== 0; byte &= byte - 1) ones++;
  }
  return ones;
}

/** The first `length` elements as an array of just that size: the array itself, or a copy. */
export function exactly<A extends Uint8Array | Int32Array | Float64Array>(array: A, length: number): A {
  return array.length === length ? array : array.slice(0, length) as A;
}

/** A longer array with the same beginning. */
export function enlarged<A extends Uint8Array | Int32Array | Float64Array>(array: A, length: number): A {
  const grown = new (array.constructor as new (length: number) => A)(length);
  grown.set(array);
  return grown;
}
