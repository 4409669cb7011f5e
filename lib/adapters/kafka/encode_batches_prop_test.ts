import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RecordTooLargeError } from "../../base/errors.ts";
import { encodeHeaders } from "../../columns/headers.ts";
import type { Records } from "../../columns/records.ts";
import { spanBytes } from "../../columns/spans.ts";
import { recordsOf, rowsOf } from "../../../testing/record_rows.ts";
import { decodeBatches } from "./decode_batches.ts";
import { encodeBatches, nextSequence } from "./encode_batches.ts";
import { ATTRIBUTES, COMPRESSIONS } from "./record_batch.ts";

const ALL = { from: 0, aborted: [] };
/** The largest record of the rows below fits. */
const LEAST_BOUND = 400;

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

Deno.test("what encodeBatches() writes decodeBatches() reads, in any split and with any compression", () => {
  const bound = fc.integer({ min: LEAST_BOUND, max: 3_000 });
  const compressed = fc.constantFrom(...COMPRESSIONS);
  fc.assert(fc.property(rowsArb, bound, fc.nat(1_000), compressed, (rows, bytesMax, first, compression) => {
    const records = toRecords(rows);
    const batches = encodeBatches(records, null, { producer, wallMs: 5, bytesMax, compression });
    const decoded = decodeBatches(logOf(batches, first), { from: first, aborted: [] });
    const offsets = Float64Array.from({ length: rows.length }, (_, i) => first + i);
    const expected = rowsOf({ partition: 0, records, offsets });
    assertEquals(rowsOf({ partition: 0, ...decoded }), expected);
    assertEquals(decoded.to, first + rows.length);
  }));
});

Deno.test("encodeBatches() keeps batches within their bound and fills each", () => {
  fc.assert(fc.property(rowsArb, fc.integer({ min: LEAST_BOUND, max: 1_000 }), (rows, bytesMax) => {
    const records = toRecords(rows);
    const batches = encodeBatches(records, null, { producer, wallMs: 5, bytesMax });
    let first = 0;
    for (const { bytes, count } of batches) {
      assert(bytes.length <= bytesMax);
      first += count;
      const oneMore = Int32Array.from({ length: count + 1 }, (_, i) => first - count + i);
      if (first === rows.length) continue;
      const [whole] = encodeBatches(records, oneMore, { producer, wallMs: 5, bytesMax: 1e9 });
      assert(whole!.bytes.length > bytesMax, "the next record did not fit");
    }
    assertEquals(first, rows.length);
  }));
});

Deno.test("encodeBatches() refuses a record that does not fit into a batch of its own, to the byte", () => {
  fc.assert(fc.property(row, fc.nat(3), (value, rowBefore) => {
    const records = toRecords([...Array(rowBefore).fill({ ...value, value: null, key: null, headers: null }), value]);
    const rows = Int32Array.of(rowBefore);
    const [batch] = encodeBatches(records, rows, { producer, wallMs: 5, bytesMax: 1e9 });
    const size = batch!.bytes.length;
    assertEquals(encodeBatches(records, rows, { producer, wallMs: 5, bytesMax: size })[0]!.bytes, batch!.bytes);
    const options = { producer, wallMs: 5, bytesMax: size - 1, topic: "orders" };
    const error = assertThrows(() => encodeBatches(records, rows, options), RecordTooLargeError);
    assertEquals(error.context, { topic: "orders", row: rowBefore, size, bytesMax: size - 1 });
    assertEquals(
      error.message,
      `Cannot produce record ${rowBefore} to 'orders' as it takes ${size} bytes in a batch of its own and ` +
        `'batchBytesMax' allows ${
          size - 1
        }, split the record, or raise 'batchBytesMax' and the topic's max.message.bytes`,
    );
  }));
});

Deno.test("encodeBatches() judges a record's size before compression, whatever the bytes are", () => {
  const records = recordsOf(["small", "a".repeat(10_000), "small"]);
  for (const compression of COMPRESSIONS) {
    const options = { producer, wallMs: 5, bytesMax: 9_000, compression };
    const error = assertThrows(() => encodeBatches(records, null, options), RecordTooLargeError);
    assertEquals(error.context.row, 1);
  }
});

Deno.test("encodeBatches() names the codec of a batch that compression made smaller, and leaves the others plain", () => {
  const alike = recordsOf(Array.from({ length: 100 }, () => "the same again and again"));
  const tiny = recordsOf(["x"]);
  for (const [number, compression] of COMPRESSIONS.entries()) {
    const options = { producer, wallMs: 5, bytesMax: 1e6, compression };
    const attributes = (records: Records) =>
      encodeBatches(records, null, options).map(({ bytes }) => new DataView(bytes.buffer).getInt16(21));
    assertEquals([attributes(alike), attributes(tiny)], [[number], [0]], compression);
  }
});

Deno.test("encodeBatches() marks the batches of a transaction, compressed or not", () => {
  const records = recordsOf(Array.from({ length: 100 }, () => "the same again and again"));
  for (const [number, compression] of COMPRESSIONS.entries()) {
    const options = { producer: { ...producer, isTransactional: true }, wallMs: 5, bytesMax: 1e6, compression };
    const [batch] = encodeBatches(records, null, options);
    assertEquals(new DataView(batch!.bytes.buffer).getInt16(21), ATTRIBUTES.isTransactional | number);
  }
});

Deno.test("encodeBatches() notes the first and the latest timestamp, and drops parts of milliseconds", () => {
  const times = [1_000.9, 500, 2 ** 45 + 0.5, 1_000];
  const records = recordsOf(times.map((timestampMs) => ({ value: "v", timestampMs })));
  const [batch] = encodeBatches(records, null, { producer, wallMs: 5, bytesMax: 1e6 });
  const view = new DataView(batch!.bytes.buffer);
  assertEquals([view.getBigInt64(27), view.getBigInt64(35)], [1_000n, 2n ** 45n]);
  const decoded = decodeBatches(logOf([batch!], 0), { from: 0, aborted: [] });
  assertEquals([...decoded.records.timestamps!], [1_000, 500, 2 ** 45, 1_000]);
});

Deno.test("encodeBatches() writes timestamps exactly, however far they are from the first one", () => {
  const base = 2 ** 47;
  const powers = [0, 6, 7, 13, 14, 27, 28, 29, 30, 31, 32, 34, 35, 46];
  const deltas = powers.flatMap((power) => [-1, 0, 1].flatMap((more) => [2 ** power + more, -(2 ** power) + more]));
  const times = [base, ...deltas.map((delta) => base + delta)];
  const records = recordsOf(times.map((timestampMs) => ({ value: "v", timestampMs })));
  const decoded = decodeBatches(logOf(encodeBatches(records, null, { producer, wallMs: 5, bytesMax: 1e6 }), 0), ALL);
  assertEquals([...decoded.records.timestamps!], times);
});

Deno.test("encodeBatches() refuses a timestamp that is none, wherever it stands", () => {
  for (const wrong of [NaN, Infinity, -Infinity, 2 ** 60]) {
    for (const times of [[1, wrong], [wrong, 1]]) {
      const records = recordsOf(times.map((timestampMs) => ({ value: "v", timestampMs })));
      const error = assertThrows(
        () => encodeBatches(records, null, { producer, wallMs: 5, bytesMax: 1e6 }),
        RangeError,
      );
      assertStringIncludes(error.message, `must be a number of milliseconds: current value is ${wrong}`);
    }
  }
});

Deno.test("encodeBatches() reads spans at the very end of their buffer, and none behind it", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, start) => {
    const from = Math.min(start, bytes.length);
    const values = { bytes, starts: Int32Array.of(from), ends: Int32Array.of(bytes.length) };
    const records = { count: 1, keys: values, values, timestamps: null, headers: null };
    const decoded = decodeBatches(logOf(encodeBatches(records, null, { producer, wallMs: 5, bytesMax: 1e6 }), 0), ALL);
    assertEquals(spanBytes(decoded.records.keys!, 0), bytes.subarray(from));
    assertEquals(spanBytes(decoded.records.values, 0), bytes.subarray(from));
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
