import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { batchOf } from "../columns/batch_of.ts";
import { utf8 } from "../columns/schema.ts";
import { spanBytes, spansOf } from "../columns/spans.ts";
import { bytes } from "./bytes.ts";

Deno.test("bytes() gives any values back, in any range, and refuses nulls alone", () => {
  const arb = fc.array(fc.option(fc.uint8Array({ maxLength: 80 }), { freq: 4 }), { maxLength: 12 });
  fc.assert(
    fc.property(arb, fc.nat(12), fc.nat(12), (values, a, b) => {
      const from = Math.min(a, b, values.length);
      const to = Math.min(Math.max(a, b), values.length);
      const { batch, rows, rejected } = bytes().decoder().decode(spansOf(values), from, to);
      const range = values.map((value, row) => ({ value, row })).slice(from, to);
      const present = range.filter(({ value }) => value !== null);
      const encoded = bytes().encoder().encode(batch);
      assertEquals(present.map((_, i) => spanBytes(encoded.values, i)), present.map(({ value }) => value));
      assertEquals(encoded.rejected, []);
      const missing = range.filter(({ value }) => value === null);
      assertEquals(rejected, missing.map(({ row }) => ({ row, reason: "the value is null", position: -1 })));
      assertEquals(
        rows === null ? null : Array.from(rows),
        missing.length === 0 ? null : present.map(({ row }) => row),
      );
    }),
    { numRuns: 500 },
  );
});

Deno.test("bytes() names a column that is not binary", () => {
  const batch = batchOf({ value: utf8() }, []);
  assertThrows(() => bytes().encoder().encode(batch), TypeError, "Cannot encode column 'value' as bytes");
});
