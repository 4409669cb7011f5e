import { assertEquals, assertThrows } from "@std/assert";
import {
  Decimal,
  Dictionary,
  Field,
  Float16,
  Float32,
  Int16,
  Int32,
  Int8,
  makeData,
  Null,
  RecordBatch,
  Schema,
  Struct,
  TimestampMicrosecond,
  Uint32,
  Uint64,
  Uint8,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { batchFromColumns } from "../../columns/batch.ts";
import { batchOf } from "../../columns/batch_of.ts";
import { type Batch, bool, float64, int32, int64, list, struct, timestampMs, utf8 } from "../../columns/schema.ts";
import { readEncoded } from "./encode_reference_test.ts";
import { createJsonEncoder } from "./json_encoder.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

/** A batch of vectors by name, as a foreign program may hand it over. */
function foreignBatch(columns: Record<string, Any>): Batch<Any> {
  const entries = Object.entries(columns);
  const fields = entries.map(([name, vector]) => new Field(name, vector.type, true));
  const length = entries[0]![1].length;
  const children = entries.map(([, vector]) => vector.data[0]);
  const data = makeData({ type: new Struct(fields), length, children });
  return new RecordBatch(new Schema(fields), data as Any) as Any;
}

function textsOf(batch: Batch<Any>, isEvalAllowed: boolean): unknown[] {
  return readEncoded(createJsonEncoder(undefined, { isEvalAllowed }).encode(batch)).texts;
}

for (const isEvalAllowed of [true, false]) {
  const way = isEvalAllowed ? "compiled" : "closures";

  Deno.test(`createJsonEncoder() (${way}) writes a batch by its own Arrow schema`, () => {
    const batch = foreignBatch({
      i8: vectorFromArray([-128, null, 127], new Int8()),
      i16: vectorFromArray([-32768, null, 1], new Int16()),
      u8: vectorFromArray([255, null, 0], new Uint8()),
      u32: vectorFromArray([4294967295, null, 7], new Uint32()),
      u64: vectorFromArray([18446744073709551615n, null, 0n], new Uint64()),
      f32: vectorFromArray([0.1, null, 1.5], new Float32()),
      tag: vectorFromArray(["a", null, 'b"'], new Dictionary(new Utf8(), new Int32())),
      none: vectorFromArray([null, null, null], new Null()),
    });
    assertEquals(textsOf(batch, isEvalAllowed), [
      '{"i8":-128,"i16":-32768,"u8":255,"u32":4294967295,"u64":18446744073709551615,"f32":0.10000000149011612,"tag":"a","none":null}',
      '{"i8":null,"i16":null,"u8":null,"u32":null,"u64":null,"f32":null,"tag":null,"none":null}',
      '{"i8":127,"i16":1,"u8":0,"u32":7,"u64":0,"f32":1.5,"tag":"b\\"","none":null}',
    ]);
    assertEquals(textsOf(batch.slice(2, 3), isEvalAllowed).length, 1);
  });

  Deno.test(`createJsonEncoder() (${way}) reads dictionaries of several chunks, with nulls and in a slice`, () => {
    const type = new Dictionary(new Utf8(), new Int32());
    const dictionary = vectorFromArray(["zero", "one"], new Utf8()).concat(
      vectorFromArray([null, "thrée", "four"], new Utf8()).slice(0, 2) as Any,
    );
    const data = makeData({ type, data: Int32Array.of(3, 2, 1, 0, 3), dictionary, length: 5 } as Any);
    const batch = foreignBatch({ tag: { type, length: 5, data: [data] } });
    assertEquals(textsOf(batch, isEvalAllowed), [
      '{"tag":"thrée"}',
      '{"tag":null}',
      '{"tag":"one"}',
      '{"tag":"zero"}',
      '{"tag":"thrée"}',
    ]);
    assertEquals(textsOf(batch.slice(1, 3), isEvalAllowed), ['{"tag":null}', '{"tag":"one"}']);
    const declared = createJsonEncoder({ tag: utf8() }, { isEvalAllowed }).encode(batch);
    assertEquals(declared.rejected, [{ row: 1, reason: "column 'tag' is null but not nullable", position: -1 }]);
  });

  Deno.test(`createJsonEncoder() (${way}) grows its output for any content`, () => {
    const columns = { text: utf8(), raw: list(list(struct({ x: float64(), y: utf8() }))), tail: int64() };
    const element = { x: -1.2345678901234567e-300, y: "\u0001".repeat(90) };
    const rows = Array.from({ length: 40 }, (_, i) => ({
      text: '"\u0002'.repeat(i * 37),
      raw: Array.from({ length: i % 7 }, () => Array.from({ length: i }, () => element)),
      tail: -(2n ** 63n),
    }));
    const encoder = createJsonEncoder(columns, { isEvalAllowed });
    const expected = rows.map((row) => JSON.stringify({ ...row, tail: 0 }).replace(/0}$/, "-9223372036854775808}"));
    for (let round = 0; round < 2; round++) {
      assertEquals(readEncoded(encoder.encode(batchOf<Any>(columns, rows))).texts, expected);
    }
    // After small rows the next buffer is small again.
    encoder.encode(batchOf<Any>(columns, Array.from({ length: 9 }, () => ({ text: "", raw: [], tail: 0n }))));
    assertEquals(readEncoded(encoder.encode(batchOf<Any>(columns, rows))).texts, expected);
  });

  Deno.test(`createJsonEncoder() (${way}) refuses a row in the middle of a list and leaves its neighbours alone`, () => {
    const columns = { id: int32(), xs: list(struct({ x: float64() })), flag: bool() };
    const rows = [[1, 2], [3, NaN, 4], [5], [], [-Infinity]].map((xs, id) => ({
      id,
      xs: xs.map((x) => ({ x })),
      flag: id % 2 === 0,
    }));
    const encoded = createJsonEncoder(columns, { isEvalAllowed }).encode(batchOf(columns, rows));
    const reason = "column 'xs[].x' is NaN or infinite, which JSON cannot hold";
    assertEquals(readEncoded(encoded), {
      texts: [0, 2, 3].map((row) => JSON.stringify(rows[row])),
      rows: [0, 2, 3],
      rejected: [{ row: 1, reason, position: -1 }, { row: 4, reason, position: -1 }],
    });
  });

  Deno.test(`createJsonEncoder() (${way}) gives no rows for an empty batch and none accepted`, () => {
    const columns = { x: float64() };
    const encoder = createJsonEncoder(columns, { isEvalAllowed });
    assertEquals(readEncoded(encoder.encode(batchOf(columns, []))), { texts: [], rows: null, rejected: [] });
    const none = readEncoded(encoder.encode(batchOf(columns, [{ x: NaN }])));
    assertEquals([none.texts, none.rows, none.rejected.length], [[], [], 1]);
  });
}

Deno.test("createJsonEncoder() keeps earlier output when it encodes the next batch", () => {
  const columns = { x: utf8() };
  const encoder = createJsonEncoder(columns);
  const first = encoder.encode(batchOf(columns, [{ x: "first" }]));
  encoder.encode(batchOf(columns, [{ x: "other" }]));
  assertEquals(readEncoded(first).texts, ['{"x":"first"}']);
});

Deno.test("createJsonEncoder() writes no code that a column name could smuggle in", () => {
  const name = '"+(()=>{throw 1})()+"`${x}\n*/';
  const columns = { [name]: struct({ [name]: float64() }) };
  const row = { [name]: { [name]: 1 } };
  const encoded = createJsonEncoder(columns).encode(batchOf<Any>(columns, [row]));
  assertEquals(readEncoded(encoded).texts, [JSON.stringify(row)]);
});

Deno.test("createJsonEncoder() names the column that is missing or of another type", () => {
  const batch = batchOf({ a: float64(), s: struct({ b: utf8() }) }, [{ a: 1, s: { b: "" } }]) as Batch<Any>;
  const encode = (columns: Any) => () => createJsonEncoder(columns).encode(batch);
  assertThrows(encode({ c: float64() }), TypeError, "it lacks column 'c': its columns are a, s");
  assertThrows(encode({ s: struct({ c: utf8() }) }), TypeError, "it lacks column 's.c'");
  assertThrows(encode({ a: int32() }), TypeError, "Cannot encode column 'a' as int32: its Arrow type is Float64");
  assertThrows(encode({ a: timestampMs() }), TypeError, "column 'a'");
  assertThrows(encode({ s: struct({ b: bool() }) }), TypeError, "Cannot encode column 's.b' as bool");
});

Deno.test("createJsonEncoder() names the column whose Arrow type JSON has no form for", () => {
  const types = [new Decimal(2, 10), new Float16(), new TimestampMicrosecond()];
  for (const type of types) {
    const batch = foreignBatch({ price: { type, length: 0, data: [makeData({ type, length: 0 } as Any)] } });
    assertThrows(() => createJsonEncoder(undefined).encode(batch), TypeError, "column 'price'");
  }
});

Deno.test("createJsonEncoder() recompiles when the batch's columns change their order or type", () => {
  const encoder = createJsonEncoder({ a: float64({ nullable: true }), b: utf8() });
  const texts = (batch: Batch<Any>) => readEncoded(encoder.encode(batch)).texts;
  assertEquals(texts(batchOf({ a: float64(), b: utf8() }, [{ a: 1, b: "x" }])), ['{"a":1,"b":"x"}']);
  assertEquals(texts(batchOf({ b: utf8(), a: float64() }, [{ a: 2, b: "y" }])), ['{"a":2,"b":"y"}']);
  const single = foreignBatch({ b: vectorFromArray(["z"], new Utf8()), a: vectorFromArray([0.5], new Float32()) });
  assertEquals(texts(single), ['{"a":0.5,"b":"z"}']);
  for (let i = 0; i < 40; i++) {
    const wide = { [`c${i}`]: int32(), a: float64(), b: utf8() };
    assertEquals(texts(batchOf<Any>(wide, [{ [`c${i}`]: 1, a: i, b: "" }])), [`{"a":${i},"b":""}`]);
  }
});

Deno.test("createJsonEncoder() falls back to closures where code generation is forbidden", () => {
  const original = globalThis.Function;
  let attempts = 0;
  function Forbidden(): never {
    attempts++;
    throw new EvalError("Code generation from strings disallowed for this context");
  }
  Forbidden.prototype = original.prototype;
  const columns = { x: float64() };
  const batch = batchOf(columns, [{ x: 1.5 }]);
  try {
    globalThis.Function = Forbidden as Any;
    assertEquals(readEncoded(createJsonEncoder(columns).encode(batch)).texts, ['{"x":1.5}']);
    assertEquals(attempts, 1);
    createJsonEncoder(columns, { isEvalAllowed: false }).encode(batch);
    assertEquals(attempts, 1);
  } finally {
    globalThis.Function = original;
  }
});

Deno.test("createJsonEncoder() writes nulls under a null struct as one null", () => {
  const columns = { s: struct({ x: float64() }, { nullable: true }) };
  const batch = batchFromColumns(columns, {
    s: { validity: Uint8Array.of(0b01), columns: { x: Float64Array.of(1, NaN) } },
  }, 2);
  assertEquals(readEncoded(createJsonEncoder(columns).encode(batch)).texts, ['{"s":{"x":1}}', '{"s":null}']);
});
