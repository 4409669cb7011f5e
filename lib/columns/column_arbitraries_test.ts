/** Arbitraries for the property tests of columns: schemas, values and batches, also as slices. */
import fc from "fast-check";
import { batchOf } from "./batch_of.ts";
import {
  type Batch,
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
} from "./schema.ts";

/** A row as JavaScript values. */
export type Row = Record<string, unknown>;

const SAFE = Number.MAX_SAFE_INTEGER;

/** Values of a type; `isTame` keeps numbers small, so that arithmetic rarely leaves the safe range. */
export function valueOf(type: ColumnType, isTame = false): fc.Arbitrary<unknown> {
  const value = presentValueOf(type, isTame);
  return type.nullable ? fc.oneof({ weight: 3, arbitrary: value }, { weight: 1, arbitrary: fc.constant(null) }) : value;
}

function presentValueOf(type: ColumnType, isTame: boolean): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case "float64":
      return isTame ? fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constantFrom(0.5, -2.5, -0, 1e3)) : fc.oneof(
        fc.double(),
        fc.integer({ min: -3, max: 3 }),
        fc.constantFrom(-0, 2 ** 53, 2 ** 63, -(2 ** 63), 1e300),
      );
    case "int32":
      return isTame
        ? fc.integer({ min: -5, max: 5 })
        : fc.oneof(fc.integer(), fc.constantFrom(0, 2147483647, -2147483648));
    case "int64":
      return isTame ? fc.bigInt({ min: -5n, max: 5n }) : fc.oneof(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.bigInt({ min: -3n, max: 3n }),
        fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n, 2n ** 53n + 1n, -1n, 2n ** 32n, 2n ** 31n),
      );
    case "timestampMs":
      return isTame ? fc.integer({ min: -5000, max: 5000 }) : fc.oneof(
        fc.maxSafeInteger().map((value) => value + 0),
        fc.constantFrom(0, SAFE, -SAFE, -1, 2 ** 32, 1_700_000_000_000),
      );
    case "utf8":
      return fc.oneof(
        fc.string({ unit: "binary", maxLength: 6 }).map((text) => text.toWellFormed()),
        fc.constantFrom("", "a", "ab", "b", "é", "\uffff", "\u{10000}", "\ufeffbom", "x".repeat(70)),
      );
    case "binary":
      return fc.uint8Array({ maxLength: 5 });
    case "bool":
      return fc.boolean();
    case "list":
      return fc.array(valueOf(type.element!, isTame), { maxLength: 4 });
    default:
      return rowOf(type.columns!, isTame);
  }
}

/** Rows of a schema. */
export function rowOf(columns: Columns, isTame = false): fc.Arbitrary<Row> {
  const entries = Object.entries(columns).map(([name, type]) => valueOf(type, isTame).map((value) => [name, value]));
  return fc.tuple(...entries).map((pairs) => Object.fromEntries(pairs));
}

const leaf: fc.Arbitrary<ColumnType> = fc.constantFrom<ColumnType>(
  utf8(),
  utf8({ nullable: true }),
  binary(),
  binary({ nullable: true }),
  float64(),
  float64({ nullable: true }),
  int64(),
  int64({ nullable: true }),
  int32(),
  int32({ nullable: true }),
  timestampMs(),
  timestampMs({ nullable: true }),
  bool(),
  bool({ nullable: true }),
);

/** Column types, nested up to a depth. */
export function columnType(depth = 2): fc.Arbitrary<ColumnType> {
  if (depth === 0) return leaf;
  const nullable = fc.constantFrom({ nullable: true } as const, { nullable: false } as const);
  const nested = fc.oneof(
    fc.tuple(columnType(depth - 1), nullable).map(([element, options]) => list(element, options as { nullable: true })),
    fc.tuple(
      fc.dictionary(fc.constantFrom("x", "y", "__proto__", "1"), columnType(depth - 1), { minKeys: 1 }),
      nullable,
    )
      .map(([columns, options]) => struct(plain(columns), options as { nullable: true })),
  );
  return fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 1, arbitrary: nested as fc.Arbitrary<ColumnType> });
}

function plain(columns: Record<string, ColumnType>): Columns {
  return Object.fromEntries(Object.entries(columns));
}

/** Names that a code generator or an object literal could stumble over. */
export const NAMES: readonly string[] = [
  "a",
  "device id",
  '"; throw 1; //',
  "`${x}`",
  "\\",
  "line\nbreak",
  "\u2028",
  "__proto__",
  "constructor",
  "toString",
  "7",
];

/** Schemas of one to five columns with awkward names. */
export const schema: fc.Arbitrary<Columns> = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...NAMES), columnType()), {
    selector: ([name]) => name,
    minLength: 1,
    maxLength: 5,
  })
  .map((entries) => Object.fromEntries(entries));

/** A batch and its rows as they were given. */
export interface BatchCase {
  columns: Columns;
  rows: Row[];
  batch: Batch;
}

/** Batches of a schema, often a slice of a longer one: values and bits then begin elsewhere. */
export function batchOfColumns(columns: Columns, isTame = false, maxLength = 20): fc.Arbitrary<BatchCase> {
  const rows = (max: number) => fc.array(rowOf(columns, isTame), { maxLength: max });
  return fc.tuple(rows(maxLength), rows(9), rows(3)).map(([inner, before, after]) => {
    const all = batchOf(columns, [...before, ...inner, ...after] as never[]) as Batch;
    const batch = before.length + after.length === 0 ? all : all.slice(before.length, before.length + inner.length);
    return { columns, rows: inner, batch };
  });
}

/** Batches of any schema. */
export const anyBatch: fc.Arbitrary<BatchCase> = schema.chain((columns) => batchOfColumns(columns));

/** Values that compare as rows do: bytes as plain copies, missing as null. */
export function plainRow(columns: Columns, row: Row): Row {
  return Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, plainValue(type, row[name])]));
}

function plainValue(type: ColumnType, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (type.kind === "binary") return Uint8Array.from(value as Uint8Array);
  if (type.kind === "list") return (value as unknown[]).map((item) => plainValue(type.element!, item));
  if (type.kind === "struct") return plainRow(type.columns!, value as Row);
  return value;
}
