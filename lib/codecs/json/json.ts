import type { Columns, ColumnType } from "../../columns/schema.ts";
import type { Codec } from "../codec.ts";
import { createInferredDecoder } from "./inferred_decoder.ts";
import { createJsonDecoder } from "./json_decoder.ts";
import { createJsonEncoder } from "./json_encoder.ts";

/** Options of {@linkcode json}. */
export interface JsonOptions {
  /**
   * Whether code may be generated for the schema (`new Function`); without it the same results come several times slower.
   * Where the platform forbids code generation this has no effect.
   *
   * @default {true}
   */
  isEvalAllowed?: boolean;
}

/**
 * JSON with an inferred schema: convenient for a first look, and the slow way. Each batch is parsed row by row and its
 * columns are inferred from its own rows, so two batches of one topic may differ: name the columns as soon as they are
 * known. A number is float64 (integers too, whose digits beyond 2^53 are rounded: declare such columns as int64), text utf8, true and false bool, an array a list, an object a struct; all
 * columns are nullable and stand in the order of their first appearance; a column of nothing but nulls is utf8. A row
 * whose value is no object, or disagrees with the type that earlier rows gave a column, is refused.
 *
 * Encoding writes the columns that a batch has by its own Arrow schema: besides the types above also int8 to int64, uint8 to uint64,
 * float32, binary (as base64), timestamps in milliseconds and dictionaries of text; a column of any other type is a
 * `TypeError` that names it.
 *
 * @returns The codec; its `schema` is `undefined`.
 */
export function json(): Codec<Columns>;
/**
 * JSON with declared columns: one object for each record value.
 *
 * Float64, int32, int64 and timestampMs (epoch milliseconds) are numbers, bool is true or false, utf8 text, binary base64
 * text, list an array, struct an object; a null is `null`. Doubles are written in their shortest form, int64 with all its
 * digits. A row that JSON cannot hold (NaN, an infinity, malformed UTF-8, a null in a column that is not nullable) is
 * refused alone.
 *
 * @param schema The columns; one may be marked with `recordKey()`, it then stands in the record's key.
 * @param options Whether code may be generated.
 * @returns The codec.
 * @throws {TypeError} when the schema is not made of column types, is empty, or has a `recordKey()` inside another
 * column or twice.
 *
 * @example Rows to columns and back
 * ```ts
 * import { float64, json, utf8 } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const codec = json({ device: utf8(), celsius: float64() });
 * const bytes = new TextEncoder().encode('{"device":"a","celsius":21.5}');
 * const rows = { bytes, starts: Int32Array.of(0), ends: Int32Array.of(bytes.length) };
 * const { batch } = codec.decoder().decode(rows, 0, 1);
 * assertEquals(batch.getChild("celsius").get(0), 21.5);
 * assertEquals(codec.encoder().encode(batch).values.bytes, bytes);
 * ```
 */
export function json<S extends Columns>(schema: S, options?: JsonOptions): Codec<S>;
export function json(schema?: Columns, options: JsonOptions = {}): Codec<Columns> {
  if (schema === undefined) {
    return Object.freeze({
      format: "json",
      schema: undefined as unknown as Columns,
      isInferred: true,
      decoder: () => createInferredDecoder(),
      encoder: () => createJsonEncoder(undefined),
    });
  }
  checkColumns(schema);
  const columns = Object.freeze({ ...schema });
  return Object.freeze({
    format: "json",
    schema: columns,
    isInferred: false,
    decoder: () => createJsonDecoder(columns, options),
    encoder: () => createJsonEncoder(columns, options),
  });
}

function checkColumns(schema: Columns): void {
  const isObject = typeof schema === "object" && schema !== null && !Array.isArray(schema);
  const entries = isObject ? Object.entries(schema) : [];
  if (entries.length === 0) {
    throw new TypeError(
      `Cannot create JSON codec as its schema must be an object with at least one column: current value is ${
        isObject ? "{}" : schema
      }`,
    );
  }
  let recordKey: string | undefined;
  for (const [name, type] of entries) {
    checkColumn(name, type);
    if (type.isRecordKey !== true) continue;
    if (recordKey !== undefined) {
      throw new TypeError(
        `Cannot create JSON codec as only one column may be recordKey(): '${recordKey}' is, and '${name}'`,
      );
    }
    recordKey = name;
  }
}

function checkColumn(path: string, type: ColumnType | undefined): void {
  if (typeof type?.kind !== "string" || type.arrow === undefined) {
    throw new TypeError(`Cannot create JSON codec as column '${path}' must be a column type: current value is ${type}`);
  }
  const inner = type.element === undefined ? Object.entries(type.columns ?? {}) : [["[]", type.element] as const];
  for (const [name, innerType] of inner) {
    const innerPath = name === "[]" ? `${path}[]` : `${path}.${name}`;
    checkColumn(innerPath, innerType);
    if (innerType.isRecordKey === true) {
      throw new TypeError(`Cannot create JSON codec as recordKey() must be an outer column: it is on '${innerPath}'`);
    }
  }
}
