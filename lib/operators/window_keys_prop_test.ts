import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { batchOf } from "../columns/batch_of.ts";
import { rows } from "../columns/rows.ts";
import { float64, timestampMs, utf8 } from "../columns/schema.ts";
import { WindowKeys, windowKeys } from "./window_keys.ts";

const columns = { k: utf8({ nullable: true }), window_start: timestampMs() };
type Row = { k: string | null; window_start: number };
const text = (all: Iterable<unknown>): string[] => [...all].map((row) => JSON.stringify(row)).sort();

Deno.test("WindowKeys gives back each key once, with the watermark that its window is due at, and knows the earliest", () => {
  const key = fc.record({
    k: fc.option(fc.string({ maxLength: 3 })),
    window_start: fc.integer({ min: -5, max: 20 }).map((n) => n * 10),
  });
  const step = fc.oneof(fc.array(key, { maxLength: 12 }), fc.integer({ min: -80, max: 260 }));
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 30 }), (steps, openMs) => {
    const keys = new WindowKeys(columns);
    let plain: Row[] = [];
    for (const each of steps) {
      if (typeof each === "number") {
        const due = plain.filter((row) => row.window_start + openMs <= each);
        plain = plain.filter((row) => row.window_start + openMs > each);
        const removed = keys.removeDue(each, openMs);
        assertEquals(removed === undefined, due.length === 0);
        assertEquals(text(removed === undefined ? [] : rows(removed)), text(due));
      } else {
        keys.add(batchOf(columns, each));
        plain.push(...each);
      }
      assertEquals(keys.earliest, Math.min(Infinity, ...plain.map((row) => row.window_start)));
    }
  }));
});

Deno.test("windowKeys() takes the chosen rows and their windows, -0 as state gives it back", () => {
  const batch = batchOf({ x: utf8(), d: float64({ nullable: true }) }, [
    { x: "a", d: -0 },
    { x: "b", d: 1 },
    { x: "c", d: null },
  ]);
  const key = { d: float64({ nullable: true }), window_start: timestampMs() };
  const found = windowKeys(batch, {
    columns: key,
    rows: Int32Array.of(0, 2, 1),
    starts: Float64Array.of(-10_000, 1_700_000_000_000, 0),
  });
  assertEquals([...rows(found)].map((row) => ({ ...(row as object) })), [
    { d: 0, window_start: -10_000 },
    { d: null, window_start: 0 },
    { d: 1, window_start: 1_700_000_000_000 },
  ]);
});

Deno.test("windowKeys() refuses a time that is no instant", () => {
  const batch = batchOf({ x: utf8() }, [{ x: "a" }]);
  for (const start of [Infinity, -Infinity, NaN, 2 ** 63]) {
    let message = "";
    try {
      windowKeys(batch, {
        columns: { window_start: timestampMs() },
        rows: Int32Array.of(0),
        starts: Float64Array.of(start),
      });
    } catch (error) {
      message = (error as Error).message;
    }
    assertEquals(message, `Cannot place a row in a window as its event time must be an instant: ${start}`);
  }
});
