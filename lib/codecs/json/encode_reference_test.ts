import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ByteSpans } from "../../columns/records.ts";
import {
  binary,
  bool,
  type Columns,
  type ColumnType,
  float64,
  int32,
  int64,
  list,
  struct,
  timestampMs,
  utf8,
} from "../../columns/schema.ts";
import { spanBytes } from "../../columns/spans.ts";
import type { EncodedRows, RejectedRow } from "../codec.ts";

/** What the encoder must do, as simply as it can be said, and arbitrary schemas with rows; tests compare with it. */

/** A row object by column name. */
export type Row = Record<string, unknown>;

/** Why a row is refused. */
export class RefusedRow extends Error {}

/** JSON text of a row, or a {@linkcode RefusedRow} with the reason. */
export function referenceJson(columns: Columns, row: Row, parent = ""): string {
  const written = Object.entries(columns).filter(([, type]) => type.isRecordKey !== true);
  return `{${
    written.map(([name, type]) => `${JSON.stringify(name)}:${valueJson(type, row[name], `${parent}${name}`)}`).join()
  }}`;
}

function valueJson(type: ColumnType, value: unknown, path: string): string {
  if (value === null || value === undefined) {
    if (!type.nullable) throw new RefusedRow(`column '${path}' is null but not nullable`);
    return "null";
  }
  switch (type.kind) {
    case "list":
      return `[${(value as unknown[]).map((element) => valueJson(type.element!, element, `${path}[]`)).join()}]`;
    case "struct":
      return referenceJson(type.columns!, value as Row, `${path}.`);
    case "int64":
      return String(value);
    case "binary":
      return JSON.stringify(btoa(String.fromCharCode(...value as Uint8Array)));
    default:
      if (typeof value === "number" && !Number.isFinite(value)) {
        throw new RefusedRow(`column '${path}' is NaN or infinite, which JSON cannot hold`);
      }
      return Object.is(value, -0) ? "-0" : JSON.stringify(value);
  }
}

/** Texts of the accepted rows, their numbers, and the refused rows: what `encode` must give. */
export function referenceEncode(columns: Columns, rows: readonly Row[]) {
  const texts: string[] = [];
  const accepted: number[] = [];
  const rejected: RejectedRow[] = [];
  for (const [row, values] of rows.entries()) {
    try {
      texts.push(referenceJson(columns, values));
      accepted.push(row);
    } catch (error) {
      if (!(error instanceof RefusedRow)) throw error;
      rejected.push({ row, reason: error.message, position: -1 });
    }
  }
  return { texts, rows: rejected.length === 0 ? null : accepted, rejected };
}

/** Rows of spans as text. */
export function spanTexts(spans: ByteSpans): (string | null)[] {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return Array.from(spans.starts, (_, row) => {
    const bytes = spanBytes(spans, row);
    return bytes === null ? null : decoder.decode(bytes);
  });
}

/** What was encoded, in the form of {@linkcode referenceEncode}. */
export function readEncoded(encoded: EncodedRows) {
  assertEquals(encoded.count, encoded.values.starts.length);
  assertEquals(encoded.count, encoded.values.ends.length);
  return {
    texts: spanTexts(encoded.values),
    rows: encoded.rows === null ? null : Array.from(encoded.rows),
    rejected: encoded.rejected,
  };
}

const NAMES = [
  "a",
  "b",
  "id",
  "ts",
  "é",
  "",
  "a long name for a column",
  'q"\\',
  "toString",
  "1",
  "new\nline",
  "\u{1f600}",
];

const nullable = fc.boolean().map((is) => (is ? { nullable: true as const } : undefined) as undefined);

/** Schemas of all column types, nested up to `depth` levels. */
export function schemaArb(depth: number): fc.Arbitrary<Columns> {
  return fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), typeArb(depth)), {
    minLength: depth === 2 ? 1 : 0,
    maxLength: 5,
    selector: ([name]) => name,
  }).map((entries) => Object.fromEntries(entries));
}

function typeArb(depth: number): fc.Arbitrary<ColumnType> {
  const scalar: fc.Arbitrary<ColumnType> = fc.tuple(
    fc.constantFrom(utf8, binary, float64, int32, int64, timestampMs, bool),
    nullable,
  ).map(([create, options]) => create(options));
  if (depth === 0) return scalar;
  return fc.oneof(
    { weight: 5, arbitrary: scalar },
    { weight: 2, arbitrary: fc.tuple(typeArb(depth - 1), nullable).map(([type, options]) => list(type, options)) },
    { weight: 2, arbitrary: fc.tuple(schemaArb(depth - 1), nullable).map(([type, options]) => struct(type, options)) },
  );
}

/** Doubles of all kinds, often with few decimals, as data has them. */
export const doubleArb: fc.Arbitrary<number> = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.tuple(fc.integer(), fc.integer({ min: 0, max: 12 })).map(([digits, decimals]) => digits / 10 ** decimals),
  fc.integer({ min: -99_999, max: 99_999 }).map((digits) => digits / 100),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, 1e21, 1e-7, 1e-6, 123456789.123456789, 2 ** 31, 2 ** 31 - 0.5, 2 ** 53, 0.1 + 0.2, 5e-324),
);

const textArb = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ maxLength: 40 }),
  fc.constantFrom('"', "\\", "\u0000\u001f\b\t\n\f\r", "\u007f\u2028\u2029", "é€\u{10ffff}"),
  fc.string({ unit: "binary-ascii", minLength: 500, maxLength: 700 }),
);

/** Values of a column type; `wild` also gives NaN and infinities. */
export function valueArb(type: ColumnType, wild: boolean): fc.Arbitrary<unknown> {
  const value = presentArb(type, wild);
  return type.nullable ? fc.option(value, { nil: null, freq: 3 }) : value;
}

function presentArb(type: ColumnType, wild: boolean): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case "utf8":
      return textArb;
    case "binary":
      return fc.uint8Array({ maxLength: 10 });
    case "int32":
      return fc.oneof(fc.integer(), fc.constantFrom(0, -(2 ** 31), 2 ** 31 - 1));
    case "int64":
      return fc.oneof(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }),
        fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n, 2n ** 32n, -(2n ** 32n), 10n ** 18n, 999_999_999n),
      );
    case "timestampMs":
      return fc.oneof(fc.maxSafeInteger(), fc.integer({ min: 1_600_000_000_000, max: 1_800_000_000_000 }))
        .map((value) => value + 0);
    case "bool":
      return fc.boolean();
    case "list":
      return fc.array(valueArb(type.element!, wild), { maxLength: 4 });
    case "struct":
      return rowArb(type.columns!, wild);
    default:
      return wild
        ? fc.oneof({ weight: 9, arbitrary: doubleArb }, fc.constantFrom(NaN, Infinity, -Infinity))
        : doubleArb;
  }
}

/** Rows of a schema. */
export function rowArb(columns: Columns, wild: boolean): fc.Arbitrary<Row> {
  return fc.record(Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, valueArb(type, wild)])));
}

/** A schema with rows of it. */
export function tableArb(depth: number, wild: boolean): fc.Arbitrary<{ columns: Columns; rows: Row[] }> {
  return schemaArb(depth).chain((columns) =>
    fc.array(rowArb(columns, wild), { maxLength: 12 }).map((rows) => ({ columns, rows }))
  );
}
