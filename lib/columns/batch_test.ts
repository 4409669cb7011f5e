import { assert, assertEquals, assertThrows } from "@std/assert";
import { batchFromColumns, type ColumnInput } from "./batch.ts";
import { batchOf } from "./batch_of.ts";
import { plainRowMaker, rows } from "./rows.ts";
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
import { selectColumns, withColumn } from "./select_columns.ts";
import { take } from "./take.ts";
import { filter } from "./filter.ts";

const nullable = { nullable: true } as const;

Deno.test("batchOf() names row, column, what is wanted and what came", () => {
  const wrong: [ColumnType, unknown, string][] = [
    [float64(), "warm", `column 'x' (float64) of row 1 wants a number: current value is "warm"`],
    [float64(), null, "column 'x' (float64) of row 1 wants a value, as it is not nullable: current value is null"],
    [float64(), undefined, "current value is undefined"],
    [int32(), 1.5, "wants an integer of 32 bits: current value is 1.5"],
    [int32(), 2 ** 31, "wants an integer of 32 bits"],
    [int64(), 1, "wants a bigint of 64 bits: current value is 1"],
    [int64(), 2n ** 63n, "wants a bigint of 64 bits: current value is 9223372036854775808n"],
    [timestampMs(), new Date(0), "wants epoch milliseconds as an integer"],
    [timestampMs(), 2 ** 53, "wants epoch milliseconds as an integer"],
    [timestampMs(), NaN, "current value is NaN"],
    [utf8(), 7, "wants a string: current value is 7"],
    [utf8(), "\ud800", "wants a string without lone surrogates"],
    [binary(), [1], "wants a Uint8Array: current value is [1]"],
    [bool(), 1, "wants true or false: current value is 1"],
    [list(utf8()), "a", "column 'x' (list) of row 1 wants an array"],
    [list(utf8()), ["a", 7], "column 'x[1]' (list) of row 1 wants a string: current value is 7"],
    [list(list(int32())), [[1], [2, null]], "column 'x[1][1]' (list) of row 1 wants a value"],
    [struct({ y: int32() }), 3, "column 'x' (struct) of row 1 wants an object"],
    [struct({ y: int32() }), {}, "column 'x.y' (struct) of row 1 wants a value"],
    [struct({ y: int32() }), { y: 1, z: 2 }, 'wants no field but y: current value is "z"'],
    [
      struct({ y: list(bool()) }, nullable),
      { y: [true, "no"] },
      "column 'x.y[1]' (struct) of row 1 wants true or false",
    ],
  ];
  const right: Record<string, unknown> = {
    float64: 1,
    int32: 1,
    int64: 1n,
    timestampMs: 1,
    utf8: "",
    binary: new Uint8Array(0),
    bool: true,
    list: [],
  };
  for (const [type, value, message] of wrong) {
    const first = type.kind !== "struct" ? right[type.kind] : type.nullable ? null : { y: 1 };
    const build = () => batchOf({ x: type } as Columns, [{ x: first }, { x: value }, { x: value }]);
    assertThrows(build, TypeError, message);
  }
  assertThrows(
    () => batchOf({ a: int32() }, [{ a: 1, b: 2 } as never]),
    TypeError,
    "row 0 has a value for none of the columns a",
  );
  assertThrows(() => batchOf({ a: int32() }, [null as never]), TypeError, "row 0 must be an object");
  assertThrows(() => batchOf({ toString: int32() } as Columns, [{}]), TypeError, "column 'toString' (int32) of row 0");
});

Deno.test("batchOf() takes a missing value of a nullable column as null", () => {
  assertEquals([...rows(batchOf({ a: utf8(nullable) }, [{} as never]))], [{ a: null }]);
});

Deno.test("batchFromColumns() takes typed arrays without a copy, also as words and longer than the batch", () => {
  const schema = {
    f: float64(),
    i: int32(),
    n: int64(),
    t: timestampMs(),
    b: bool(),
    s: utf8(nullable),
    l: list(int32()),
  };
  const f = Float64Array.of(1.5, 2.5, 99);
  const batch = batchFromColumns(schema, {
    f,
    i: Int32Array.of(1, 2),
    n: Int32Array.of(-1, -1, 0, 1),
    t: BigInt64Array.of(5n, 6n),
    b: Uint8Array.of(2),
    s: { values: new TextEncoder().encode("xxab"), offsets: Int32Array.of(2, 4, 4), validity: Uint8Array.of(1) },
    l: { offsets: Int32Array.of(0, 1, 3), element: Int32Array.of(7, 8, 9) },
  }, 2);
  assertEquals([...rows(batch)], [
    { f: 1.5, i: 1, n: -1n, t: 5, b: false, s: "ab", l: [7] },
    { f: 2.5, i: 2, n: 4294967296n, t: 6, b: true, s: null, l: [8, 9] },
  ]);
  assert((batch.data.children[0]!.values as Float64Array).buffer === f.buffer);
  assertEquals(batch.getChild("t").get(1), 6);
  assertEquals(batch.getChild("s").nullCount, 1);
});

Deno.test("batchFromColumns() names the column that does not fit", () => {
  const wrong: [ColumnType, ColumnInput | undefined, string][] = [
    [float64(), undefined, "column 'x' is missing"],
    [float64(), Int32Array.of(1, 2), "its values must be Float64Array: current value is Int32Array"],
    [float64(), Float64Array.of(1), "it needs 2 values: current value is 1"],
    [int64(), Int32Array.of(1, 2, 3), "its words must be whole"],
    [bool(), new Uint8Array(0), "it needs 2 bits"],
    [utf8(), { values: new Uint8Array(3) }, "its offsets must be 3 int32"],
    [utf8(), { values: new Uint8Array(3), offsets: Int32Array.of(0, 1, 4) }, "its offsets must lie within 0 and 3"],
    [
      float64(),
      { values: Float64Array.of(1, 2), validity: Uint8Array.of(1) },
      "it is not nullable: current value is 1 nulls",
    ],
    [float64(nullable), { values: Float64Array.of(1, 2), validity: new Uint8Array(0) }, "its validity needs 2 bits"],
    [
      float64(),
      batchOf({ x: int32() }, [{ x: 1 }, { x: 2 }]).data.children[0]!,
      "its type must be Float64: current value is Int32",
    ],
    [float64(), batchOf({ x: float64() }, [{ x: 1 }]).data.children[0]!, "it must have 2 rows: current value is 1"],
    [struct({ y: int32() }), { columns: {} }, "its inner columns must be given"],
  ];
  for (const [type, input, message] of wrong) {
    assertThrows(() => batchFromColumns({ x: type } as Columns, { x: input! }, 2), TypeError, message);
  }
});

Deno.test("take() refuses row numbers that are no rows", () => {
  const batch = batchOf({ x: int32() }, [{ x: 1 }, { x: 2 }]);
  for (const row of [-1, 2, 0.5, NaN]) {
    assertThrows(() => take(batch, [0, row]), RangeError, `integers >= 0 and < 2: current value is ${row}`);
  }
});

Deno.test("filter() takes a bool column, and refuses masks of another length", () => {
  const batch = batchOf({ x: int32(), ok: bool(nullable) }, [
    { x: 1, ok: true },
    { x: 2, ok: null },
    { x: 3, ok: false },
    { x: 4, ok: true },
  ]);
  assertEquals([...rows(filter(batch, batch.getChild("ok")))].map((row) => row.x), [1, 4]);
  const tail = batch.slice(1);
  assertEquals([...rows(filter(tail, tail.getChild("ok")))].map((row) => row.x), [4]);
  assertThrows(() => filter(batch, new Uint8Array(3)), RangeError, "must have 4 rows: current value is 3");
  assertThrows(() => filter(batch, tail.getChild("ok")), RangeError, "must have 4 rows: current value is 3");
});

Deno.test("withColumn() takes a column, replaces in place, and refuses another length", () => {
  const batch = batchOf({ a: int32(), b: utf8() }, [{ a: 1, b: "x" }, { a: 2, b: "y" }]);
  const replaced = withColumn(batch, "a", batch.getChild("b"));
  assertEquals([...rows(replaced)], [{ a: "x", b: "x" }, { a: "y", b: "y" }]);
  assertEquals(replaced.schema.fields.map((field) => field.name), ["a", "b"]);
  assertEquals([...rows(withColumn(batch, "7", (c) => c.a.plus(1)))], [{ a: 1, b: "x", "7": 2 }, {
    a: 2,
    b: "y",
    "7": 3,
  }]);
  assertThrows(() => withColumn(batch, "c", batch.slice(1).getChild("b")), TypeError, "it must have 2 rows");
});

Deno.test("selectColumns() names the column that does not exist, inherited names included", () => {
  const batch = batchOf({ a: int32() }, []) as Batch;
  for (const name of ["b", "toString", "__proto__"]) {
    assertThrows(() => selectColumns(batch, name), TypeError, `Cannot find column '${name}': the columns are a`);
  }
});

Deno.test("rows() gives fresh objects that can be kept, also without code generation", () => {
  const batch = batchOf({ a: int32() }, [{ a: 1 }, { a: 2 }]);
  const kept = [...rows(batch)];
  assertEquals(kept, [{ a: 1 }, { a: 2 }]);
  const make = plainRowMaker(["a", "__proto__"])([(row) => row, () => "own"]);
  assertEquals(Object.entries(make(5)), [["a", 5], ["__proto__", "own"]]);
});

Deno.test("batchOf() says what is wrong with a schema or rows of another kind", () => {
  const holder = { name: "readings", schema: { a: int32() } };
  assertThrows(() => batchOf(holder as never, []), TypeError, "column 'name' must be a column type such as utf8()");
  assertThrows(() => batchOf({ a: int32 } as never, []), TypeError, "current value is a function");
  assertThrows(() => batchOf(undefined as never, []), TypeError, "its schema must be an object");
  assertThrows(() => batchOf({ a: int32() }, { a: 1 } as never), TypeError, "its rows must be an array");
});

Deno.test("batchFromColumns() names what a plain array should have been", () => {
  const plain = [1, 2] as unknown as Int32Array;
  assertThrows(() => batchFromColumns({ a: int32() }, { a: plain }, 2), TypeError, "current value is Array");
  const texts = ["x"] as unknown as Int32Array;
  assertThrows(() => batchFromColumns({ a: utf8() }, { a: texts }, 1), TypeError, "current value is Array");
});

Deno.test("filter() refuses a condition that is neither callback, bool column nor mask", () => {
  const batch = batchOf({ a: int32() }, [{ a: 1 }, { a: 2 }]);
  const message = "must be a callback, a bool column or a Uint8Array";
  for (const condition of [[true, false], true, undefined, null, { a: 1 }, batch.getChild("a")]) {
    assertThrows(() => filter(batch, condition as never), TypeError, message);
  }
});
