import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { batchFromColumns } from "./batch.ts";
import { conformBatch } from "./conform.ts";
import { float64, int32, utf8 } from "./schema.ts";

const wide = { a: int32(), b: float64(), c: utf8({ nullable: true }) };
const batch = batchFromColumns(wide, {
  a: Int32Array.of(1, 2),
  b: Float64Array.of(1.5, 2.5),
  c: { values: new TextEncoder().encode("xy"), offsets: Int32Array.of(0, 1, 2), validity: Uint8Array.of(0b01) },
}, 2);

Deno.test("conformBatch() keeps the schema's columns in the schema's order", () => {
  const narrow = conformBatch({ b: float64(), a: int32() }, batch);
  assertEquals(narrow.schema.fields.map((field) => field.name), ["b", "a"]);
  assertEquals([...narrow.getChild("a")], [1, 2]);
  assertEquals([...narrow.getChild("b")], [1.5, 2.5]);
});

Deno.test("conformBatch() copies no values", () => {
  assertStrictEquals(conformBatch({ b: float64() }, batch).data.children[0]!.values, batch.data.children[1]!.values);
});

Deno.test("conformBatch() refuses a missing column, another type and nulls in a column without nulls", () => {
  assertThrows(() => conformBatch({ d: int32() }, batch), TypeError, "d");
  assertThrows(() => conformBatch({ a: float64() }, batch), TypeError, "a");
  assertThrows(() => conformBatch({ c: utf8() }, batch), TypeError, "c");
});
