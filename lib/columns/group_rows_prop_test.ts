import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { batchOf } from "./batch_of.ts";
import { groupRows } from "./group_rows.ts";
import { binary, bool, type Columns, float64, int32, int64, timestampMs, utf8 } from "./schema.ts";

const nullable = true as const;
const columns = {
  utf8: utf8({ nullable }),
  binary: binary(),
  float64: float64({ nullable }),
  int32: int32({ nullable }),
  int64: int64({ nullable }),
  timestampMs: timestampMs(),
  bool: bool({ nullable }),
} satisfies Columns;

/** Few different values when `width` is small, so that groups are large or of one row each. */
function row(width: number): fc.Arbitrary<Record<string, unknown>> {
  const number = fc.integer({ min: -width, max: width });
  return fc.record({
    utf8: fc.option(number.map((n) => "k".repeat(Math.abs(n) % 9) + n)),
    binary: number.map((n) => Uint8Array.of(n & 255, n >> 8)),
    float64: fc.option(fc.oneof(number, fc.constantFrom(NaN, -0, 0, Infinity, 0.5))),
    int32: fc.option(number),
    int64: fc.option(number.map((n) => BigInt(n) << 31n)),
    timestampMs: number.map((n) => n * 4_294_967_296),
    bool: fc.option(fc.boolean()),
  });
}

/** One text for each key: -0 is 0, and NaN is not null. */
function textOf(value: unknown): string {
  if (value instanceof Uint8Array) return `b${value.join()}`;
  return `${typeof value}${value === 0 ? 0 : String(value)}`;
}

const rowSets = fc.constantFrom(1, 3, 40, 1_000).chain((width) => fc.array(row(width), { maxLength: 120 }));
const names = fc.subarray(Object.keys(columns));

Deno.test("groupRows() groups as a Map of the keys does, in order of first appearance, slices too", () => {
  fc.assert(fc.property(rowSets, names, fc.nat(5), (all, by, from) => {
    const skipped = Math.min(from, all.length);
    const batch = batchOf(columns, all as never).slice(skipped);
    const rows = all.slice(skipped);
    const extra = skipped % 2 === 0 ? undefined : Float64Array.from(rows, (_, i) => (i >> 3) % 4);
    const groups = groupRows(batch as never, by, extra);
    const wanted = new Map<string, number>();
    const first: number[] = [];
    const codes = rows.map((each, i) => {
      const key = [...by.map((name) => textOf(each[name])), extra?.[i]].join("|");
      if (!wanted.has(key)) {
        wanted.set(key, first.length);
        first.push(i);
      }
      return wanted.get(key)!;
    });
    assertEquals([...groups.codes], codes);
    assertEquals([...groups.first], first);
    assertEquals(groups.count, first.length);
  }));
});
