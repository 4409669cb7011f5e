import {
  Binary,
  type Data,
  Field,
  makeData,
  RecordBatch,
  RecordBatchFileReader,
  RecordBatchFileWriter,
  Schema,
  Struct,
  Utf8,
} from "apache-arrow";
import fc from "fast-check";
import { assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import { CheckpointCorruptError } from "../base/errors.ts";
import { compareBytes, spanBytes, spansOf } from "../columns/spans.ts";
import {
  decodeSegment,
  type EncodedSegment,
  encodeSegment,
  SEGMENT_BATCH_ROWS_MAX,
  type SegmentFacts,
  type SegmentPage,
} from "./segment.ts";

type Row = readonly [key: Uint8Array, value: Uint8Array | null];

const pageOf = (rows: readonly Row[]): SegmentPage => ({
  count: rows.length,
  keys: spansOf(rows.map((row) => row[0])),
  values: spansOf(rows.map((row) => row[1])),
});

function rowsOf(pages: readonly SegmentPage[]): Row[] {
  return pages.flatMap((page) =>
    Array.from({ length: page.count }, (_, row): Row => [
      spanBytes(page.keys, row)!.slice(),
      spanBytes(page.values, row)?.slice() ?? null,
    ])
  );
}

function factsOf(segment: EncodedSegment, kind: "base" | "delta" = "base"): SegmentFacts {
  const { rows, firstKey, lastKey } = segment;
  return { name: "a/segment", kind, rows, firstKey, lastKey };
}

const sorted = (rows: readonly Row[]) =>
  rows.toSorted(([left], [right]) => compareBytes(left, 0, left.length, right, 0, right.length));
const bytes = fc.uint8Array({ maxLength: 12 });
const rowsWith = (value: fc.Arbitrary<Uint8Array | null>): fc.Arbitrary<Row[]> =>
  fc.uniqueArray(fc.tuple(bytes, value), { minLength: 1, maxLength: 40, selector: ([key]) => key.join() })
    .map((rows) => sorted(rows));
const text = (value: string) => new TextEncoder().encode(value);
const ROWS: readonly Row[] = sorted([...Array(20).keys()].map((i) => [text(`key ${i}`), text(`value ${i}`)]));

/** Rows cut into pages at drawn places, some of them empty. */
function cut(rows: readonly Row[], places: readonly number[]): SegmentPage[] {
  const bounds = [0, ...places.map((place) => place % (rows.length + 1)).sort((a, b) => a - b), rows.length];
  return bounds.slice(1).map((to, i) => pageOf(rows.slice(bounds[i], to)));
}

Deno.test("decodeSegment() gives back the rows that encodeSegment() wrote, however they were paged", () => {
  fc.assert(fc.property(rowsWith(bytes), fc.array(fc.nat(), { maxLength: 3 }), (rows, places) => {
    const segment = encodeSegment(cut(rows, places), "base");
    assertEquals(rowsOf(decodeSegment(segment.bytes, factsOf(segment))), rows);
    assertEquals([segment.firstKey, segment.lastKey], [rows[0]![0], rows.at(-1)![0]]);
  }));
});

Deno.test("decodeSegment() gives back the deletions of a delta", () => {
  fc.assert(fc.property(rowsWith(fc.option(bytes, { nil: null })), (rows) => {
    const segment = encodeSegment([pageOf(rows)], "delta");
    assertEquals(rowsOf(decodeSegment(segment.bytes, factsOf(segment, "delta"))), rows);
  }));
});

Deno.test("encodeSegment() gives the same bytes for the same rows wherever they lie in their buffers", () => {
  const { keys, values, count } = pageOf(ROWS);
  const shifted = new Uint8Array(values.bytes.length + 3).fill(9);
  shifted.set(values.bytes, 3);
  const moved = { bytes: shifted, starts: values.starts.map((at) => at + 3), ends: values.ends.map((at) => at + 3) };
  assertEquals(
    encodeSegment([{ count, keys, values: moved }], "base").bytes,
    encodeSegment([pageOf(ROWS)], "base").bytes,
  );
});

Deno.test("encodeSegment() writes record batches of at most 8,192 rows", () => {
  const rows = [...Array(2 * SEGMENT_BATCH_ROWS_MAX + 1).keys()].map((
    i,
  ): Row => [text(String(i).padStart(6, "0")), text("v")]);
  const segment = encodeSegment([pageOf(rows)], "base");
  const batches = [...RecordBatchFileReader.from(segment.bytes)];
  assertEquals(batches.map((batch) => batch.numRows), [8_192, 8_192, 1]);
  assertEquals(rowsOf(decodeSegment(segment.bytes, factsOf(segment))), rows);
});

Deno.test("encodeSegment() refuses rows that are out of order, twice there, null where they must not be, or none", () => {
  const [a, b] = [text("a"), text("b")];
  const wrong: readonly (readonly Row[][])[] = [
    [[[b, a], [a, a]]],
    [[[a, a], [a, b]]],
    [[[b, a]], [[a, a]]],
    [[[a, a]], [[a, a]]],
  ];
  for (const pages of wrong) {
    assertThrows(() => encodeSegment(pages.map(pageOf), "base"), InvariantError, "ascending key order");
  }
  assertThrows(() => encodeSegment([pageOf([[a, null]])], "base"), InvariantError, "no deletions");
  assertThrows(() => encodeSegment([], "base"), InvariantError, "at least one row");
  const nullKey = { count: 1, keys: spansOf([null]), values: spansOf(["v"]) };
  assertThrows(() => encodeSegment([nullKey], "base"), InvariantError, "ascending key order");
});

Deno.test("decodeSegment() reads a file that begins at an odd place of its buffer", () => {
  const segment = encodeSegment([pageOf(ROWS)], "base");
  for (let shift = 1; shift < 8; shift++) {
    const buffer = new Uint8Array(segment.bytes.length + shift);
    buffer.set(segment.bytes, shift);
    assertEquals(rowsOf(decodeSegment(buffer.subarray(shift), factsOf(segment))), ROWS);
  }
});

Deno.test("decodeSegment() refuses what is not the segment of its facts", () => {
  const segment = encodeSegment([pageOf(ROWS)], "base");
  const facts = factsOf(segment);
  const delta = encodeSegment([pageOf([[text("a"), null]])], "delta");
  const cases: readonly (readonly [Uint8Array, SegmentFacts, string])[] = [
    [segment.bytes, { ...facts, rows: 19 }, "20 rows instead of 19"],
    [segment.bytes, { ...facts, firstKey: text("k") }, "first or last key"],
    [segment.bytes, { ...facts, lastKey: text("z") }, "first or last key"],
    [delta.bytes, { ...factsOf(delta), kind: "base" }, "null value"],
    [new Uint8Array(0), facts, "a/segment"],
    [text("ARROW1 is how it begins, and nothing that follows is a segment"), facts, "a/segment"],
  ];
  for (const [bytes, facts, expected] of cases) {
    assertThrows(() => decodeSegment(bytes, facts), CheckpointCorruptError, expected);
  }
});

Deno.test("decodeSegment() refuses every truncation", () => {
  const segment = encodeSegment([pageOf(ROWS.slice(0, 10)), pageOf(ROWS.slice(10))], "base");
  for (let length = 0; length < segment.bytes.length; length++) {
    assertThrows(() => decodeSegment(segment.bytes.slice(0, length), factsOf(segment)), CheckpointCorruptError);
  }
});

/** An Arrow file of the rows that is no segment. */
function arrowFile(columns: Record<string, Data>, metadata = new Map([["turbine.segment", "1"]])): Uint8Array {
  const fields = Object.entries(columns).map(([name, data]) => new Field(name, data.type, true));
  const schema = new Schema(fields, metadata);
  const children = Object.values(columns);
  const length = children[0]!.length;
  const data = makeData({ type: new Struct(fields), length, nullCount: 0, children });
  const writer = new RecordBatchFileWriter();
  writer.reset(undefined, schema);
  writer.write(new RecordBatch(schema, data));
  writer.finish();
  return writer.toUint8Array(true);
}

function binaryOf(values: readonly string[], valueOffsets?: Int32Array, type: Binary | Utf8 = new Binary()): Data {
  const spans = spansOf(values);
  const offsets = valueOffsets ?? Int32Array.of(0, ...spans.ends);
  const props = { length: values.length, nullCount: 0, valueOffsets: offsets, data: spans.bytes };
  return type instanceof Utf8 ? makeData({ type, ...props }) : makeData({ type, ...props });
}

Deno.test("decodeSegment() refuses Arrow files that are no segments", () => {
  const key = binaryOf(["a", "b", "c"]);
  const value = binaryOf(["x", "y", "z"]);
  const facts = { name: "a/segment", kind: "base", rows: 3, firstKey: text("a"), lastKey: text("c") } as const;
  assertEquals(decodeSegment(arrowFile({ key, value }), facts).length, 1);
  const nullKey = makeData({
    type: new Binary(),
    length: 3,
    nullCount: 1,
    nullBitmap: Uint8Array.of(0b101),
    valueOffsets: Int32Array.of(0, 1, 1, 2),
    data: text("ac"),
  });
  const cases: readonly (readonly [Uint8Array, string])[] = [
    [arrowFile({ key, value }, new Map()), "its columns"],
    [arrowFile({ key, value }, new Map([["turbine.segment", "2"]])), "its columns"],
    [arrowFile({ value, key }), "its columns"],
    [arrowFile({ key }), "its columns"],
    [arrowFile({ key, value, more: value }), "its columns"],
    [arrowFile({ key, value: binaryOf(["x", "y", "z"], undefined, new Utf8()) }), "its columns"],
    [arrowFile({ key: nullKey, value }), "a null key"],
    [arrowFile({ key: binaryOf(["a", "c", "b"]), value }), "row 2 is not after"],
    [arrowFile({ key: binaryOf(["a", "a", "c"]), value }), "row 1 is not after"],
    [arrowFile({ key, value: binaryOf(["x", "y", "z"], Int32Array.of(0, 2, 1, 3)) }), "ends before it begins"],
    [arrowFile({ key, value: binaryOf(["x", "y", "z"], Int32Array.of(0, 1, 2, 3_000)) }), "ends after its column"],
  ];
  for (const [bytes, expected] of cases) {
    assertThrows(() => decodeSegment(bytes, facts), CheckpointCorruptError, expected);
  }
  const many = [...Array(SEGMENT_BATCH_ROWS_MAX + 1).keys()].map((i) => String(i).padStart(6, "0"));
  const large = arrowFile({ key: binaryOf(many), value: binaryOf(many) });
  assertThrows(() => decodeSegment(large, facts), CheckpointCorruptError, "a record batch of 8193 rows");
});
