import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { batchFromColumns } from "../../columns/batch.ts";
import { batchOf } from "../../columns/batch_of.ts";
import {
  type Batch,
  binary,
  bool,
  type Columns,
  type ColumnType,
  float64,
  int32,
  int64,
  list,
  struct,
  timestampMs,
  utf8,
} from "../../columns/schema.ts";
import { recordKey } from "../record_key.ts";
import {
  readEncoded,
  referenceEncode,
  referenceJson,
  RefusedRow,
  type Row,
  rowArb,
  schemaArb,
  tableArb,
} from "./encode_reference_test.ts";
import { createJsonDecoder } from "./json_decoder.ts";
import { createJsonEncoder } from "./json_encoder.ts";

// deno-lint-ignore no-explicit-any
const batchOfRows = (columns: Columns, rows: readonly Row[]): Batch<any> => batchOf<any>(columns, rows as any);

/** Both ways of encoding must give the same; returns what they gave. */
function encodeBothWays(columns: Columns | undefined, batch: Batch) {
  const compiled = readEncoded(createJsonEncoder(columns).encode(batch));
  const closed = readEncoded(createJsonEncoder(columns, { isEvalAllowed: false }).encode(batch));
  assertEquals(closed, compiled);
  return compiled;
}

Deno.test("createJsonEncoder() writes each row as JSON.stringify does, refuses the others, and never mixes them", () => {
  fc.assert(
    fc.property(tableArb(2, true), ({ columns, rows }) => {
      assertEquals(encodeBothWays(columns, batchOfRows(columns, rows)), referenceEncode(columns, rows));
    }),
    { numRuns: 1500 },
  );
});

Deno.test("createJsonEncoder() writes any slice as the same rows of the whole", () => {
  fc.assert(
    fc.property(tableArb(2, true), fc.nat(12), fc.nat(12), ({ columns, rows }, a, b) => {
      const from = Math.min(a, b, rows.length);
      const to = Math.min(Math.max(a, b), rows.length);
      const slice = batchOfRows(columns, rows).slice(from, to);
      assertEquals(encodeBothWays(columns, slice), referenceEncode(columns, rows.slice(from, to)));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("createJsonEncoder() output is taken back by the decoder to the same columns", () => {
  fc.assert(
    fc.property(tableArb(2, false), ({ columns, rows }) => {
      const first = createJsonEncoder(columns).encode(batchOfRows(columns, rows));
      const decoded = createJsonDecoder(columns).decode(first.values, 0, first.count);
      assertEquals(decoded.rejected, []);
      // Text says its value exactly, so the same text is the same columns.
      const second = createJsonEncoder(columns).encode(decoded.batch);
      assertEquals(readEncoded(second), readEncoded(first));
      assertEquals(first.count, rows.length);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("createJsonEncoder() refuses exactly the rows with a null where the declared columns allow none", () => {
  const strict = (type: ColumnType): ColumnType => ({
    ...type,
    nullable: false,
    ...(type.element && { element: strict(type.element) }),
    ...(type.columns && { columns: strictColumns(type.columns) }),
  });
  const strictColumns = (columns: Columns): Columns =>
    Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, strict(type)]));
  fc.assert(
    fc.property(tableArb(2, true), ({ columns, rows }) => {
      const declared = strictColumns(columns);
      assertEquals(encodeBothWays(declared, batchOfRows(columns, rows)), referenceEncode(declared, rows));
    }),
    { numRuns: 600 },
  );
});

Deno.test("createJsonEncoder() finds columns by name and leaves record keys out", () => {
  const arb = schemaArb(1).chain((columns) =>
    fc.record({
      columns: fc.constant(columns),
      names: fc.shuffledSubarray(Object.keys(columns)),
      keys: fc.subarray(Object.keys(columns)),
      rows: fc.array(rowArb(columns, true), { maxLength: 5 }),
    })
  );
  fc.assert(
    fc.property(arb, ({ columns, names, keys, rows }) => {
      const isScalar = (type: ColumnType) => type.kind !== "list" && type.kind !== "struct";
      const declared = Object.fromEntries(names.map((name) => {
        const type = columns[name]!;
        return [name, keys.includes(name) && isScalar(type) ? recordKey(type) : type];
      }));
      assertEquals(encodeBothWays(declared, batchOfRows(columns, rows)), referenceEncode(declared, rows));
    }),
    { numRuns: 500 },
  );
});

Deno.test("createJsonEncoder() keeps what it learned of one batch from harming the next", () => {
  fc.assert(
    fc.property(fc.array(tableArb(1, true), { minLength: 2, maxLength: 6 }), (tables) => {
      const inferred = createJsonEncoder(undefined);
      for (const { columns, rows } of tables) {
        const loose = referenceEncode(nullableColumns(columns), rows);
        assertEquals(readEncoded(inferred.encode(batchOfRows(columns, rows))), loose);
      }
    }),
    { numRuns: 300 },
  );
});

function nullableColumns(columns: Columns): Columns {
  const loose = (type: ColumnType): ColumnType => {
    if (type.element !== undefined) return list(loose(type.element), { nullable: true });
    if (type.columns !== undefined) return struct(nullableColumns(type.columns), { nullable: true });
    return { ...type, nullable: true };
  };
  return Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, loose(type)]));
}

Deno.test("createJsonEncoder() refuses a text exactly when TextDecoder finds it malformed", () => {
  const bytesArb = fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc.array(
      fc.constantFrom(0x22, 0x41, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5),
      {
        maxLength: 6,
      },
    ).map((bytes) => Uint8Array.from(bytes)),
    fc.string({ unit: "binary", maxLength: 5 }).map((text) => new TextEncoder().encode(text)),
  );
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  fc.assert(
    fc.property(fc.array(bytesArb, { maxLength: 8 }), (texts) => {
      const offsets = new Int32Array(texts.length + 1);
      for (const [i, text] of texts.entries()) offsets[i + 1] = offsets[i]! + text.length;
      const values = new Uint8Array(offsets[texts.length]!);
      for (const [i, text] of texts.entries()) values.set(text, offsets[i]);
      const columns = { text: utf8() };
      const encoded = encodeBothWays(columns, batchFromColumns(columns, { text: { values, offsets } }, texts.length));
      const accepted: string[] = [];
      const refused: number[] = [];
      for (const [row, text] of texts.entries()) {
        try {
          accepted.push(JSON.stringify({ text: decoder.decode(text) }));
        } catch {
          refused.push(row);
        }
      }
      assertEquals(encoded.texts, accepted);
      assertEquals(
        encoded.rejected,
        refused.map((row) => ({ row, reason: "column 'text' is not valid UTF-8", position: -1 })),
      );
    }),
    { numRuns: 3000 },
  );
});

Deno.test("referenceJson() is JSON.stringify but for -0, int64 and binary", () => {
  const columns = { a: utf8(), b: list(float64()), c: struct({ d: bool({ nullable: true }) }), e: timestampMs() };
  const row = { a: 'x"\n', b: [1, 2.5, 1e300], c: { d: null }, e: 12 };
  assertEquals(referenceJson(columns, row), JSON.stringify(row));
  const own = { a: -0, b: 2n ** 62n, c: Uint8Array.of(255) };
  assertEquals(
    referenceJson({ a: float64(), b: int64(), c: binary() }, own),
    '{"a":-0,"b":4611686018427387904,"c":"/w=="}',
  );
});

Deno.test("referenceJson() refuses nulls that are not allowed and numbers that JSON cannot hold", () => {
  assertThrows(() => referenceJson({ a: list(int32()) }, { a: [null] }), RefusedRow, "column 'a[]' is null");
  assertThrows(
    () => referenceJson({ a: struct({ b: float64() }) }, { a: { b: NaN } }),
    RefusedRow,
    "column 'a.b' is NaN",
  );
});
