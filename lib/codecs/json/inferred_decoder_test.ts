import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { columnsOf } from "../../columns/columns_of.ts";
import { sliceSpans, spansOf } from "../../columns/spans.ts";
import type { Columns, ColumnType } from "../../columns/schema.ts";
import { spanTexts } from "./encode_reference_test.ts";
import { createInferredDecoder } from "./inferred_decoder.ts";
import { createJsonEncoder } from "./json_encoder.ts";

/** Columns as words: `{"a":"float64","b":["utf8"]}`. */
function words(columns: Columns): unknown {
  const word = (type: ColumnType): unknown => {
    assertEquals(type.nullable, true);
    if (type.element !== undefined) return [word(type.element)];
    return type.columns === undefined ? type.kind : words(type.columns);
  };
  return Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, word(type)]));
}

function decode(rows: readonly (string | Uint8Array | null)[]) {
  const { batch, rows: accepted, rejected } = createInferredDecoder().decode(spansOf(rows), 0, rows.length);
  return {
    columns: words(columnsOf(batch)),
    texts: spanTexts(createJsonEncoder(undefined).encode(batch).values),
    rows: accepted === null ? null : Array.from(accepted),
    rejected,
  };
}

const refused = (row: number, reason: string, position = -1) => ({ row, reason, position });

Deno.test("createInferredDecoder() infers all kinds, nullable, in the order of first appearance", () => {
  const decoded = decode([
    '{"n":1,"t":"é","none":null}',
    '{"b":true,"n":2.5,"list":[[],[1]],"o":{"y":1}}',
    '{"o":{"x":"z"},"list":null}',
  ]);
  assertEquals(decoded, {
    columns: { n: "float64", t: "utf8", none: "utf8", b: "bool", list: [["float64"]], o: { y: "float64", x: "utf8" } },
    texts: [
      '{"n":1,"t":"é","none":null,"b":null,"list":null,"o":null}',
      '{"n":2.5,"t":null,"none":null,"b":true,"list":[[],[1]],"o":{"y":1,"x":null}}',
      '{"n":null,"t":null,"none":null,"b":null,"list":null,"o":{"y":null,"x":"z"}}',
    ],
    rows: null,
    rejected: [],
  });
});

Deno.test("createInferredDecoder() refuses rows that disagree with earlier rows, and their columns with them", () => {
  const decoded = decode([
    '{"a":1}',
    '{"new":1,"a":"x"}',
    '{"b":[1,"x"]}',
    '{"c":{"d":[true]}}',
    '{"c":{"d":[{}]}}',
    '{"a":{}}',
    '{"a":2}',
  ]);
  assertEquals(decoded.columns, { a: "float64", c: { d: ["bool"] } });
  assertEquals(decoded.rows, [0, 3, 6]);
  assertEquals(decoded.rejected, [
    refused(1, "column 'a' is text but a number in earlier rows"),
    refused(2, "column 'b[]' is text but a number in earlier rows"),
    refused(4, "column 'c.d[]' is an object but a boolean in earlier rows"),
    refused(5, "column 'a' is an object but a number in earlier rows"),
  ]);
});

Deno.test("createInferredDecoder() refuses what is no object, no JSON, no UTF-8, and null rows", () => {
  const decoded = decode([
    null,
    "[1]",
    "null",
    '"x"',
    '{"a":1',
    "",
    "\ufeff{}",
    Uint8Array.of(0x7b, 0x22, 0xc3, 0x22),
    '{"a":"\\ud800"}',
    '{"\\udc00":1}',
    '{"a":1e400}',
    `{"a":${"[".repeat(100)}${"]".repeat(100)}}`,
    '{"a":1}',
  ]);
  assertEquals(decoded.columns, { a: "float64" });
  assertEquals(decoded.rows, [12]);
  assertEquals(decoded.rejected.map(({ reason, position }) => `${reason} @${position}`), [
    "the value is null @-1",
    "the value is not a JSON object @0",
    "the value is not a JSON object @0",
    "the value is not a JSON object @0",
    "the value is not valid JSON @-1",
    "the value is not valid JSON @-1",
    "the value is not valid JSON @-1",
    "the value is not valid UTF-8 @2",
    "column 'a' has a lone surrogate, which UTF-8 cannot hold @-1",
    "the value has a name with a lone surrogate, which UTF-8 cannot hold @-1",
    "column 'a' is beyond the largest double @-1",
    `column 'a${"[]".repeat(64)}' is nested deeper than 64 levels @-1`,
  ]);
});

Deno.test("createInferredDecoder() decodes a range of rows with the row numbers of its input", () => {
  const values = spansOf(["no", '{"a":1}', "no", '{"a":2}', "no"]);
  const decoder = createInferredDecoder();
  const middle = decoder.decode(values, 1, 4);
  assertEquals([Array.from(middle.rows!), middle.rejected.map(({ row }) => row)], [[1, 3], [2]]);
  assertEquals(decoder.decode(values, 1, 2).rows, null);
  assertEquals(decoder.decode(sliceSpans(values, 3, 4), 0, 1).batch.numRows, 1);
  assertEquals(decoder.decode(values, 2, 2).batch.numRows, 0);
});

Deno.test("createInferredDecoder() keeps nothing of a batch but what is the same in the next", () => {
  const decoder = createInferredDecoder();
  for (const name of ["a", "b", "a"]) {
    const { batch } = decoder.decode(spansOf([`{"${name}":1}`, "{}"]), 0, 2);
    assertEquals(batch.schema.fields.map((field) => field.name), [name]);
    assertEquals(batch.numRows, 2);
  }
});

Deno.test("createInferredDecoder() takes names of object properties and of prototypes as data", () => {
  const decoded = decode(['{"toString":1,"__proto__":"x","constructor":{"length":2}}', "{}"]);
  assertEquals(decoded.texts, [
    '{"toString":1,"__proto__":"x","constructor":{"length":2}}',
    '{"toString":null,"__proto__":null,"constructor":null}',
  ]);
});

Deno.test("createInferredDecoder() then encode gives any object back, with nulls for what is missing", () => {
  const leaf = fc.oneof(
    fc.string({ unit: "binary", maxLength: 6 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
  );
  const { row } = fc.letrec((tie) => ({
    row: fc.dictionary(fc.constantFrom("a", "b", "c", "é", "toString"), tie("value"), { maxKeys: 4 }),
    value: fc.oneof({ maxDepth: 3 }, leaf, tie("row"), fc.array(leaf, { maxLength: 3 })),
  }));
  fc.assert(
    fc.property(fc.array(row as fc.Arbitrary<Record<string, unknown>>, { maxLength: 6 }), (rows) => {
      const decoded = decode(rows.map((value) => JSON.stringify(value)));
      const accepted = decoded.rows ?? rows.map((_, i) => i);
      assertEquals(accepted.length + decoded.rejected.length, rows.length);
      for (const [i, text] of decoded.texts.entries()) {
        assertEquals(withoutNulls(JSON.parse(text!)), withoutNulls(JSON.parse(JSON.stringify(rows[accepted[i]!]))));
      }
      for (const { row, reason } of decoded.rejected) {
        // The first row can only disagree with itself, inside an array.
        assert(row > 0 || reason.includes("[]'"), reason);
      }
    }),
    { numRuns: 1500 },
  );
});

/** Drops null fields: a column that other rows brought is null, not missing. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(entries.map(([name, inner]) => [name, withoutNulls(inner)]));
}
