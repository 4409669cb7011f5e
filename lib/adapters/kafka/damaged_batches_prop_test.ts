/**
 * Damaged bytes end in an error of ours or in the right rows up to where they are whole: never in others, never in an
 * endless loop, never in memory for what is only claimed.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { crc32c } from "../../base/crc32c.ts";
import { BrokerUnavailableError, NotModelledError } from "../../base/errors.ts";
import type { ByteSpans } from "../../columns/records.ts";
import { type ReadRow, recordsOf, rowsOf } from "../../../testing/record_rows.ts";
import { decodeBatches, type DecodedRecords } from "./decode_batches.ts";
import { encodeBatches } from "./encode_batches.ts";
import { ATTRIBUTES, CHECKED_FROM, type Compression, COMPRESSIONS, HEADER_SIZE } from "./record_batch.ts";

/** Where the bytes end that no checksum covers: first offset, length, leader epoch, magic. */
const UNCHECKED_END = 17;
const BYTES_MAX = 1 << 20;

interface Log {
  readonly bytes: Uint8Array;
  /** Where each batch begins. */
  readonly starts: readonly number[];
  readonly rows: readonly ReadRow[];
}

/** Three batches with offsets 100 to 111: plain or compressed, with a control batch between the last two. */
function makeLog(compression: Compression): Log {
  const values = Array.from({ length: 11 }, (_, i) => ({
    key: i % 3 === 0 ? null : `key ${i}`,
    value: i === 5 ? null : "again and again ".repeat(i % 4 + 1),
    timestampMs: 1_700_000_000_000 + i * 1_000_000,
    ...i % 4 === 2 ? { headers: [["h", Uint8Array.of(i)] as const, ["n", null] as const] } : {},
  }));
  const producer = { producerId: 5n, producerEpoch: 1, sequence: 0, isTransactional: true };
  const options = { producer, wallMs: 1, bytesMax: 1e6, compression };
  const parts = [values.slice(0, 4), values.slice(4, 8), null, values.slice(8)].map((rows) => {
    const records = rows === null ? recordsOf([{ key: "\0\0\0\u0001", value: "marker" }]) : recordsOf(rows);
    const { bytes } = encodeBatches(records, null, options)[0]!;
    if (rows === null) withAttributes(bytes, ATTRIBUTES.isControl | ATTRIBUTES.isTransactional);
    return { bytes, count: records.count };
  });
  const log = new Uint8Array(parts.reduce((sum, { bytes }) => sum + bytes.length, 0));
  const starts: number[] = [];
  let at = 0;
  let offset = 100;
  for (const { bytes, count } of parts) {
    log.set(bytes, at);
    new DataView(log.buffer).setBigInt64(at, BigInt(offset));
    starts.push(at);
    at += bytes.length;
    offset += count;
  }
  return { bytes: log, starts, rows: rowsOf({ partition: 0, ...decode(log) }) };
}

function withAttributes(bytes: Uint8Array, attributes: number): void {
  new DataView(bytes.buffer).setInt16(21, attributes);
  repair(bytes, 0);
}

/** Makes the checksum of the batch at `start` hold again, if its length says where it ends. */
function repair(bytes: Uint8Array, start: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = Math.min(bytes.length, start + 12 + view.getInt32(start + 8));
  if (end > start + HEADER_SIZE) view.setUint32(start + 17, crc32c(bytes.subarray(start + CHECKED_FROM, end)));
}

function decode(bytes: Uint8Array, from = 100): DecodedRecords {
  return decodeBatches(bytes, { from, aborted: [], decompressedBytesMax: BYTES_MAX });
}

/** What is read, or `null` when it ends in an error of ours. */
function tried(bytes: Uint8Array, from = 100): DecodedRecords | null {
  try {
    return decode(bytes, from);
  } catch (error) {
    if (error instanceof BrokerUnavailableError || error instanceof NotModelledError) return null;
    throw error;
  }
}

/** Whatever the bytes are, what is read is well formed and bounded by them. */
function checkForm(decoded: DecodedRecords, from: number): void {
  const { records, offsets, to } = decoded;
  assertEquals([offsets.length, records.timestamps!.length], [records.count, records.count]);
  let before = from - 1;
  for (const offset of offsets) {
    assert(offset > before && offset < to, `${offset} after ${before} and before ${to}`);
    before = offset;
  }
  assert(to >= from);
  const check = (spans: ByteSpans | null) => {
    if (spans === null) return;
    assertEquals([spans.starts.length, spans.ends.length], [records.count, records.count]);
    assert(spans.bytes.length <= BYTES_MAX);
    for (let row = 0; row < records.count; row++) {
      const [start, end] = [spans.starts[row]!, spans.ends[row]!];
      assert(start === -1 || (0 <= start && start <= end && end <= spans.bytes.length), `${start} to ${end}`);
    }
  };
  check(records.keys);
  check(records.values);
  check(records.headers);
}

for (const compression of COMPRESSIONS) {
  const log = makeLog(compression);

  Deno.test(`${compression}: every byte that is changed is found, or changes no row`, () => {
    let refused = 0;
    for (let at = 0; at < log.bytes.length; at++) {
      const start = log.starts.findLast((each) => each <= at)!;
      for (const bit of [0x01, 0x08, 0x80]) {
        const damaged = log.bytes.slice();
        damaged[at]! ^= bit;
        const decoded = tried(damaged);
        if (decoded === null) {
          refused += 1;
          continue;
        }
        checkForm(decoded, 100);
        const rows = rowsOf({ partition: 0, ...decoded });
        if (at - start < UNCHECKED_END) {
          // Its place may be believed; its rows are still those that were written.
          const known = new Set(log.rows.map(({ value, timestampMs }) => `${value} ${timestampMs}`));
          assert(rows.every(({ value, timestampMs }) => known.has(`${value} ${timestampMs}`)));
        } else assertEquals(rows, log.rows.filter(({ offset }) => offset < decoded.to), `byte ${at}`);
        if (at - start >= UNCHECKED_END) assert(decoded.to <= Math.max(...log.rows.map(({ offset }) => offset)));
      }
    }
    assert(refused > log.starts[1]!, `${refused} refused`);
  });

  Deno.test(`${compression}: wherever the bytes are cut off, whole batches are read`, () => {
    for (let length = 0; length <= log.bytes.length; length++) {
      const decoded = tried(log.bytes.subarray(0, length));
      const isNone = length > 0 && length < log.starts[1]!;
      assertEquals(decoded === null, isNone, `length ${length}`);
      if (decoded === null) continue;
      const whole = [...log.starts.slice(1), log.bytes.length].filter((end) => end <= length).length;
      assertEquals(decoded.to, [100, 104, 108, 109, 112][whole]);
      assertEquals(rowsOf({ partition: 0, ...decoded }), log.rows.filter(({ offset }) => offset < decoded.to));
    }
  });

  Deno.test(`${compression}: changed bytes under a checksum that holds end in an error or in well-formed rows`, () => {
    for (let at = 0; at < log.bytes.length; at++) {
      const start = log.starts.findLast((each) => each <= at)!;
      for (const value of [0, 1, 0x7f, 0x80, 0xff, log.bytes[at]! ^ 0x02]) {
        const damaged = log.bytes.slice();
        damaged[at] = value;
        repair(damaged, start);
        const decoded = tried(damaged);
        if (decoded !== null) checkForm(decoded, 100);
      }
    }
  });

  Deno.test(`${compression}: bytes that lie in many places end in an error or in well-formed rows`, () => {
    const change = fc.record({ at: fc.nat(log.bytes.length - 1), value: fc.nat(255) });
    const cut = fc.nat(log.bytes.length);
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), cut, fc.nat(120), (changes, length, from) => {
        const damaged = log.bytes.slice(0, length < 200 ? log.bytes.length : length);
        for (const { at, value } of changes) if (at < damaged.length) damaged[at] = value;
        for (const start of log.starts) if (start + HEADER_SIZE < damaged.length) repair(damaged, start);
        const decoded = tried(damaged, from);
        if (decoded !== null) checkForm(decoded, from);
      }),
    );
  });
}

Deno.test("any records under a checksum that holds end in an error or in well-formed rows", () => {
  const bytes = fc.uint8Array({ maxLength: 120 });
  fc.assert(
    fc.property(bytes, fc.integer({ min: 0, max: 20 }), fc.nat(7), (records, count, attributes) => {
      const batch = new Uint8Array(HEADER_SIZE + records.length);
      batch.set(records, HEADER_SIZE);
      const view = new DataView(batch.buffer);
      view.setInt32(8, batch.length - 12);
      view.setInt8(16, 2);
      view.setInt32(23, 30);
      view.setInt32(57, count);
      withAttributes(batch, attributes);
      const decoded = tried(batch, 0);
      if (decoded === null) return;
      checkForm(decoded, 0);
      assertEquals(decoded.records.count, count);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("any bytes at all end in an error or in nothing", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(1_000), (bytes, from) => {
    const decoded = tried(bytes, from);
    if (decoded !== null) assertEquals([decoded.records.count, bytes.length], [0, 0]);
  }));
});
