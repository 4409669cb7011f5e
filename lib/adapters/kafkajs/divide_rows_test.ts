import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { murmur2, partitionOf } from "../../columns/murmur2.ts";
import { recordsOf } from "../../../testing/record_rows.ts";
import { type DividedRows, divideRows } from "./divide_rows.ts";

const topic = "t";
const encoder = new TextEncoder();

function plain(parts: readonly DividedRows[]): [number, number[] | null][] {
  return parts.map(({ partition, rows }) => [partition, rows === null ? null : [...rows]]);
}

Deno.test("divideRows() sends everything to the one partition that is named", () => {
  assertEquals(plain(divideRows({ topic, records: recordsOf(["a", "b"]), partitions: 2 }, 3, 0)), [[2, null]]);
});

Deno.test("divideRows() follows a partition for each record, in the order of the records", () => {
  const request = { topic, records: recordsOf(["a", "b", "c", "d"]), partitions: Int32Array.of(2, 0, 2, 0) };
  assertEquals(plain(divideRows(request, 3, 0)), [[0, [1, 3]], [2, [0, 2]]]);
});

Deno.test("divideRows() sends records without keys to one partition", () => {
  assertEquals(plain(divideRows({ topic, records: recordsOf(["a", "b"]) }, 3, 1)), [[1, null]]);
});

Deno.test("divideRows() of no records gives no parts", () => {
  assertEquals(divideRows({ topic, records: recordsOf([]) }, 3, 1), []);
});

Deno.test("divideRows() places keys as Kafka's default partitioner does, and keeps their order", () => {
  const keys = fc.array(fc.option(fc.string({ maxLength: 6 })), { minLength: 1, maxLength: 30 });
  fc.assert(fc.property(keys, fc.integer({ min: 1, max: 5 }), (all, partitions) => {
    const nullPartition = partitions - 1;
    const records = recordsOf(all.map((key) => ({ key, value: "v" })));
    const found = new Map<number, number>();
    for (const { partition, rows } of divideRows({ topic, records }, partitions, nullPartition)) {
      let last = -1;
      for (const row of rows ?? all.keys()) {
        assertEquals(row > last, true);
        last = row;
        found.set(row, partition);
      }
    }
    for (const [row, key] of all.entries()) {
      const expected = key === null ? nullPartition : partitionOf(murmur2(encoder.encode(key)), partitions);
      assertEquals(found.get(row), expected);
    }
  }));
});

Deno.test("divideRows() refuses partitions that cannot be", () => {
  const records = recordsOf(["a", "b"]);
  for (const partitions of [3, -1, 0.5, Int32Array.of(0, 3)]) {
    const error = assertThrows(() => divideRows({ topic, records, partitions }, 3, 0), RangeError);
    assertStringIncludes(error.message, "'partitions' must be in [0, 2]");
  }
  const short = { topic, records, partitions: Int32Array.of(0) };
  assertStringIncludes(assertThrows(() => divideRows(short, 3, 0), RangeError).message, "current value is 1");
});
