import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import fc from "fast-check";
import { InvariantError } from "../base/assert.ts";
import { runningMaximum, runningMaximumOfPairs, TaskTime } from "./task_time.ts";

Deno.test("TaskTime is the running maximum of event times, row by row; the watermark is behind by outOfOrdernessMs", () => {
  const time = new TaskTime({ outOfOrdernessMs: 10 });
  assertEquals([time.taskTimeMs, time.watermarkMs], [null, null]);
  const into = new Float64Array(4);
  time.observe(Float64Array.of(100, NaN, 90, 120), 0, into);
  assertEquals([...into], [100, 100, 100, 120]);
  assertEquals([time.taskTimeMs, time.watermarkMs], [120, 110]);
  time.observe(Float64Array.of(50), 1);
  assertEquals(time.taskTimeMs, 120);
});

Deno.test("TaskTime stays unknown, not 0, before the first time", () => {
  const time = new TaskTime({ idleTimeoutMs: 5 });
  time.observe(Float64Array.of(NaN), 0);
  assertEquals(time.taskTimeMs, null);
  assertEquals(time.idleAtMs, undefined);
  assertEquals(time.idleTarget(1_000), undefined);
});

Deno.test("TaskTime.idleTarget() advances by elapsed monotonic time since the last record, never to the wall date", () => {
  const time = new TaskTime({ idleTimeoutMs: 50 });
  time.observe(Float64Array.of(100.5), 1_000);
  assertEquals(time.idleAtMs, 1_050);
  assertEquals(time.idleTarget(1_049), undefined);
  assertEquals(time.idleTarget(1_050), 150);
  assertEquals(time.taskTimeMs, 100.5, "asking does not jump");
  assert(time.jump(150));
  assertEquals(time.idleTarget(1_050), undefined);
  assertEquals(time.idleTarget(1_060), 160);
  time.observe(Float64Array.of(100), 1_060);
  assertEquals(time.idleTarget(1_109), undefined);
  assertEquals(time.idleTarget(1_110), 200, "records that bring no new time begin a new silence all the same");
});

Deno.test("TaskTime without an idle time-out never jumps by itself", () => {
  const time = new TaskTime();
  time.observe(Float64Array.of(100), 0);
  assertEquals([time.idleAtMs, time.idleTarget(1e9)], [undefined, undefined]);
});

Deno.test("TaskTime.observe() without rows leaves the silence as long as it is", () => {
  const time = new TaskTime({ idleTimeoutMs: 50 });
  time.observe(Float64Array.of(100), 0);
  time.observe(new Float64Array(0), 40);
  assertEquals(time.idleAtMs, 50);
  time.wake(40);
  assertEquals(time.idleAtMs, 90);
});

Deno.test("TaskTime.jump() never goes back", () => {
  const time = new TaskTime();
  assert(time.jump(-5));
  assert(time.jump(100));
  assertFalse(time.jump(100));
  assertFalse(time.jump(99));
  assertEquals(time.taskTimeMs, 100);
  assertThrows(() => time.jump(NaN), InvariantError);
});

Deno.test("TaskTime.restore() goes back to a snapshot, or to the time of a position", () => {
  const time = new TaskTime({ idleTimeoutMs: 50 });
  time.observe(Float64Array.of(100), 0);
  const snapshot = time.snapshot();
  time.jump(500);
  time.wake(10);
  time.restore(snapshot);
  assertEquals([time.taskTimeMs, time.idleTarget(60)], [100, 150]);
  time.restore(70);
  assertEquals([time.taskTimeMs, time.idleTarget(60)], [70, 120]);
  time.restore(null);
  assertEquals([time.taskTimeMs, time.idleTarget(60)], [null, undefined]);
});

Deno.test("TaskTime names the option that is wrong", () => {
  assertThrows(
    () => new TaskTime({ outOfOrdernessMs: -1 }),
    RangeError,
    "'outOfOrdernessMs' must be a number >= 0: current value is -1",
  );
  assertThrows(
    () => new TaskTime({ idleTimeoutMs: 0 }),
    RangeError,
    "'idleTimeoutMs' must be a number > 0: current value is 0",
  );
});

Deno.test("runningMaximum() does not depend on where batches are cut", () => {
  const times = fc.array(fc.oneof(fc.integer(), fc.constant(NaN)), { maxLength: 30 });
  fc.assert(fc.property(times, fc.nat(), (rows, where) => {
    const cut = where % (rows.length + 1);
    const whole = new Float64Array(rows.length);
    const parts = new Float64Array(rows.length);
    const end = runningMaximum(Float64Array.from(rows), -Infinity, whole);
    const middle = runningMaximum(Float64Array.from(rows.slice(0, cut)), -Infinity, parts.subarray(0, cut));
    assertEquals(runningMaximum(Float64Array.from(rows.slice(cut)), middle, parts.subarray(cut)), end);
    assertEquals([...parts], [...whole]);
    assertEquals(runningMaximum(Float64Array.from(rows), -Infinity), end);
  }));
});

Deno.test("runningMaximumOfPairs() is runningMaximum() of 64-bit words", () => {
  fc.assert(fc.property(fc.array(fc.maxSafeInteger(), { maxLength: 30 }), (rows) => {
    const pairs = new Int32Array(BigInt64Array.from(rows, BigInt).buffer);
    const [a, b] = [new Float64Array(rows.length), new Float64Array(rows.length)];
    const end = runningMaximum(Float64Array.from(rows), -Infinity, a);
    assertEquals(runningMaximumOfPairs(pairs, -Infinity, b), end);
    assertEquals(runningMaximumOfPairs(pairs, -Infinity), end);
    assertEquals([...b], [...a]);
  }));
});
