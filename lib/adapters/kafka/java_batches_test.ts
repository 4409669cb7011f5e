import { assertEquals } from "@std/assert";
import { rowsOf } from "../../../testing/record_rows.ts";
import { encodeHeaders, type HeaderEntry } from "../../columns/headers.ts";
import { spanBytes, spansOf } from "../../columns/spans.ts";
import { decodeBatches } from "./decode_batches.ts";
import { encodeBatches } from "./encode_batches.ts";
import { COMPRESSIONS } from "./record_batch.ts";
import { scanBatches } from "./scan_batches.ts";

/** One batch of a transaction at offset 1000, as Kafka 4.1's own library writes it with each codec. */
const BY_JAVA: Readonly<Record<string, string>> = {
  none:
    "AAAAAAAAA+gAAADMAAAAAwJndPDvABAAAAADAAABdIdugAAAAAF0h3BiQAAAABy+mRoUAAcAAAAqAAAABCoAAAAEazAEdjAGAmECMQJhAQTDvADCAQABAgG0AXYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIHYxIAAQAICJDwQAAQAwAP+ft4fpBQYEazMAAgp0cmFjZQgAAQL/",
  gzip:
    "AAAAAAAAA+gAAACLAAAAAwJUNsVzABEAAAADAAABdIdugAAAAAF0h3BiQAAAABy+mRoUAAcAAAAqAAAABB+LCAAAAAAAAP/TYmBgYMk2YCkzYGNKZDJkSmRkObyH4RAjAyMT4xbGMkMFGiEGAYaGTn4WBkYGA4b/87e3v2RlY8k2ZmDiKilKTE7lAFr/HwChCD6smwAAAA==",
  snappy:
    "AAAAAAAAA+gAAACTAAAAAwL6BLG8ABIAAAADAAABdIdugAAAAAF0h3BiQAAAABy+mRoUAAcAAAAqAAAABIJTTkFQUFkAAAAAAQAAAAEAAABOmwGAKgAAAARrMAR2MAYCYQIxAmEBBMO8AMIBAAECAbQBdjEg/gMAWgMAiAAQAICJDwQAAQAwAP+ft4fpBQYEazMAAgp0cmFjZQgAAQL/",
  lz4:
    "AAAAAAAAA+gAAACLAAAAAwI5rwM3ABMAAAADAAABdIdugAAAAAF0h3BiQAAAABy+mRoUAAcAAAAqAAAABAQiTRhgQIJLAAAA/xIqAAAABGswBHYwBgJhAjECYQEEw7wAwgEAAQIBtAF2MSADAETwFAAQAICJDwQAAQAwAP+ft4fpBQYEazMAAgp0cmFjZQgAAQL/AAAAAA==",
  zstd:
    "AAAAAAAAA+gAAACJAAAAAwLjbnHgABQAAAADAAABdIdugAAAAAF0h3BiQAAAABy+mRoUAAcAAAAqAAAABCi1L/0AWGQCAEQEKgAAAARrMAR2MAYCYQIxAmEBBMO8AMIBAAECAbQBdjEgABAAgIkPBAABADAA/5+3h+kFBgRrMwACCnRyYWNlCAABAv8BACEn9wQBAAA=",
};
/** The markers behind it, and what compaction leaves of a batch whose records are all gone. */
const ABORT =
  "AAAAAAAAA+wAAABCAAAAAwIzbJ4ZADAAAAAAAAABdIdugfQAAAF0h26B9AAAABy+mRoUAAf/////AAAAASAAAAAIAAAAAAwAAAAAAAUA";
const COMMIT =
  "AAAAAAAAA+wAAABCAAAAAwLHUkhRADAAAAAAAAABdIdugfQAAAF0h26B9AAAABy+mRoUAAf/////AAAAASAAAAAIAAAAAQwAAAAAAAUA";
const EMPTY = "AAAAAAAAA94AAAAxAAAAAwIR48QoABAAAAAJ//////////8AAAF0h26AAAAAABy+mRoUAAcAAAApAAAAAA==";
/** Four records at offset 5, stamped by the broker; and records 2 and 5 of eight, after compaction. */
const APPEND_TIME =
  "AAAAAAAAAAUAAABkAAAAAALu0a/nAAsAAAADAAAAAAAAA+gAAAGLz+VoAP//////////////////AAAABAQiTRhgQIIkAACAEAAAAAEEdjAAEAACAgEEdjEAEAAEBAEEdjIAEAAGBgEEdjMAAAAAAA==";
const COMPACTED =
  "AAAAAAAAAAAAAABHAAAAAQI2s79gAAAAAAAHAAAAAAAAA+oAAAAAAAAD7QAAAAAAAAAJAAAAAAAAAAAAAhQAAAQEazIEdjIAFAAGCgRrNQR2NQA=";

const encoder = new TextEncoder();
const fromBase64 = (text: string) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
const joined = (parts: readonly string[]) => Uint8Array.from(parts.flatMap((part) => [...fromBase64(part)]));

const HEADERS: readonly (readonly HeaderEntry[])[] = [
  [["a", encoder.encode("1")], ["a", null], ["ü", new Uint8Array(0)]],
  [],
  [],
  [["trace", Uint8Array.of(0, 1, 2, 255)]],
];
const RECORDS = {
  count: 4,
  keys: spansOf(["k0", null, "", "k3"]),
  values: spansOf(["v0", "v1 ".repeat(30), null, ""]),
  timestamps: Float64Array.of(1_600_000_000_000, 1_599_999_999_999, 1_600_000_123_456, 1_500_000_000_000),
  headers: spansOf(HEADERS.map((entries) => entries.length === 0 ? null : encodeHeaders(entries))),
};
const PRODUCER = { producerId: 123_456_789_012n, producerEpoch: 7, sequence: 42, isTransactional: true };

for (const [codec, text] of Object.entries(BY_JAVA)) {
  Deno.test(`decodeBatches() reads every field of what Kafka's library wrote with ${codec}`, () => {
    const bytes = fromBase64(text);
    const decoded = decodeBatches(bytes, { from: 1_000, aborted: [] });
    const offsets = Float64Array.of(1_000, 1_001, 1_002, 1_003);
    assertEquals(rowsOf({ partition: 0, ...decoded }), rowsOf({ partition: 0, records: RECORDS, offsets }));
    assertEquals([decoded.to, decoded.leaderEpoch], [1_004, 3]);
    for (const [row, entries] of HEADERS.entries()) {
      const found = spanBytes(decoded.records.headers!, row);
      assertEquals(found?.slice() ?? null, entries.length === 0 ? null : encodeHeaders(entries));
    }
    const { producerId, producerEpoch, baseSequence, attributes } = scanBatches(bytes, 0)[0]!;
    assertEquals([producerId, producerEpoch, baseSequence], [123_456_789_012n, 7, 42]);
    assertEquals(attributes, 16 | Object.keys(BY_JAVA).indexOf(codec));
  });
}

Deno.test("encodeBatches() writes byte for byte what Kafka's library writes", () => {
  const [batch] = encodeBatches(RECORDS, null, { producer: PRODUCER, wallMs: 0, bytesMax: 1e6 });
  const view = new DataView(batch!.bytes.buffer);
  // What the broker sets.
  view.setBigInt64(0, 1_000n);
  view.setInt32(12, 3);
  assertEquals(batch!.bytes, fromBase64(BY_JAVA.none!));
});

Deno.test("encodeBatches() writes the same header and records as Kafka's library, whatever the compression", () => {
  for (const compression of COMPRESSIONS) {
    const [batch] = encodeBatches(RECORDS, null, { producer: PRODUCER, wallMs: 0, bytesMax: 1e6, compression });
    const ours = decodeBatches(batch!.bytes, { from: 0, aborted: [] });
    const theirs = decodeBatches(fromBase64(BY_JAVA[compression]!), { from: 0, aborted: [] });
    assertEquals(ours.records.headers === null, false);
    const offsets = ours.offsets;
    assertEquals(rowsOf({ partition: 0, ...ours }), rowsOf({ partition: 0, ...theirs, offsets }), compression);
  }
});

Deno.test("decodeBatches() hides a transaction that Kafka's own marker aborts, and shows one that it commits", () => {
  const aborted = [{ producerId: 123_456_789_012n, firstOffset: 1_000n }];
  const hidden = decodeBatches(joined([BY_JAVA.lz4!, ABORT]), { from: 1_000, aborted });
  assertEquals([hidden.records.count, hidden.to], [0, 1_005]);
  const shown = decodeBatches(joined([BY_JAVA.lz4!, COMMIT]), { from: 1_000, aborted: [] });
  assertEquals([shown.records.count, shown.to], [4, 1_005]);
});

Deno.test("decodeBatches() passes a batch that compaction has emptied", () => {
  const alone = decodeBatches(fromBase64(EMPTY), { from: 990, aborted: [] });
  assertEquals([alone.records.count, alone.to, alone.leaderEpoch], [0, 1_000, 3]);
  const between = decodeBatches(joined([EMPTY, BY_JAVA.zstd!]), { from: 995, aborted: [] });
  assertEquals([[...between.offsets], between.to], [[1_000, 1_001, 1_002, 1_003], 1_004]);
});

Deno.test("decodeBatches() keeps the offsets of what compaction left, and goes on behind what it took", () => {
  const bytes = fromBase64(COMPACTED);
  const rows = (from: number) => {
    const decoded = decodeBatches(bytes, { from, aborted: [] });
    const found = rowsOf({ partition: 0, ...decoded });
    return [found.map(({ offset, key, timestampMs }) => [offset, key, timestampMs]), decoded.to];
  };
  assertEquals(rows(0), [[[2, "k2", 1_002], [5, "k5", 1_005]], 8]);
  assertEquals(rows(3), [[[5, "k5", 1_005]], 8]);
  assertEquals(rows(6), [[], 8]);
});

Deno.test("decodeBatches() takes the broker's time of a compressed batch", () => {
  const { records, offsets } = decodeBatches(fromBase64(APPEND_TIME), { from: 6, aborted: [] });
  assertEquals([...records.timestamps!], [1_700_000_000_000, 1_700_000_000_000, 1_700_000_000_000]);
  assertEquals([...offsets], [6, 7, 8]);
});
