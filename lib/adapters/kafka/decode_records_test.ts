import { assertEquals } from "@std/assert";
import { encodeHeaders } from "../../columns/headers.ts";
import { spanBytes } from "../../columns/spans.ts";
import { mayHold, RecordColumns } from "./decode_records.ts";
import type { BatchHeader } from "./record_batch.ts";

/** Header of a batch with offsets 10 to 19. */
function headerOf(count: number): BatchHeader {
  return {
    start: 0,
    end: 0,
    baseOffset: 10,
    lastOffset: 19,
    leaderEpoch: 0,
    attributes: 0,
    baseTimestamp: 1_000,
    maxTimestamp: 2_000,
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
    count,
  };
}

/** A record without a timestamp delta: offset delta, key, value, headers; each of them as it stands on the wire. */
function record(offsetDelta: number, fields: readonly number[], options: { readonly length?: number } = {}): number[] {
  const body = [0, 0, 2 * offsetDelta, ...fields];
  return [2 * (options.length ?? body.length), ...body];
}

/** Key `k`, value `v`, no headers. */
const KEYED = [2, 107, 2, 118, 0];
/** No key, no value, no headers. */
const BARE = [1, 1, 0];

/** Columns to which `bytes` were added as one batch, after `before`; and whether the batch was whole. */
function add(
  bytes: readonly number[],
  options: { readonly count: number; readonly from?: number; readonly before?: readonly number[] },
): { columns: RecordColumns; isWhole: boolean } {
  const { count, from = 0, before = [] } = options;
  // What follows the section belongs to somebody else.
  const buffer = Uint8Array.from([...before, ...bytes, 0, 0, 0, 0]);
  const columns = new RecordColumns(buffer, 10);
  if (before.length > 0) columns.add({ header: headerOf(1), start: 0, end: before.length }, 0);
  const end = before.length + bytes.length;
  return { columns, isWhole: columns.add({ header: headerOf(count), start: before.length, end }, from) };
}

Deno.test("RecordColumns.add() reads records with gaps between their offsets", () => {
  const { columns, isWhole } = add([...record(0, KEYED), ...record(3, BARE), ...record(9, KEYED)], { count: 3 });
  const { records, offsets } = columns.finish();
  assertEquals([isWhole, records.count, [...offsets], [...records.timestamps!]], [
    true,
    3,
    [10, 13, 19],
    [1_000, 1_000, 1_000],
  ]);
  assertEquals([spanBytes(records.keys!, 0), spanBytes(records.keys!, 1)], [Uint8Array.of(107), null]);
  assertEquals([spanBytes(records.values, 2), spanBytes(records.values, 1)], [Uint8Array.of(118), null]);
});

const WRONG: Readonly<Record<string, { readonly bytes: readonly number[]; readonly count: number }>> = {
  "a record is longer than its fields": { bytes: record(0, [...KEYED, 0]), count: 1 },
  "a record is shorter than its fields": { bytes: [...record(0, KEYED, { length: 6 }), 0], count: 1 },
  "a record reaches behind the section": { bytes: record(0, BARE, { length: 9 }), count: 1 },
  "a length is negative": { bytes: [13, ...record(0, BARE).slice(1)], count: 1 },
  "there are more records than are claimed": { bytes: [...record(0, BARE), ...record(1, BARE)], count: 1 },
  "there are fewer records than are claimed": { bytes: record(0, BARE), count: 2 },
  "there is something behind the records": { bytes: [...record(0, BARE), 0], count: 1 },
  "an offset comes twice": { bytes: [...record(1, BARE), ...record(1, BARE)], count: 2 },
  "offsets go back": { bytes: [...record(2, BARE), ...record(1, BARE)], count: 2 },
  "records with headers and keys come before the damage": {
    bytes: [...record(1, [2, 107, 1, 2, 2, 104, 1]), ...record(1, BARE)],
    count: 2,
  },
  "an offset is behind the last one": { bytes: record(10, BARE), count: 1 },
  "an offset is before the first one": { bytes: [...record(0, BARE).slice(0, 3), 1, ...BARE], count: 1 },
  "a key is longer than its record": { bytes: record(0, [20, 107, 2, 118, 0]), count: 1 },
  "a value is longer than its record": { bytes: record(0, [2, 107, 20, 118, 0]), count: 1 },
  "headers are missing": { bytes: record(0, [1, 1]), count: 1 },
  "there are fewer headers than are claimed": { bytes: record(0, [1, 1, 4, 2, 104, 1]), count: 1 },
  "a header's name is null": { bytes: record(0, [1, 1, 2, 1, 1]), count: 1 },
  "a header's value is longer than its record": { bytes: record(0, [1, 1, 2, 2, 104, 8, 1]), count: 1 },
  "a number of headers is negative": { bytes: record(0, [1, 1, 1]), count: 1 },
};

for (const [what, { bytes, count }] of Object.entries(WRONG)) {
  Deno.test(`RecordColumns.add() refuses a batch when ${what}, and keeps the rows before it`, () => {
    const { columns, isWhole } = add(bytes, { count, before: record(4, BARE) });
    const { records, offsets } = columns.finish();
    assertEquals([isWhole, records.count, [...offsets]], [false, 1, [14]]);
    assertEquals([records.keys, records.headers], [null, null], "neither keys nor headers stay of what was refused");
  });
}

Deno.test("RecordColumns.add() forgets headers of a refused batch only", () => {
  const headers = encodeHeaders([["h", Uint8Array.of(7)]]);
  const withHeaders = [1, 1, ...headers];
  const { columns, isWhole } = add([...record(0, withHeaders), ...record(0, BARE)], {
    count: 2,
    before: record(4, withHeaders),
  });
  assertEquals(isWhole, false);
  const again = columns.add({ header: headerOf(1), start: 0, end: record(4, withHeaders).length }, 0);
  const { records } = columns.finish();
  assertEquals([again, records.count], [true, 2]);
  assertEquals(spanBytes(records.headers!, 0), headers);
  assertEquals(spanBytes(records.headers!, 1), headers);
});

Deno.test("RecordColumns.add() has neither keys nor headers when only records before the position have some", () => {
  const headers = encodeHeaders([["h", null]]);
  const { columns } = add([...record(0, [2, 107, 1, ...headers]), ...record(1, BARE)], { count: 2, from: 11 });
  const { records, offsets } = columns.finish();
  assertEquals([[...offsets], records.keys, records.headers], [[11], null, null]);
});

Deno.test("mayHold() tells when a batch claims more records than its bytes can be", () => {
  const section = (count: number) => ({ header: headerOf(count), start: 5, end: 5 + 70 });
  assertEquals([0, 10, 11, 2 ** 31 - 1].map((count) => mayHold(section(count))), [true, true, false, false]);
});
