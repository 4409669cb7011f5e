import { assert, assertEquals, assertThrows } from "@std/assert";
import { float64, int32, list, struct, timestampMs, utf8 } from "../columns/schema.ts";
import { stateTable } from "./state_table.ts";

Deno.test("stateTable() is frozen and keeps its columns", () => {
  const table = stateTable({ key: utf8(), value: { seen: float64(), count: int32() } });
  assert(Object.isFrozen(table));
  assertEquals(Object.keys(table.value), ["seen", "count"]);
  assertEquals(table.routing, undefined);
});

Deno.test("stateTable() takes the number of leading key columns that route", () => {
  const key = struct({ device: utf8(), window: timestampMs() });
  assertEquals(stateTable({ key, value: { n: int32() }, routing: 1 }).routing, 1);
  assertThrows(() => stateTable({ key, value: { n: int32() }, routing: 3 }), RangeError, "current value is 3");
  assertThrows(() => stateTable({ key, value: { n: int32() }, routing: 0 }), RangeError, "from 1 to 2");
  assertThrows(() => stateTable({ key: utf8(), value: { n: int32() }, routing: 2 }), RangeError, "from 1 to 1");
});

Deno.test("stateTable() refuses keys that have no bytes of their own", () => {
  assertThrows(() => stateTable({ key: list(utf8()), value: { n: int32() } }), TypeError, "current value is list");
  assertThrows(() => stateTable({ key: struct({ a: list(utf8()) }), value: { n: int32() } }), TypeError, "struct");
  assertThrows(
    () => stateTable({ key: struct({ a: utf8() }, { nullable: true }), value: { n: int32() } }),
    TypeError,
    "must not be nullable",
  );
  assertThrows(() => stateTable({ key: struct({}), value: { n: int32() } }), TypeError, "struct");
});

Deno.test("stateTable() refuses a table without value columns", () => {
  assertThrows(() => stateTable({ key: utf8(), value: {} }), TypeError, "at least one column");
  assertThrows(() => stateTable({ key: utf8(), value: { n: 1 as never } }), TypeError, "column 'n'");
});

Deno.test("stateTable() refuses an option that does not exist", () => {
  const mistyped = { key: utf8(), value: { n: int32() }, route: 1 };
  assertThrows(() => stateTable(mistyped), TypeError, "only key, value, routing: current value is 'route'");
});
