import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { StateCorruptError } from "../../base/errors.ts";
import { batchOf } from "../../columns/batch_of.ts";
import { childrenByName } from "../../columns/batch.ts";
import { valueReader } from "../../columns/rows.ts";
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
import { identityRows } from "./identity_rows.ts";
import { ColumnRowFormat } from "./row_format.ts";

type Typed = readonly [ColumnType, fc.Arbitrary<unknown>];
const scalar: fc.Arbitrary<Typed> = fc.constantFrom<Typed>(
  [utf8(), fc.string({ unit: "binary", maxLength: 200 })],
  [binary(), fc.uint8Array({ maxLength: 6 })],
  [float64(), fc.double()],
  [int32(), fc.integer()],
  [int64(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  [timestampMs(), fc.maxSafeInteger()],
  [bool(), fc.boolean()],
);
const nullable = ([type, values]: Typed): Typed => [{ ...type, nullable: true }, fc.option(values, { nil: null })];
const maybeNullable = (typed: fc.Arbitrary<Typed>) =>
  fc.tuple(typed, fc.boolean()).map(([each, isNullable]) => isNullable ? nullable(each) : each);
const { typed } = fc.letrec<{ typed: Typed }>((tie) => ({
  typed: maybeNullable(fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    tie("typed").map(([type, values]): Typed => [list(type), fc.array(values, { maxLength: 3 })]),
    fc.array(tie("typed"), { minLength: 1, maxLength: 3 }).map((fields): Typed => [
      struct(Object.fromEntries(fields.map(([type], i) => [`f${i}`, type]))),
      fc.record(Object.fromEntries(fields.map(([, values], i) => [`f${i}`, values]))),
    ]),
  )),
}));

const table = fc.array(typed, { minLength: 1, maxLength: 10 }).chain((fields) =>
  fc.tuple(
    fc.constant(Object.fromEntries(fields.map(([type], i) => [`c${i}`, type])) as Columns),
    fc.array(fc.record(Object.fromEntries(fields.map(([, values], i) => [`c${i}`, values]))), {
      minLength: 1,
      maxLength: 5,
    }),
  )
);

Deno.test("ColumnRowFormat gives back every row of every type", () => {
  fc.assert(
    fc.property(table, ([schema, rows]) => {
      const format = new ColumnRowFormat(schema, "test");
      const count = rows.length;
      const written = format.columns();
      const data = childrenByName(batchOf(schema, rows as never), schema);
      // slots in another order than rows, so that nothing relies on their being the same
      const codes = Int32Array.from(rows, (_, i) => count - 1 - i);
      for (const [i, column] of written.entries()) {
        column.fit(count);
        column.put(data[i]!, codes, count);
      }
      const encoded = format.encode(written, count);
      const read = format.columns();
      for (const column of read) column.fit(count + 3);
      const target = Int32Array.from(rows, (_, i) => i + 3);
      format.decode(read, encoded, { numbers: identityRows(0, count), codes: target });
      for (const [i, [name, type]] of Object.entries(schema).entries()) {
        const values = valueReader(type, read[i]!.take(target, new Uint8Array(count).fill(1)));
        const found = Array.from(target, (_, row) => plain(values(row)));
        assertEquals(found, rows.map((row) => plain(row[name])).reverse());
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("ColumnRowFormat refuses rows that are cut, longer or of another version", () => {
  const schema = { n: int32(), name: utf8(), l: list(utf8()) };
  const format = new ColumnRowFormat(schema, "table 'x'");
  const columns = format.columns();
  const data = childrenByName(batchOf(schema, [{ n: 1, name: "abc", l: ["d"] }]), schema);
  for (const [i, column] of columns.entries()) {
    column.fit(1);
    column.put(data[i]!, identityRows(0, 1), 1);
  }
  const { bytes } = format.encode(columns, 1);
  const decode = (row: Uint8Array) =>
    format.decode(columns, { bytes: row, starts: Int32Array.of(0), ends: Int32Array.of(row.length) }, {
      numbers: identityRows(0, 1),
      codes: identityRows(0, 1),
    });
  decode(bytes);
  for (let length = 0; length < bytes.length; length++) {
    assertThrows(() => decode(bytes.slice(0, length)), StateCorruptError);
  }
  assertThrows(() => decode(Uint8Array.of(...bytes, 0)), StateCorruptError, "table 'x'");
  assertThrows(() => decode(Uint8Array.of(2, ...bytes.slice(1))), StateCorruptError, "Version is 2");
});

/** Bytes compare by content. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
  }
  return value;
}
