import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { recordsOf } from "../../testing/record_rows.ts";
import { murmur2, partitionOf } from "./murmur2.ts";
import { type PartitionRows, partitionRows } from "./partition_rows.ts";

const encoder = new TextEncoder();

function plain(parts: readonly PartitionRows[]): [number, number[] | null][] {
  return parts.map(({ partition, rows }) => [partition, rows === null ? null : [...rows]]);
}

Deno.test("partitionRows() sends everything to the one partition that is named", () => {
  const placed = { records: recordsOf(["a", "b"]), partitions: 2 };
  assertEquals(plain(partitionRows(placed, { count: 3, nullPartition: 0 })), [[2, null]]);
});

Deno.test("partitionRows() follows a partition for each record, in the order of the records", () => {
  const placed = { records: recordsOf(["a", "b", "c", "d"]), partitions: Int32Array.of(2, 0, 2, 0) };
  assertEquals(plain(partitionRows(placed, { count: 3, nullPartition: 0 })), [[0, [1, 3]], [2, [0, 2]]]);
});

Deno.test("partitionRows() lists no rows when all of them go to one partition", () => {
  const placed = { records: recordsOf(["a", "b"]), partitions: Int32Array.of(1, 1) };
  assertEquals(plain(partitionRows(placed, { count: 3, nullPartition: 0 })), [[1, null]]);
});

Deno.test("partitionRows() sends records without keys to one partition, in turn", () => {
  const records = recordsOf(["a", "b"]);
  const turns = [0, 1, 2, 3, 4].map((nullPartition) => plain(partitionRows({ records }, { count: 3, nullPartition })));
  assertEquals(turns, [0, 1, 2, 0, 1].map((partition) => [[partition, null]]));
});

Deno.test("partitionRows() of no records gives no parts", () => {
  assertEquals(partitionRows({ records: recordsOf([]) }, { count: 3, nullPartition: 1 }), []);
});

Deno.test("partitionRows() places keys as Kafka's default partitioner does, and keeps their order", () => {
  const keys = fc.array(fc.option(fc.string({ maxLength: 6 })), { minLength: 1, maxLength: 30 });
  fc.assert(fc.property(keys, fc.integer({ min: 1, max: 5 }), fc.nat(20), (all, count, nullPartition) => {
    const records = recordsOf(all.map((key) => ({ key, value: "v" })));
    const found = new Map<number, number>();
    let before = -1;
    for (const { partition, rows } of partitionRows({ records }, { count, nullPartition })) {
      assertEquals(partition > before, true);
      before = partition;
      let last = -1;
      for (const row of rows ?? all.keys()) {
        assertEquals(row > last, true);
        last = row;
        assertEquals(found.has(row), false);
        found.set(row, partition);
      }
    }
    for (const [row, key] of all.entries()) {
      const expected = key === null ? nullPartition % count : partitionOf(murmur2(encoder.encode(key)), count);
      assertEquals(found.get(row), expected);
    }
  }));
});

Deno.test("partitionRows() refuses partitions that cannot be", () => {
  const records = recordsOf(["a", "b"]);
  const options = { count: 3, nullPartition: 0 };
  for (const partitions of [3, -1, 0.5, Int32Array.of(0, 3)]) {
    const error = assertThrows(() => partitionRows({ records, partitions }, options), RangeError);
    assertStringIncludes(error.message, "'partitions' must be in [0, 2]");
  }
  const short = { records, partitions: Int32Array.of(0) };
  assertStringIncludes(assertThrows(() => partitionRows(short, options), RangeError).message, "current value is 1");
});
