import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { encodeHeaders } from "../../columns/headers.ts";
import type { Records } from "../../columns/records.ts";
import { recordsOf, rowsOf } from "../../../testing/record_rows.ts";
import { decodeBatches } from "./decode_batches.ts";
import { encodeBatches, nextSequence } from "./encode_batches.ts";

const bytes = fc.uint8Array({ maxLength: 40 });
const row = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.option(fc.array(fc.tuple(fc.string({ maxLength: 5 }), fc.option(bytes)), { maxLength: 3 })),
  timestampMs: fc.oneof(fc.integer({ min: 0, max: 2 ** 45 }), fc.constantFrom(0, 1_700_000_000_000, 2 ** 46)),
});
const rowsArb = fc.array(row, { minLength: 1, maxLength: 40 });

const producer = { producerId: 12_345_678_901n, producerEpoch: 3, sequence: 17 };

/** What a log holds after a broker has given the batches their offsets. */
function logOf(batches: readonly { readonly bytes: Uint8Array; readonly count: number }[], first: number): Uint8Array {
  const log = new Uint8Array(batches.reduce((sum, batch) => sum + batch.bytes.length, 0));
  let at = 0;
  let offset = first;
  for (const batch of batches) {
    log.set(batch.bytes, at);
    new DataView(log.buffer).setBigInt64(at, BigInt(offset));
    at += batch.bytes.length;
    offset += batch.count;
  }
  return log;
}

function toRecords(rows: readonly RowValue[]): Records {
  return recordsOf(rows.map(({ headers, ...rest }) => ({ ...rest, ...headers === null ? {} : { headers } })));
}

interface RowValue {
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: [string, Uint8Array | null][] | null;
  timestampMs: number;
}

Deno.test("what encodeBatches() writes decodeBatches() reads, in any split", () => {
  fc.assert(fc.property(rowsArb, fc.integer({ min: 1, max: 2_000 }), fc.nat(1_000), (rows, bytesMax, first) => {
    const records = toRecords(rows);
    const batches = encodeBatches(records, null, { producer, wallMs: 5, bytesMax });
    const decoded = decodeBatches(logOf(batches, first), { from: first, aborted: [] });
    const offsets = Float64Array.from({ length: rows.length }, (_, i) => first + i);
    const expected = rowsOf({ partition: 0, records, offsets });
    assertEquals(rowsOf({ partition: 0, ...decoded }), expected);
    assertEquals(decoded.to, first + rows.length);
  }));
});

Deno.test("encodeBatches() keeps batches within their bound, but for single records, and wastes none", () => {
  fc.assert(fc.property(rowsArb, fc.integer({ min: 100, max: 1_000 }), (rows, bytesMax) => {
    const batches = encodeBatches(toRecords(rows), null, { producer, wallMs: 5, bytesMax });
    for (const batch of batches) assert(batch.bytes.length <= bytesMax || batch.count === 1);
    assertEquals(batches.reduce((sum, { count }) => sum + count, 0), rows.length);
    if (batches.length === 1) return;
    const [whole] = encodeBatches(toRecords(rows), null, { producer, wallMs: 5, bytesMax: 1e9 });
    assert(whole!.bytes.length > bytesMax, "a split was needed");
  }));
});

Deno.test("encodeBatches() writes the chosen rows in their order", () => {
  fc.assert(fc.property(rowsArb, fc.infiniteStream(fc.nat()), (rows, numbers) => {
    const records = toRecords(rows);
    const chosen = Int32Array.from({ length: rows.length }, () => numbers.next().value % rows.length);
    const batches = encodeBatches(records, chosen, { producer, wallMs: 5, bytesMax: 500 });
    const all = rowsOf({ partition: 0, records, offsets: new Float64Array(rows.length) });
    const found = rowsOf({ partition: 0, ...decodeBatches(logOf(batches, 0), { from: 0, aborted: [] }) });
    assertEquals(
      found.map(({ offset: _, ...rest }) => rest),
      [...chosen].map((i) => {
        const { offset: _, ...rest } = all[i]!;
        return rest;
      }),
    );
  }));
});

Deno.test("encodeBatches() stamps records without a time with the producer's", () => {
  const batches = encodeBatches(recordsOf(["a", "b"]), null, { producer, wallMs: 1_234, bytesMax: 1_000 });
  assertEquals([...decodeBatches(logOf(batches, 0), { from: 0, aborted: [] }).records.timestamps!], [1_234, 1_234]);
});

Deno.test("encodeBatches() gives consecutive batches consecutive sequence numbers", () => {
  const records = recordsOf(Array.from({ length: 10 }, (_, i) => `value ${i}`));
  const start = 2 ** 31 - 4;
  const batches = encodeBatches(records, null, {
    producer: { ...producer, sequence: start },
    wallMs: 5,
    bytesMax: 120,
  });
  let expected = start;
  for (const { bytes, count } of batches) {
    const view = new DataView(bytes.buffer);
    assertEquals(view.getInt32(53), expected);
    assertEquals([view.getBigInt64(43), view.getInt16(51)], [producer.producerId, producer.producerEpoch]);
    expected = nextSequence(expected, count);
  }
  assertEquals(expected, 6, "numbers wrap to 0 after 2^31 - 1");
});

Deno.test("encodeBatches() copies headers as they are", () => {
  const headers: [string, Uint8Array | null][] = [["a", null], ["a", Uint8Array.of(1, 2)], ["ü", new Uint8Array(0)]];
  const batches = encodeBatches(recordsOf([{ value: "v", headers }, { value: "w" }]), null, {
    producer,
    wallMs: 5,
    bytesMax: 1_000,
  });
  const { records } = decodeBatches(logOf(batches, 0), { from: 0, aborted: [] });
  const { bytes, starts, ends } = records.headers!;
  assertEquals(bytes.slice(starts[0]!, ends[0]!), encodeHeaders(headers));
  assertEquals(starts[1], -1);
});
