import type { Columns, ColumnType } from "../../columns/schema.ts";
import { BoolColumn, Float64Column, Int32Column, Int64Column } from "./fixed_columns.ts";
import { enlarged, exactly, JsonColumn, JsonNumber, kindOf, type Refusal, refuse } from "./json_column.ts";
import { LEVELS_MAX, skipSpace, skipValue } from "./skip_value.ts";
import { BinaryColumn, TextColumn } from "./text_columns.ts";
import { findBadUtf8 } from "./utf8_text.ts";

const encoder = new TextEncoder();

/**
 * The column that fills a column of type `type`.
 *
 * @param type The type.
 * @param level How many containers a value of it stands in.
 * @returns The column.
 * @throws {RangeError} when the schema nests deeper than {@linkcode LEVELS_MAX} levels.
 */
export function createJsonColumn(type: ColumnType, level: number): JsonColumn {
  switch (type.kind) {
    case "utf8":
      return new TextColumn(type);
    case "binary":
      return new BinaryColumn(type);
    case "float64":
      return new Float64Column(type);
    case "int32":
      return new Int32Column(type);
    case "int64":
    case "timestampMs":
      return new Int64Column(type);
    case "bool":
      return new BoolColumn(type);
    case "list":
      return new ListColumn(type, level + 1);
    case "struct":
      return new StructColumn(type, type.columns!, level + 1);
    default:
      throw new TypeError(
        `Cannot create JSON decoder as the kind of a column is unknown: current value is ${type.kind}`,
      );
  }
}

/** Lists: offsets into one column of elements. */
export class ListColumn extends JsonColumn {
  readonly #element: JsonColumn;
  #offsets: Int32Array = new Int32Array(1);
  #lastCount = 0;

  /** @param type A list type. @param level Level of the list itself. */
  constructor(type: ColumnType, level: number) {
    super(type);
    checkLevel(level);
    this.#element = createJsonColumn(type.element!, level);
  }

  protected override allocate(capacity: number): void {
    this.#offsets = new Int32Array(capacity + 1);
    this.#element.begin(Math.max(16, this.#lastCount));
  }

  protected override grow(capacity: number): void {
    this.#offsets = enlarged(this.#offsets, capacity + 1);
  }

  protected override zero(row: number): void {
    this.#offsets[row + 1] = this.#offsets[row]!;
  }

  protected override buffers(count: number): Record<string, unknown> {
    this.#lastCount = this.#offsets[count]!;
    return { valueOffsets: exactly(this.#offsets, count + 1), child: this.#element.finish(this.#lastCount) };
  }

  override parse(bytes: Uint8Array, p: number, end: number, row: number): number {
    if (p >= end || bytes[p] !== 91) return -1;
    const element = this.#element;
    let at = this.#offsets[row]!;
    p = skipSpace(bytes, p + 1, end);
    if (p < end && bytes[p] === 93) p++;
    else {
      for (;;) {
        element.reserve(at + 1);
        p = element.parseNullable(bytes, p, end, at);
        if (p < 0) return p;
        at++;
        p = skipSpace(bytes, p, end);
        if (p >= end) return -1;
        const c = bytes[p++];
        if (c === 93) break;
        if (c !== 44) return -1;
        p = skipSpace(bytes, p, end);
      }
    }
    this.#offsets[row + 1] = at;
    return p;
  }

  override set(row: number, value: unknown): Refusal | null {
    if (!Array.isArray(value)) return refuse(`is ${kindOf(value)}, expected list`);
    const first = this.#offsets[row]!;
    this.#element.reserve(first + value.length);
    for (let i = 0; i < value.length; i++) {
      const refusal = this.#element.setNullable(first + i, value[i]);
      if (refusal !== null) return { ...refusal, path: [i, ...refusal.path] };
    }
    this.#offsets[row + 1] = first + value.length;
    return null;
  }
}

/** Structs, and the row itself. */
export class StructColumn extends JsonColumn {
  /** The inner columns. */
  readonly columns: readonly JsonColumn[];
  /** Their names. */
  readonly names: readonly string[];
  /** Levels that a value of a member may have. */
  readonly levelsBelow: number;
  readonly #nameBytes: readonly Uint8Array[];
  // A member has been seen in this object when its mark is the object's stamp.
  readonly #marks: Int32Array;
  #stamp = 0;

  /** @param type A struct type. @param columns The inner columns. @param level Level of the struct itself. */
  constructor(type: ColumnType, columns: Columns, level: number) {
    super(type);
    checkLevel(level);
    this.names = Object.keys(columns);
    this.columns = this.names.map((name) => createJsonColumn(columns[name]!, level));
    this.levelsBelow = LEVELS_MAX - level;
    this.#nameBytes = this.names.map((name) => encoder.encode(name));
    this.#marks = new Int32Array(this.names.length);
  }

  protected override allocate(capacity: number): void {
    for (const column of this.columns) column.begin(capacity);
  }

  protected override grow(capacity: number): void {
    for (const column of this.columns) column.reserve(capacity);
  }

  protected override zero(row: number): void {
    for (const column of this.columns) column.setNull(row);
  }

  override forget(row: number): void {
    super.forget(row);
    for (const column of this.columns) column.forget(row);
  }

  protected override buffers(count: number): Record<string, unknown> {
    return { children: this.columns.map((column) => column.finish(count)) };
  }

  override parse(bytes: Uint8Array, p: number, end: number, row: number): number {
    if (p >= end || bytes[p] !== 123) return -1;
    const stamp = this.#nextStamp();
    const marks = this.#marks, columns = this.columns;
    let expected = 0, seen = 0;
    p = skipSpace(bytes, p + 1, end);
    if (p < end && bytes[p] === 125) return this.#setMissing(row, stamp) ? p + 1 : -1;
    for (;;) {
      if (p >= end || bytes[p] !== 34) return -1;
      const name = p + 1;
      p = endOfPlainName(bytes, name, end);
      if (p < 0) return p;
      const nameEnd = p;
      p = skipSpace(bytes, p + 1, end);
      if (p >= end || bytes[p] !== 58) return -1;
      p = skipSpace(bytes, p + 1, end);
      const found = this.#find(bytes, name, nameEnd, expected);
      if (found < 0) p = skipValue(bytes, p, end, this.levelsBelow);
      else {
        // JSON.parse knows what a name that occurs twice means.
        if (marks[found] === stamp) return -1;
        marks[found] = stamp;
        seen++;
        expected = found + 1;
        p = columns[found]!.parseNullable(bytes, p, end, row);
      }
      if (p < 0) return p;
      p = skipSpace(bytes, p, end);
      if (p >= end) return -1;
      const c = bytes[p++];
      if (c === 125) break;
      if (c !== 44) return -1;
      p = skipSpace(bytes, p, end);
    }
    return seen === columns.length || this.#setMissing(row, stamp) ? p : -1;
  }

  #nextStamp(): number {
    if (this.#stamp === 0x7fff_ffff) {
      this.#marks.fill(0);
      this.#stamp = 0;
    }
    return ++this.#stamp;
  }

  #setMissing(row: number, stamp: number): boolean {
    for (let i = 0; i < this.columns.length; i++) {
      if (this.#marks[i] === stamp) continue;
      const column = this.columns[i]!;
      if (!column.isNullable) return false;
      column.setNull(row);
    }
    return true;
  }

  /** Index of the member called [start, end), or -1; looks first where an object in schema order has it. */
  #find(bytes: Uint8Array, start: number, end: number, expected: number): number {
    const names = this.#nameBytes, count = names.length, length = end - start;
    let i = expected < count ? expected : 0;
    for (let tried = 0; tried < count; tried++) {
      const name = names[i]!;
      if (name.length === length) {
        let k = 0;
        while (k < length && name[k] === bytes[start + k]) k++;
        if (k === length) return i;
      }
      if (++i === count) i = 0;
    }
    return -1;
  }

  /** Index of a member by name, or -1. */
  indexOf(name: string): number {
    return this.names.indexOf(name);
  }

  override set(row: number, value: unknown): Refusal | null {
    if (value === null || typeof value !== "object" || Array.isArray(value) || value instanceof JsonNumber) {
      return refuse(`is ${kindOf(value)}, expected an object`);
    }
    for (let i = 0; i < this.columns.length; i++) {
      const name = this.names[i]!;
      const column = this.columns[i]!;
      if (!Object.hasOwn(value, name)) {
        if (!column.isNullable) return { reason: "is missing", path: [name], isMissing: true };
        column.setNull(row);
        continue;
      }
      const refusal = column.setNullable(row, (value as Record<string, unknown>)[name]);
      if (refusal !== null) return { ...refusal, path: [name, ...refusal.path] };
    }
    return null;
  }
}

/** Position of the quote that ends a name without escapes, or -1. */
function endOfPlainName(bytes: Uint8Array, start: number, end: number): number {
  let seen = 0;
  for (let p = start; p < end; p++) {
    const c = bytes[p]!;
    if (c === 34) return seen < 128 || findBadUtf8(bytes, start, p) < 0 ? p : -1;
    if (c === 92 || c < 32) return -1;
    seen |= c;
  }
  return -1;
}

function checkLevel(level: number): void {
  if (level > LEVELS_MAX) {
    throw new RangeError(
      `Cannot create JSON decoder as the schema must nest at most ${LEVELS_MAX} levels: current value is ${level}`,
    );
  }
}
