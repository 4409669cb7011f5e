import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { batchOf } from "../../columns/batch_of.ts";
import { spansOf } from "../../columns/spans.ts";
import { bool, type Columns, type ColumnType, float64, list, struct, utf8 } from "../../columns/schema.ts";
import { recordKey } from "../record_key.ts";
import { spanTexts } from "./encode_reference_test.ts";
import { json } from "./json.ts";

Deno.test("json() with columns decodes and encodes by them", () => {
  const codec = json({ id: utf8(), xs: list(float64()) });
  assertEquals([codec.format, codec.isInferred, Object.keys(codec.schema)], ["json", false, ["id", "xs"]]);
  const values = spansOf(['{"xs":[1,2.5],"id":"a"}', '{"id":1}', '{ "id": "é", "xs": [] }']);
  const { batch, rejected } = codec.decoder().decode(values, 0, 3);
  assertEquals(rejected.map(({ row }) => row), [1]);
  assertEquals(spanTexts(codec.encoder().encode(batch).values), ['{"id":"a","xs":[1,2.5]}', '{"id":"é","xs":[]}']);
});

Deno.test("json() gives each task its own decoder and encoder", () => {
  for (const codec of [json({ id: utf8() }), json()]) {
    assert(codec.decoder() !== codec.decoder());
    assert(codec.encoder() !== codec.encoder());
  }
});

Deno.test("json() with isEvalAllowed false gives the same bytes", () => {
  const columns = { id: utf8(), x: float64({ nullable: true }) };
  const batch = batchOf(columns, [{ id: '"', x: 0.1 }, { id: "", x: null }]);
  const compiled = json(columns).encoder().encode(batch);
  assertEquals(json(columns, { isEvalAllowed: false }).encoder().encode(batch).values.bytes, compiled.values.bytes);
});

Deno.test("json() without columns infers them and has no schema", () => {
  const codec = json();
  assertEquals([codec.format, codec.isInferred], ["json", true]);
  assertStrictEquals(codec.schema, undefined as unknown as Columns);
  const { batch } = codec.decoder().decode(spansOf(['{"b":1,"a":[true,null]}']), 0, 1);
  assertEquals(spanTexts(codec.encoder().encode(batch).values), ['{"b":1,"a":[true,null]}']);
});

Deno.test("json() fills a recordKey() column from the key and leaves it out of the value", () => {
  const codec = json({ device: recordKey(utf8()), x: float64() });
  const { batch } = codec.decoder().decode(spansOf(['{"x":1}', '{"x":2}']), 0, 2, spansOf(["a", "b"]));
  assertEquals(batch.getChild("device").toJSON(), ["a", "b"]);
  assertEquals(spanTexts(codec.encoder().encode(batch).values), ['{"x":1}', '{"x":2}']);
});

Deno.test("json() does not see later changes to the object that it was given", () => {
  const columns: Record<string, ColumnType> = { a: utf8() };
  const codec = json(columns);
  columns.b = utf8();
  assertEquals(Object.keys(codec.schema), ["a"]);
  assert(Object.isFrozen(codec));
});

Deno.test("json() names what is wrong with a schema", () => {
  // deno-lint-ignore no-explicit-any
  const create = (schema: any) => () => json(schema);
  assertThrows(create({}), TypeError, "at least one column: current value is {}");
  assertThrows(create(null), TypeError, "current value is null");
  assertThrows(create({ a: "utf8" }), TypeError, "column 'a' must be a column type: current value is utf8");
  assertThrows(create({ a: struct({ b: recordKey(bool()) }) }), TypeError, "it is on 'a.b'");
  assertThrows(create({ a: list(recordKey(bool())) }), TypeError, "it is on 'a[]'");
  assertThrows(create({ a: recordKey(utf8()), b: recordKey(utf8()) }), TypeError, "'a' is, and 'b'");
});
