import { createRequire } from "node:module";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import * as arrow from "apache-arrow";
import { asBatch } from "./as_batch.ts";
import { batchFromColumns } from "./batch.ts";
import { batchOf } from "./batch_of.ts";
import { filter } from "./filter.ts";
import { rows } from "./rows.ts";
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
} from "./schema.ts";
import { take } from "./take.ts";

/** The same library loaded a second time: its classes are other classes. */
const foreign = createRequire(import.meta.url)("apache-arrow") as typeof arrow;
const nullable = { nullable: true } as const;

function read(type: ColumnType, values: readonly unknown[], of: arrow.DataType, from: typeof arrow = arrow): unknown[] {
  const vector = from.vectorFromArray(values as never, of as never) as arrow.Vector;
  const batch = new from.RecordBatch({ x: vector.data[0]! }) as unknown as arrow.RecordBatch;
  return [...rows(asBatch({ x: type } as Columns, batch))].map((row) => (row as { x: unknown }).x);
}

Deno.test("asBatch() adopts a batch of another copy of Arrow, without copying its buffers", () => {
  const made = foreign.tableFromArrays({ f: Float64Array.of(1.5, 2.5), s: ["a", "b"] }).batches[0]!;
  assert((made as object).constructor !== arrow.RecordBatch, "the second copy is not a second copy");
  const schema = { f: float64(), s: utf8() };
  const text = new foreign.Utf8();
  const batch = new foreign.RecordBatch({
    f: made.getChild("f")!.data[0]!,
    s: foreign.vectorFromArray(["a", "b"], text).data[0]!,
  });
  const adopted = asBatch(schema, batch as never);
  assertEquals([...rows(adopted)], [{ f: 1.5, s: "a" }, { f: 2.5, s: "b" }]);
  assertStrictEquals(adopted.data.children[0]!.values, batch.data.children[0]!.values);
  assertStrictEquals(adopted.constructor, arrow.RecordBatch);
  assertEquals([...rows(filter(adopted, (c) => c.f.greaterThan(2)))], [{ f: 2.5, s: "b" }]);
});

Deno.test("asBatch() adopts slices, nulls and nested columns of another copy of Arrow", () => {
  const schema = {
    b: bool(nullable),
    l: list(utf8(nullable), nullable),
    o: struct({ x: int32(), y: timestampMs(nullable) }, nullable),
    z: binary(nullable),
  };
  const given = [
    { b: true, l: ["a", null], o: { x: 1, y: 5 }, z: Uint8Array.of(1) },
    { b: null, l: null, o: null, z: null },
    { b: false, l: [], o: { x: 2, y: null }, z: new Uint8Array(0) },
    { b: true, l: ["ü"], o: { x: 3, y: -1 }, z: Uint8Array.of(2, 3) },
  ];
  const bytes = arrow.RecordBatchStreamWriter.writeAll([batchOf(schema, given)]).toUint8Array(true);
  const [batch] = foreign.tableFromIPC(bytes).batches;
  for (const [from, to] of [[0, 4], [1, 4], [1, 3], [3, 4], [2, 2]] as const) {
    const adopted = asBatch(schema, batch!.slice(from, to) as never);
    const plain = [...rows(adopted)].map((row) => ({ ...row, z: row.z && Uint8Array.from(row.z) }));
    assertEquals(plain, given.slice(from, to) as never);
    assertEquals([...rows(take(adopted, [0].slice(0, adopted.numRows)))].length, Math.min(1, to - from));
  }
});

Deno.test("asBatch() widens where every value stays exact", () => {
  const f32 = [1.5, null, -0.25];
  assertEquals(read(float64(nullable), f32, new arrow.Float32()), f32);
  for (const type of [new arrow.Int8(), new arrow.Int16(), new arrow.Int32(), new arrow.Uint8(), new arrow.Uint16()]) {
    assertEquals(read(float64(nullable), [1, null, 100], type), [1, null, 100]);
    assertEquals(read(int32(nullable), [1, null, 100], type), [1, null, 100]);
    assertEquals(read(int64(nullable), [1, null, 100], type), [1n, null, 100n]);
  }
  assertEquals(read(int64(), [4294967295, 0], new arrow.Uint32()), [4294967295n, 0n]);
  assertEquals(read(float64(), [4294967295, 0], new arrow.Uint32()), [4294967295, 0]);
  assertEquals(read(timestampMs(), [5000, 7000], new arrow.TimestampSecond()), [5000, 7000]);
  assertEquals(read(timestampMs(), [5, 7], new arrow.DateMillisecond()), [5, 7]);
  assertEquals(read(utf8(nullable), ["a", null, "é"], new arrow.LargeUtf8()), ["a", null, "é"]);
  assertEquals(read(utf8(nullable), [null, null], new arrow.Null()), [null, null]);
  assertEquals(read(binary(), [Uint8Array.of(1, 2), Uint8Array.of()], new arrow.LargeBinary()).map(String), [
    "1,2",
    "",
  ]);
});

Deno.test("asBatch() reads dictionary-encoded text, with nulls and as a slice", () => {
  const values = ["a", "bb", null, "a", "ccc", "bb"];
  for (const index of ["Int8", "Int32", "Uint16"] as const) {
    for (const from of [arrow, foreign]) {
      const type = new from.Dictionary(new from.Utf8(), new from[index]());
      assertEquals(read(utf8(nullable), values, type, from), values);
    }
    const type = new arrow.Dictionary(new arrow.Utf8(), new arrow[index]());
    const vector = arrow.vectorFromArray(values, type);
    const batch = new arrow.RecordBatch({ x: vector.data[0]! }).slice(1, 5);
    assertEquals([...rows(asBatch({ x: utf8(nullable) }, batch))].map((row) => row.x), values.slice(1, 5));
    assertThrows(() => asBatch({ x: utf8() }, batch), TypeError, "a null in row 1");
  }
});

Deno.test("asBatch() widens inside lists and structs and finds struct columns by name", () => {
  const floats = new arrow.List(arrow.Field.new("item", new arrow.Float32()));
  assertEquals(read(list(float64(nullable)), [[1.5], [], [2, 3]], floats), [[1.5], [], [2, 3]]);
  const type = new arrow.Struct<arrow.TypeMap>([
    arrow.Field.new("y", new arrow.Utf8(), true),
    arrow.Field.new("more", new arrow.Bool(), true),
    arrow.Field.new("x", new arrow.Int16(), true),
  ]);
  const values = [{ x: 1, y: "a", more: true }, null, { x: 2, y: null, more: null }];
  const wanted = struct({ x: int32(), y: utf8(nullable) }, nullable);
  assertEquals(read(wanted, values, type), [{ x: 1, y: "a" }, null, { x: 2, y: null }]);
  assertThrows(
    () => read(struct({ x: int32(), y: utf8() }, nullable), values, type),
    TypeError,
    "'x.y' must be utf8 without",
  );
});

Deno.test("asBatch() names column, expected and found type when a value could change", () => {
  const refused: [ColumnType, unknown[], arrow.DataType, string][] = [
    [int32(), [1], new arrow.Uint32(), "column 'x' must be int32: current value is Uint32"],
    [int32(), [1n], new arrow.Int64(), "column 'x' must be int32: current value is Int64"],
    [int64(), [1n], new arrow.Uint64(), "column 'x' must be int64: current value is Uint64"],
    [float64(), [1n], new arrow.Int64(), "column 'x' must be float64: current value is Int64"],
    [utf8(), [1], new arrow.Int32(), "column 'x' must be utf8: current value is Int32"],
    [bool(), ["a"], new arrow.Utf8(), "column 'x' must be bool: current value is Utf8"],
    [
      timestampMs(),
      [1],
      new arrow.TimestampNanosecond(),
      "column 'x' must be timestampMs: current value is Timestamp<NANO",
    ],
    [timestampMs(), [1n], new arrow.Int64(), "column 'x' must be timestampMs: current value is Int64"],
    [
      float64(),
      [1, null],
      new arrow.Float64(),
      "column 'x' must be float64 without nulls: current value is a null in row 1",
    ],
    [utf8(), [null], new arrow.Null(), "column 'x' must be utf8 without nulls: current value is nulls only"],
    [list(utf8()), [["a"], ["b", null]], new arrow.List(arrow.Field.new("i", new arrow.Utf8(), true)), "column 'x[]'"],
  ];
  for (const [type, values, of, message] of refused) {
    assertThrows(() => read(type, values, of), TypeError, message);
  }
  const batch = batchOf({ a: utf8(), b: utf8() }, []);
  assertThrows(() => asBatch({ c: utf8() }, batch), TypeError, "Cannot find column 'c': the columns are a, b");
});

Deno.test("asBatch() refuses instants that a number cannot hold", () => {
  const instants = batchFromColumns({ x: timestampMs() }, { x: BigInt64Array.of(0n, 2n ** 53n) }, 2);
  assertThrows(() => asBatch({ x: timestampMs() }, instants), TypeError, "9007199254740992 in row 1");
});

Deno.test("asBatch() drops columns that are not asked for, and a nullable flag that is", () => {
  const batch = batchOf({ a: utf8(nullable), b: utf8() }, [{ a: "1", b: "2" }]);
  const adopted = asBatch({ a: utf8() }, batch);
  assertEquals(adopted.schema.fields.map((field) => [field.name, field.nullable]), [["a", false]]);
});

Deno.test("asBatch() says that rows, columns and nothing at all are no batch", () => {
  const schema = { a: utf8() };
  for (const value of [[{ a: "1" }], { a: "1" }, undefined, null, "a", 5, batchOf(schema, []).getChild("a")]) {
    assertThrows(() => asBatch(schema, value as never), TypeError, "must be a RecordBatch, such as batchOf() makes");
  }
});
