import fc from "fast-check";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { backoffMs } from "./backoff.ts";

const uint32 = fc.nat({ max: 2 ** 32 - 1 });

Deno.test("backoffMs() stays within the doubled base and the cap", () => {
  fc.assert(
    fc.property(fc.nat({ max: 5_000 }), uint32, fc.integer({ min: 1, max: 1_000 }), (attempt, random, baseMs) => {
      const wait = backoffMs(attempt, random, { baseMs, capMs: 5_000 });
      assert(Number.isInteger(wait) && wait >= 0 && wait <= Math.min(5_000, baseMs * 2 ** attempt));
    }),
  );
});

Deno.test("backoffMs() reaches both ends of its range, so that jitter is full", () => {
  for (const [attempt, bound] of [[0, 100], [1, 200], [3, 800], [7, 10_000], [2_000, 10_000]] as const) {
    assertEquals(backoffMs(attempt, 0), 0);
    assertEquals(backoffMs(attempt, 2 ** 32 - 1), bound);
    assertEquals(backoffMs(attempt, 2 ** 31), Math.floor((bound + 1) / 2));
  }
});

Deno.test("backoffMs() never shrinks with more failures at the same random bits", () => {
  fc.assert(fc.property(fc.nat({ max: 100 }), uint32, (attempt, random) => {
    assert(backoffMs(attempt, random) <= backoffMs(attempt + 1, random));
  }));
});

Deno.test("backoffMs() refuses arguments out of range and names them", () => {
  assertThrows(() => backoffMs(-1, 0), RangeError, "'attempt' must be an integer >= 0: current value is -1");
  assertThrows(() => backoffMs(0.5, 0), RangeError, "'attempt'");
  assertThrows(() => backoffMs(0, 2 ** 32), RangeError, "'random' must be below 2^32");
  assertThrows(() => backoffMs(0, 0, { baseMs: 0 }), RangeError, "'baseMs' must be an integer >= 1");
  assertThrows(() => backoffMs(0, 0, { baseMs: 20, capMs: 10 }), RangeError, "'capMs' must be an integer >= 20");
});
