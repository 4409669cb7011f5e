import { isSameType } from "../../columns/arrow_data.ts";
import { dataOfValues, ValueMismatch } from "../../columns/column_builder.ts";
import { type ArrowData, validityOf } from "../../columns/column_data.ts";
import { concatData } from "../../columns/concat_data.ts";
import type { KeyTable } from "../../columns/key_table.ts";
import { murmur2 } from "../../columns/murmur2.ts";
import type { ByteSpans } from "../../columns/records.ts";
import type { Column, ColumnType } from "../../columns/schema.ts";
import { type KeyPart, keyPart } from "./key_parts.ts";

const textEncoder = new TextEncoder();
const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Turns the keys of one table into bytes, codes and routing hashes. */
export class KeyCodec {
  readonly #type: ColumnType;
  readonly #part: KeyPart;
  readonly #routing: number;
  /** Whether a key is its bytes as they stand. */
  readonly #isPlain: boolean;
  /** Whether keys are routed by the bytes with which they begin. */
  readonly #isRoutedByText: boolean;

  /** @param type Type of the keys. @param routing How many leading columns of a struct route; all when `undefined`. */
  constructor(type: ColumnType, routing: number | undefined) {
    if (type.kind === "list" || (type.kind === "struct" && type.nullable)) {
      throw new TypeError(
        `Cannot open state table as its key must be a scalar or a struct that is not nullable: current value is ${type.kind}`,
      );
    }
    this.#type = type;
    this.#part = keyPart(type, false);
    this.#routing = routing ?? Infinity;
    this.#isPlain = isPlainBytes(type);
    const columns = type.kind === "struct" ? Object.values(type.columns!) : [];
    this.#isRoutedByText = columns.length > 0 && Math.min(columns.length, this.#routing) === 1 &&
      isPlainBytes(columns[0]!);
  }

  /**
   * Codes of a column of keys.
   *
   * @param keys The keys.
   * @param table Gets the keys that it does not have.
   * @throws {TypeError} when the column has another type, or nulls that the type does not allow.
   */
  internColumn(keys: Column, table: KeyTable): Int32Array {
    const data = this.#dataOf(keys);
    if (this.#isPlain && validityOf(data) === null) return table.internColumn(data);
    return table.internSpans(this.#encode(data));
  }

  /**
   * Code of one key.
   *
   * @param key The key.
   * @param table Gets the key when it does not have it.
   * @throws {TypeError} when the key has another type.
   */
  intern(key: unknown, table: KeyTable): number {
    try {
      const { bytes } = this.#encode(dataOfValues(this.#type, [key]));
      return table.intern(bytes);
    } catch (error) {
      if (!(error instanceof ValueMismatch)) throw error;
      throw new TypeError(
        `Cannot use state key of type ${this.#type.kind} as it wants ${error.wanted}${
          error.path === "" ? "" : ` at '${error.path}'`
        }: current value is ${String(error.found)}`,
      );
    }
  }

  /** The value that bytes are. */
  decode(bytes: Uint8Array, start: number, end: number): unknown {
    return this.#part.read({ bytes, at: start, end });
  }

  /**
   * murmur2 of the routing key: of a text its UTF-8, of bytes the bytes, of other scalars the JSON text, as topics write
   * their keys; of several columns the JSON array of them.
   */
  hash(bytes: Uint8Array, start: number, end: number): number {
    if (this.#isPlain) return murmur2(bytes, start, end);
    if (this.#isRoutedByText) {
      // two zeros end the text; what has a zero in it is written otherwise
      const zero = bytes.indexOf(0, start);
      if (zero >= 0 && zero + 1 < end && bytes[zero + 1] === 0) return murmur2(bytes, start, zero);
    }
    let value = this.decode(bytes, start, end);
    if (this.#type.kind === "struct" && value !== null) {
      const values = Object.values(value as object).slice(0, this.#routing);
      value = values.length === 1 ? values[0]! : `[${values.map(nestedText).join(",")}]`;
    }
    return murmur2(value instanceof Uint8Array ? value : textEncoder.encode(scalarText(value)));
  }

  #dataOf(keys: Column): ArrowData {
    if (!Array.isArray(keys?.data)) {
      throw new TypeError(
        `Cannot use state keys as they must be a column of ${this.#type.kind}: current value is ${keys}`,
      );
    }
    const parts = keys.data as readonly ArrowData[];
    for (const part of parts) {
      if (isSameType(this.#type, part.type)) continue;
      throw new TypeError(
        `Cannot use state keys as their type must be ${this.#type.arrow}: current value is ${part.type}`,
      );
    }
    return parts.length === 1 ? parts[0]! : concatData(this.#type, parts);
  }

  #encode(data: ArrowData): ByteSpans {
    const ends = new Int32Array(data.length);
    this.#part.addLengths(data, ends);
    const starts = new Int32Array(data.length);
    let total = 0;
    for (let row = 0; row < starts.length; row++) {
      starts[row] = total;
      total += ends[row]!;
      ends[row] = total;
    }
    const bytes = new Uint8Array(total);
    this.#part.write(data, bytes, starts.slice());
    return { bytes, starts, ends };
  }
}

function isPlainBytes(type: ColumnType): boolean {
  return (type.kind === "utf8" || type.kind === "binary") && !type.nullable;
}

function scalarText(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "bigint" ? String(value) : JSON.stringify(value);
}

function nestedText(value: unknown): string {
  if (value instanceof Uint8Array) return JSON.stringify(hex(value));
  return typeof value === "string" ? JSON.stringify(value) : scalarText(value);
}
