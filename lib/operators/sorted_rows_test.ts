import { assertEquals } from "@std/assert";
import { batchOf } from "../columns/batch_of.ts";
import type { Columns } from "../columns/schema.ts";
import { binary, bool, float64, int32, int64, timestampMs, utf8 } from "../columns/schema.ts";
import { sortedRows } from "./sorted_rows.ts";

function order(columns: Columns, rows: readonly object[], from = 0): number[] {
  const batch = batchOf(columns, rows as never);
  return [...sortedRows(from === 0 ? batch : batch.slice(from) as never, columns)];
}

const one = (type: Columns[string], values: readonly unknown[]) => order({ a: type }, values.map((a) => ({ a })));

Deno.test("sortedRows() orders every scalar type, nulls first", () => {
  assertEquals(one(utf8({ nullable: true }), ["b", null, "", "ab", "a"]), [1, 2, 4, 3, 0]);
  assertEquals(one(utf8(), ["\u{1f600}", "\uffee"]), [1, 0]);
  assertEquals(one(binary(), [Uint8Array.of(200), Uint8Array.of(3, 1), Uint8Array.of(3)]), [2, 1, 0]);
  assertEquals(one(bool({ nullable: true }), [true, false, null]), [2, 1, 0]);
  assertEquals(one(int32(), [10, 9, -2_147_483_648, 2_147_483_647]), [2, 1, 0, 3]);
  assertEquals(one(float64(), [10, NaN, 9, -0.5, Infinity, -Infinity]), [5, 3, 2, 0, 4, 1]);
  const large = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 32n, 2n ** 31n, -1n, 0n];
  assertEquals(one(int64(), large), [1, 4, 5, 3, 2, 0]);
  assertEquals(one(timestampMs({ nullable: true }), [1_700_000_000_000, null, -1, 0]), [1, 2, 3, 0]);
});

Deno.test("sortedRows() asks a column only where those before it are equal, and keeps equal rows in their order", () => {
  const rows = [{ a: "y", b: 1 }, { a: "x", b: 2 }, { a: "y", b: 0 }, { a: "x", b: 1 }, { a: "x", b: 2 }];
  assertEquals(order({ a: utf8(), b: int32() }, rows), [3, 1, 4, 2, 0]);
  assertEquals(order({ b: int32(), a: utf8() }, rows), [2, 3, 0, 1, 4]);
});

Deno.test("sortedRows() of a slice counts from its first row", () => {
  const rows = [{ a: null, b: true }, { a: "b", b: true }, { a: null, b: false }, { a: "a", b: true }];
  const columns = { a: utf8({ nullable: true }), b: bool() };
  assertEquals(order(columns, rows, 1), [1, 2, 0]);
  assertEquals(order({ b: columns.b, a: columns.a }, rows, 1), [1, 2, 0]);
});
