import { assert, assertEquals, assertThrows } from "@std/assert";
import { Dictionary, Field, Int32, makeData, RecordBatch, Schema, Struct, Utf8, vectorFromArray } from "apache-arrow";
import fc from "fast-check";
import { SerializationError } from "../base/errors.ts";
import { batchFromColumns } from "../columns/batch.ts";
import { batchOf } from "../columns/batch_of.ts";
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
} from "../columns/schema.ts";
import { spanBytes } from "../columns/spans.ts";
import { spanTexts } from "./json/encode_reference_test.ts";
import { encodeKeys, recordKey } from "./record_key.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

function keysOf(type: ColumnType, values: readonly unknown[], slice?: [number, number]): (string | null)[] {
  const columns: Columns = { before: utf8(), key: type };
  const batch = batchOf<Any>(columns, values.map((key) => ({ before: "", key })));
  return spanTexts(encodeKeys(slice === undefined ? batch : batch.slice(...slice), "key"));
}

Deno.test("recordKey() marks a scalar column and leaves the given type alone", () => {
  const type = utf8();
  const marked = recordKey(type);
  assertEquals([marked.isRecordKey, marked.kind, type.isRecordKey], [true, "utf8", undefined]);
  assert(Object.isFrozen(marked));
  assertThrows(() => recordKey(list(utf8())), TypeError, "current value is a list");
  assertThrows(() => recordKey(struct({ a: utf8() })), TypeError, "current value is a struct");
});

Deno.test("encodeKeys() writes text as UTF-8 and other scalars as JSON text", () => {
  assertEquals(keysOf(utf8(), ["a", "", 'é"']), ["a", "", 'é"']);
  assertEquals(keysOf(float64(), [0.1, -0, 1e21, -5]), ["0.1", "0", "1e+21", "-5"]);
  assertEquals(keysOf(int32(), [-(2 ** 31), 0, 2 ** 31 - 1]), ["-2147483648", "0", "2147483647"]);
  assertEquals(keysOf(int64(), [-(2n ** 63n), 2n ** 63n - 1n]), ["-9223372036854775808", "9223372036854775807"]);
  assertEquals(keysOf(timestampMs(), [1_700_000_000_000, -1]), ["1700000000000", "-1"]);
  assertEquals(keysOf(bool(), [true, false]), ["true", "false"]);
});

Deno.test("encodeKeys() writes binary as it stands", () => {
  const batch = batchOf({ key: binary() }, [{ key: Uint8Array.of(255, 0) }, { key: new Uint8Array(0) }]);
  const keys = encodeKeys(batch, "key");
  assertEquals([spanBytes(keys, 0), spanBytes(keys, 1)], [Uint8Array.of(255, 0), new Uint8Array(0)]);
});

Deno.test("encodeKeys() gives null keys for nulls, in any slice of any scalar column", () => {
  const types: [(options: { nullable: true }) => ColumnType, fc.Arbitrary<unknown>][] = [
    [utf8, fc.string()],
    [float64, fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0)],
    [int64, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
    [bool, fc.boolean()],
  ];
  for (const [create, value] of types) {
    fc.assert(
      fc.property(fc.array(fc.option(value), { maxLength: 20 }), fc.nat(20), fc.nat(20), (values, a, b) => {
        const slice: [number, number] = [Math.min(a, b, values.length), Math.min(Math.max(a, b), values.length)];
        const text = (value: unknown) => value === null ? null : typeof value === "string" ? value : String(value);
        assertEquals(keysOf(create({ nullable: true }), values, slice), values.slice(...slice).map(text));
      }),
      { numRuns: 300 },
    );
  }
});

Deno.test("encodeKeys() reads dictionaries, of one chunk and of several", () => {
  const type = new Dictionary(new Utf8(), new Int32());
  const one = vectorFromArray(["zero", "one", null], new Utf8());
  for (const dictionary of [one, one.concat(vectorFromArray(["drei", "vier"], new Utf8()).slice(1) as Any)]) {
    const last = dictionary.length - 1;
    const data = makeData(
      { type, data: Int32Array.of(last, 1, 2, 0), nullBitmap: Uint8Array.of(0b1101), dictionary } as Any,
    );
    const field = new Field("key", type, true);
    const struct = makeData({ type: new Struct([field]), length: 4, children: [data] });
    const batch = new RecordBatch(new Schema([field]), struct as Any) as unknown as Batch;
    assertEquals(spanTexts(encodeKeys(batch, "key")), [last === 2 ? null : "vier", null, null, "zero"]);
    assertEquals(spanTexts(encodeKeys(batch.slice(1, 4), "key")), [null, null, "zero"]);
  }
});

Deno.test("encodeKeys() gives equal keys for equal numbers: -0 is 0", () => {
  assertEquals(keysOf(float64(), [0, -0]), ["0", "0"]);
});

Deno.test("encodeKeys() names column and row of a number without a JSON text, and columns that are no scalars", () => {
  const error = assertThrows(() => keysOf(float64(), [1, NaN]), SerializationError, "column 'key' as keys as row 1");
  assertEquals(error.context, { column: "key", row: 1 });
  assertThrows(() => keysOf(list(utf8()), [[]]), TypeError, "must be a scalar");
  assertThrows(() => encodeKeys(batchOf({ a: utf8() }, []) as Batch<Any>, "b"), TypeError, "Cannot find column 'b'");
});

Deno.test("encodeKeys() does not refuse NaN under a null", () => {
  const batch = batchFromColumns({ key: float64({ nullable: true }) }, {
    key: { values: Float64Array.of(NaN, 2), validity: Uint8Array.of(0b10) },
  }, 2);
  assertEquals(spanTexts(encodeKeys(batch, "key")), [null, "2"]);
});
