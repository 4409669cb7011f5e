import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { InvariantError } from "../base/assert.ts";
import { JournalCorruptError } from "../base/errors.ts";
import type { ByteSpans, Records } from "../columns/records.ts";
import { spanBytes } from "../columns/spans.ts";
import { decodeChange } from "./change_codec.ts";
import { denseRecords, joinSlices } from "./dense_records.ts";
import { decodeRecords, encodeRecords } from "./records_codec.ts";

const SPAN = fc.option(fc.tuple(fc.nat(40), fc.nat(12)), { freq: 4 });

/** Spans anywhere in one buffer: gaps, overlaps and nulls. */
function spansArbitrary(count: number): fc.Arbitrary<ByteSpans> {
  return fc.tuple(
    fc.uint8Array({ minLength: 52, maxLength: 52 }),
    fc.array(SPAN, { minLength: count, maxLength: count }),
  )
    .map(([bytes, spans]) => ({
      bytes,
      starts: Int32Array.from(spans, (span) => span === null ? -1 : span[0]),
      ends: Int32Array.from(spans, (span) => span === null ? -1 : span[0] + span[1]),
    }));
}

const RECORDS: fc.Arbitrary<Records> = fc.nat(8).chain((count) =>
  fc.record({
    count: fc.constant(count),
    keys: fc.option(spansArbitrary(count)),
    values: spansArbitrary(count),
    timestamps: fc.float64Array({ minLength: count, maxLength: count, noNaN: true }),
    headers: fc.option(spansArbitrary(count)),
  })
);

function plain(records: Records): unknown[] {
  const row = (spans: ByteSpans | null, i: number) => {
    const bytes = spans === null ? null : spanBytes(spans, i);
    return bytes === null ? null : [...bytes];
  };
  const { keys, values, headers, timestamps } = records;
  return Array.from({ length: records.count }, (_, i) => [
    row(keys, i),
    row(values, i),
    row(headers, i),
    timestamps === null ? null : timestamps[i],
  ]);
}

Deno.test("decodeRecords: gives back what encodeRecords wrote, at any alignment", () => {
  fc.assert(fc.property(RECORDS, fc.nat(7), (records, shift) => {
    const bytes = encodeRecords(records);
    const shifted = new Uint8Array(bytes.length + shift + 1);
    shifted.set(bytes, shift);
    const payload = shifted.subarray(shift, shift + bytes.length);
    const decoded = decodeRecords(payload);
    shifted.fill(0);
    assertEquals(plain(decoded), plain(records));
    assertEquals(decoded.keys === null, records.keys === null);
  }));
});

Deno.test("denseRecords: copies the chosen rows; joinSlices: puts slices after each other", () => {
  fc.assert(fc.property(fc.array(RECORDS, { maxLength: 4 }), fc.nat(3), fc.nat(3), (parts, skip, cut) => {
    const slices = parts.map((records) => {
      const dense = denseRecords(records, null, 0);
      const from = Math.min(skip, records.count);
      return { records: dense, from, to: Math.max(from, records.count - cut) };
    });
    const expected = parts.flatMap((records, i) => plain(records).slice(slices[i]!.from, slices[i]!.to));
    assertEquals(plain(joinSlices(slices)), expected);
    for (const records of parts) {
      const rows = Int32Array.from({ length: records.count }, (_, i) => records.count - 1 - i);
      assertEquals(plain(denseRecords(records, rows, 0)), plain(records).reverse());
    }
  }));
});

Deno.test("decodeRecords: a payload that is cut off is found", () => {
  const values = { bytes: Uint8Array.of(1, 2), starts: Int32Array.of(0), ends: Int32Array.of(2) };
  const bytes = encodeRecords({ count: 1, keys: null, values, timestamps: Float64Array.of(1), headers: null });
  for (let length = 0; length < bytes.length; length++) {
    assertThrows(() => decodeRecords(bytes.subarray(0, length)), InvariantError);
  }
});

Deno.test("decodeChange: an unknown kind and a missing payload are JournalCorruptErrors", () => {
  assertThrows(() => decodeChange({ kind: "from-the-future" }, null), JournalCorruptError);
  assertThrows(() => decodeChange({ kind: "toString" }, null), JournalCorruptError);
  assertThrows(() => decodeChange({ kind: "batch-appended" }, null), JournalCorruptError);
});
