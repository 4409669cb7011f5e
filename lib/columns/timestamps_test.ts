import { assertEquals, assertThrows } from "@std/assert";
import { batchOf } from "./batch_of.ts";
import { type Batch, float64, int64, timestampMs, utf8 } from "./schema.ts";
import { timestampsOf } from "./timestamps.ts";

Deno.test("timestampsOf() reads instants and numbers, honours slices and nulls, and refuses text", () => {
  const times = [null, -1, 0, 1_700_000_000_001, 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 32, -(2 ** 32)];
  const values = times.map((time) => time ?? NaN);
  const instants = batchOf({ t: timestampMs({ nullable: true }) }, times.map((t) => ({ t }))) as Batch;
  assertEquals([...timestampsOf(instants, "t")], values);
  assertEquals([...timestampsOf(instants.slice(2, 5), "t")], values.slice(2, 5));
  const doubles = batchOf({ t: float64({ nullable: true }) }, times.map((t) => ({ t }))) as Batch;
  assertEquals([...timestampsOf(doubles.slice(0, 3), "t")], values.slice(0, 3));
  const integers = batchOf({ t: int64({ nullable: true }) }, times.map((t) => ({ t: t === null ? null : BigInt(t) })));
  assertEquals([...timestampsOf(integers as Batch, "t")], values);
  const text = batchOf({ t: utf8() }, [{ t: "noon" }]) as Batch;
  assertThrows(() => timestampsOf(text, "t"), TypeError, "must be timestampMs(), or a number of epoch milliseconds");
  assertThrows(() => timestampsOf(text, "u"), TypeError, "'u'");
});
