import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { batchFromColumns } from "../columns/batch.ts";
import { batchOf } from "../columns/batch_of.ts";
import { binary, type Columns, utf8 } from "../columns/schema.ts";
import { spanBytes, spansOf } from "../columns/spans.ts";
import { spanTexts } from "./json/encode_reference_test.ts";
import { text } from "./text.ts";

Deno.test("text() decodes values as they stand and refuses nulls and malformed UTF-8", () => {
  const values = spansOf(["a", null, "", Uint8Array.of(0x41, 0xff), "é\n"]);
  const { batch, rows, rejected } = text().decoder().decode(values, 0, 5);
  assertEquals(batch.getChild("value").toJSON(), ["a", "", "é\n"]);
  assertEquals(Array.from(rows!), [0, 2, 4]);
  assertEquals(rejected, [
    { row: 1, reason: "the value is null", position: -1 },
    { row: 3, reason: "the value is not valid UTF-8", position: 1 },
  ]);
});

Deno.test("text() decodes a range of rows with the row numbers of its input", () => {
  const values = spansOf([null, "a", null, "b", null]);
  const { batch, rows, rejected } = text().decoder().decode(values, 1, 4);
  assertEquals([batch.getChild("value").toJSON(), Array.from(rows!)], [["a", "b"], [1, 3]]);
  assertEquals(rejected.map(({ row }) => row), [2]);
  assertEquals(text().decoder().decode(values, 3, 4).rows, null);
});

Deno.test("text() encodes values as they stand, without a copy, in any slice", () => {
  const batch = batchOf({ value: utf8() }, ["x", "é", "", "z"].map((value) => ({ value })));
  const whole = text().encoder().encode(batch);
  assertEquals([spanTexts(whole.values), whole.count, whole.rows], [["x", "é", "", "z"], 4, null]);
  assertEquals(whole.values.bytes, batch.data.children[0]!.values);
  assertEquals(spanTexts(text().encoder().encode(batch.slice(1, 3)).values), ["é", ""]);
  assertEquals(text().encoder().encode(batch.slice(0, 0)).count, 0);
});

Deno.test("text() refuses nulls and malformed UTF-8 when it encodes", () => {
  const columns: Columns = { value: utf8({ nullable: true }) };
  const batch = batchFromColumns(columns, {
    value: {
      values: Uint8Array.of(0x41, 0xff, 0x42),
      offsets: Int32Array.of(0, 1, 2, 2, 3),
      validity: Uint8Array.of(0b1011),
    },
  }, 4);
  const { values, rows, rejected } = text().encoder().encode(batch);
  assertEquals([spanTexts(values), Array.from(rows!)], [["A", "B"], [0, 3]]);
  assertEquals(rejected.map(({ row, reason }) => `${row} ${reason}`), [
    "1 column 'value' is not valid UTF-8",
    "2 column 'value' is null but not nullable",
  ]);
});

Deno.test("text() names the column that is missing or no text", () => {
  const encoder = text().encoder();
  assertThrows(() => encoder.encode(batchOf({ other: utf8() }, [])), TypeError, "Cannot find column 'value'");
  assertThrows(() => encoder.encode(batchOf({ value: binary() }, [])), TypeError, "its Arrow type is Binary");
});

Deno.test("text() gives any values back", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" })), (values) => {
      const { batch } = text().decoder().decode(spansOf(values), 0, values.length);
      const encoded = text().encoder().encode(batch).values;
      assertEquals(
        values.map((_, row) => spanBytes(encoded, row)),
        values.map((value) => new TextEncoder().encode(value)),
      );
    }),
    { numRuns: 300 },
  );
});
