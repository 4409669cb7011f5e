import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { ByteSpans } from "../../columns/records.ts";
import {
  arrowSchema,
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
import { spansOf } from "../../columns/spans.ts";
import { isSameValue, readRow, spread } from "./decode_reference_test.ts";
import { createJsonDecoder, JsonDecoder } from "./json_decoder.ts";

const encoder = new TextEncoder();
const spans = (texts: readonly string[]): ByteSpans => spread(texts.map((text) => encoder.encode(text)), 0, 64);

/** The values of column `a`, or the reason for a refused row; three times, so that layouts are known in the end. */
function decodeA(type: ColumnType, values: readonly string[]): unknown[] {
  const schema = { a: type };
  const texts = values.map((value) => `{"a":${value}}`);
  const decoder = new JsonDecoder(schema, {});
  let outcomes: unknown[] = [];
  for (let round = 0; round < 3; round++) {
    const decoded = decoder.decode(spans(texts), 0, texts.length);
    const found = outcomesOf(schema, decoded, texts.length).map((x) => x instanceof Map ? x.get("a") : x);
    if (round > 0) assert(isSameValue(found, outcomes));
    outcomes = found;
  }
  const general = new JsonDecoder(schema, { isEvalAllowed: false }).decode(spans(texts), 0, texts.length);
  const parsed = outcomesOf(schema, general, texts.length).map((x) => x instanceof Map ? x.get("a") : x);
  assert(isSameValue(parsed, outcomes));
  return outcomes;
}

function outcomesOf(schema: Columns, decoded: ReturnType<JsonDecoder<Columns>["decode"]>, count: number): unknown[] {
  const outcomes: unknown[] = new Array(count);
  for (const { row, reason, position } of decoded.rejected) outcomes[row] = `${reason} @${position}`;
  for (let i = 0; i < decoded.batch.numRows; i++) {
    outcomes[decoded.rows === null ? i : decoded.rows[i]!] = readRow(schema, decoded, i);
  }
  return outcomes;
}

function assertOutcomes(found: unknown[], expected: unknown[]): void {
  assert(isSameValue(found, expected), Deno.inspect({ found, expected }));
}

Deno.test("JsonDecoder takes any finite number for float64, keeps -0 and refuses what is no double", () => {
  assertOutcomes(decodeA(float64(), ["-0", "1e3", "0.1", "1e-400", "123456789.123456789", "1e400", '"1"', "null"]), [
    -0,
    1000,
    0.1,
    0,
    123456789.123456789,
    "column 'a' is a number out of the range of float64 @5",
    "column 'a' is a string, expected float64 @5",
    "column 'a' is null @5",
  ]);
});

Deno.test("JsonDecoder takes integers in any spelling for int32 and refuses fractions and what is out of range", () => {
  assertOutcomes(
    decodeA(int32(), ["-2147483648", "2147483647", "1.0", "1e3", "120e-1", "-0", "1.5", "2147483648", "1e400", "true"]),
    [
      -2147483648,
      2147483647,
      1,
      1000,
      12,
      0,
      "column 'a' is a number with a fraction, expected int32 @5",
      "column 'a' is a number out of the range of int32 @5",
      "column 'a' is a number out of the range of int32 @5",
      "column 'a' is a boolean, expected int32 @5",
    ],
  );
});

Deno.test("JsonDecoder is exact over the whole of int64", () => {
  assertOutcomes(
    decodeA(int64(), [
      "9223372036854775807",
      "-9223372036854775808",
      "9007199254740993",
      "9223372036854775808",
      "9.223372036854775807e18",
    ]),
    [
      9223372036854775807n,
      -9223372036854775808n,
      9007199254740993n,
      "column 'a' is a number out of the range of int64 @5",
      9223372036854775807n,
    ],
  );
});

Deno.test("JsonDecoder takes epoch milliseconds for timestampMs, no text and nothing past 2^53", () => {
  assertOutcomes(
    decodeA(timestampMs(), ["1700000000000", "-1", "9007199254740991", "9007199254740992", '"2024-01-01T00:00:00Z"']),
    [
      1700000000000,
      -1,
      9007199254740991,
      "column 'a' is a number out of the range of timestampMs @5",
      "column 'a' is a string, expected timestampMs (epoch milliseconds, an integer) @5",
    ],
  );
});

Deno.test("JsonDecoder decodes escapes and refuses lone surrogates instead of replacing them", () => {
  assertOutcomes(
    decodeA(utf8(), ['"é\\n\\u00e9\\ud83d\\ude00\\/"', '""', '"\\ud800"', '"\\udc00x"', '"\\ud83d\\ud83d"', "1"]),
    [
      "é\né😀/",
      "",
      "column 'a' has a lone surrogate, which UTF-8 cannot hold @5",
      "column 'a' has a lone surrogate, which UTF-8 cannot hold @5",
      "column 'a' has a lone surrogate, which UTF-8 cannot hold @5",
      "column 'a' is a number, expected utf8 @5",
    ],
  );
});

Deno.test("JsonDecoder takes canonical base64 for binary", () => {
  const refused = "column 'a' is a string that is not base64 @5";
  assertOutcomes(
    decodeA(binary(), [
      '"AQI="',
      '""',
      '"\\u0041A=="',
      '"\\/\\/\\/\\/"',
      '"AQI"',
      '"AB=="',
      '"A==="',
      '"-_-_"',
      '"A A="',
    ]),
    ["AQI=", "", "AA==", "////", refused, refused, refused, refused, refused],
  );
});

Deno.test("JsonDecoder names the place of what it refuses in lists and structs", () => {
  const type = struct({ list: list(struct({ x: int32(), y: bool({ nullable: true }) })) });
  assertOutcomes(
    decodeA(type, [
      '{"list":[{"x":1},{"x":2,"y":true}]}',
      '{"list":[{"x":1}, {"x":"2"}]}',
      '{"list":[{"x":1}, null]}',
      '{"list":[{"x":1}, {"y":true}]}',
      '{"list":{}}',
      '{"list":[{"x":1}],"list":[{"x":null}]}',
    ]).map((x) => x instanceof Map ? (x.get("list") as Map<string, unknown>[]).map((y) => [...y.values()]) : x),
    [
      [[1, null], [2, true]],
      "column 'a.list[1].x' is a string, expected int32 @28",
      "column 'a.list[1]' is null @23",
      "column 'a.list[1].x' is missing @23",
      "column 'a.list' is an object, expected list @13",
      "column 'a.list[0].x' is null @36",
    ],
  );
});

Deno.test("JsonDecoder says where a value stops being JSON", () => {
  const schema = { a: utf8({ nullable: true }) };
  const bad = new Uint8Array([...encoder.encode('{"a":"x'), 0xff, ...encoder.encode('"}')]);
  const values: [Uint8Array | null, string][] = [
    [null, "the value is null @-1"],
    [encoder.encode(""), "the value is not valid JSON: unexpected end @0"],
    [encoder.encode('{"a":'), "the value is not valid JSON: unexpected end @5"],
    [encoder.encode('{"a":"x"} 1'), "the value is not valid JSON: bytes after the value @10"],
    [encoder.encode('{"a":"x",}'), "the value is not valid JSON: unexpected byte @9"],
    [encoder.encode('{"a":"\n"}'), "the value is not valid JSON: control character in a string @6"],
    [encoder.encode('{"a":"seven\tteen"}'), "the value is not valid JSON: control character in a string @11"],
    [encoder.encode('{"a":"\\x"}'), "the value is not valid JSON: bad escape @6"],
    [encoder.encode('\ufeff{"a":"x"}'), "the value is not valid JSON: unexpected byte @0"],
    [bad, "the value is not valid JSON: bad UTF-8 @7"],
    [encoder.encode("null"), "the value is null @0"],
    [encoder.encode(" [1]"), "the value is an array, expected an object @1"],
  ];
  const decoder = createJsonDecoder(schema);
  decoder.decode(spans(Array.from({ length: 40 }, () => '{"a":"seventeen"}')), 0, 40);
  const decoded = decoder.decode(spread(values.map(([bytes]) => bytes), 2, 40), 0, values.length);
  assertEquals(
    decoded.rejected.map(({ reason, position }) => `${reason} @${position}`),
    values.map(([, reason]) => reason),
  );
  assertEquals([decoded.batch.numRows, decoded.rows], [0, new Int32Array(0)]);
});

Deno.test("JsonDecoder takes 512 levels and refuses one more, however deep, in members known and unknown", () => {
  const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  const values = [deep(511), deep(512), deep(500_000), `[${'{"a":'.repeat(300_000)}`].map((x) => `{"unknown":${x}}`);
  const decoded = createJsonDecoder({ a: utf8({ nullable: true }) }).decode(spans(values), 0, values.length);
  assertEquals(
    decoded.rejected.map(({ row, reason }) => `${row}: ${reason}`),
    [1, 2, 3].map((row) => `${row}: the value is not valid JSON: nested deeper than 512 levels`),
  );
  let type: ColumnType = int32();
  for (let level = 1; level < 512; level++) type = list(type);
  const nested = createJsonDecoder({ a: type }).decode(spans([`{"a":${deep(511)}}`, `{"a":${deep(512)}}`]), 0, 2);
  assertEquals([nested.batch.numRows, nested.rejected.length], [1, 1]);
  assertThrows(() => createJsonDecoder({ a: list(type) }), RangeError, "at most 512 levels: current value is 513");
});

Deno.test("JsonDecoder takes the last of doubled members, escaped names and __proto__ as JSON.parse does", () => {
  const schema: Columns = { a: int64({ nullable: true }), ["__proto__"]: utf8({ nullable: true }) };
  const values = [
    '{"a":1,"a":9007199254740993}',
    '{"\\u0061":9007199254740995}',
    '{"__proto__":"x","toString":1}',
    '{"a":"no","a":null}',
    "{}",
  ];
  const decoder = new JsonDecoder(schema, {});
  const decoded = decoder.decode(spans(values), 0, values.length);
  assertEquals(
    outcomesOf(schema, decoded, values.length).map((row) => [...(row as Map<string, unknown>).values()]),
    [[9007199254740993n, null], [9007199254740995n, null], [null, "x"], [null, null], [null, null]],
  );
  assertEquals(decoder.counts.exact, 3);
});

Deno.test("JsonDecoder leaves the neighbours of refused rows alone and maps rows to the input", () => {
  const schema = {
    id: utf8(),
    tags: list(utf8({ nullable: true })),
    at: struct({ x: float64() }, { nullable: true }),
    flag: bool({ nullable: true }),
  };
  const good = (i: number) =>
    `{"id":"row ${i}","flag":${["true", "false", "null"][i % 3]},"tags":["t${i}",null,"u"],"at":${
      i % 2 ? "null" : `{"x":${i}}`
    }}`;
  // Spoilt behind its last value, so that every column has been written when it is noticed.
  const texts = Array.from(
    { length: 300 },
    (_, i) => i % 5 === 3 ? `${good(i + 1).slice(0, -1)},"flag":"no"}` : good(i),
  );
  const decoder = new JsonDecoder(schema, {});
  for (const [from, to] of [[0, 300], [7, 250]] as const) {
    const decoded = decoder.decode(spans(texts), from, to);
    const kept = Array.from({ length: to - from }, (_, i) => from + i).filter((i) => i % 5 !== 3);
    assertEquals([...decoded.rows!], kept);
    kept.forEach((i, row) => {
      const expected = new Map<string, unknown>([
        ["id", `row ${i}`],
        ["tags", [`t${i}`, null, "u"]],
        ["at", i % 2 ? null : new Map([["x", i]])],
        ["flag", [true, false, null][i % 3]],
      ]);
      assert(isSameValue(readRow(schema, decoded, row), expected), `row ${i}`);
    });
    assertEquals(decoded.batch.getChild("flag").nullCount, kept.filter((i) => i % 3 === 2).length);
  }
  assert(decoder.counts.scanned > 300, JSON.stringify(decoder.counts));
});

Deno.test("JsonDecoder hands out an Arrow batch over arrays of just the right size, fresh for each batch", () => {
  const schema = { id: utf8(), n: int64({ nullable: true }), ts: timestampMs(), x: float64(), ok: bool() };
  const texts = Array.from({ length: 11 }, (_, i) => `{"id":"id${i}","n":${i || null},"ts":${i},"x":0.5,"ok":true}`);
  texts[4] = "{}";
  const decoder = createJsonDecoder(schema);
  const first = decoder.decode(spans(texts), 0, 11).batch;
  const json = JSON.stringify(first.getChild("id").toJSON());
  const second = decoder.decode(spans(texts), 0, 11).batch;
  assertEquals(JSON.stringify(first.getChild("id").toJSON()), json);
  assertStrictEquals(first.schema, arrowSchema(schema));
  assertEquals([first.getChild("n").get(0), first.getChild("n").get(9), first.getChild("ts").get(9)], [null, 10n, 10]);
  first.data.children.forEach((data, i) => {
    for (const array of [data.values, data.valueOffsets, data.nullBitmap] as (Uint8Array | undefined)[]) {
      if (array === undefined || array.length === 0) continue;
      assertEquals(array.byteLength, array.buffer.byteLength, `column ${i}`);
      const others = [
        second.data.children[i]!.values,
        second.data.children[i]!.valueOffsets,
        second.data.children[i]!.nullBitmap,
      ];
      assert(others.every((other) => other?.buffer !== array.buffer), `column ${i}`);
    }
  });
  assertEquals(first.getChild("x").toArray().length, 10);
});

Deno.test("JsonDecoder fills record key columns from the keys and ignores members of their names", () => {
  const key = <C extends ColumnType>(type: C): C => ({ ...type, isRecordKey: true });
  const schema = { a: int32(), key: key(utf8({ nullable: true })), n: key(int64({ nullable: true })) };
  const values = spansOf(['{"a":0,"key":"no"}', '{"a":1}', '{"a":2}', '{"a":"x"}', '{"a":4}', null]);
  const keys = spansOf(["12", null, " 9007199254740993 ", "1", new Uint8Array([0xff]), "1"]);
  const decoded = createJsonDecoder(schema).decode(values, 0, 6, keys);
  assertEquals(
    decoded.rejected.map(({ row, reason }) => `${row}: ${reason}`),
    [
      "3: column 'a' is a string, expected int32",
      "4: column 'key' has a record key that is not UTF-8",
      "5: the value is null",
    ],
  );
  assertEquals([...decoded.rows!], [0, 1, 2]);
  assertEquals(decoded.batch.getChild("key").toJSON(), ["12", null, " 9007199254740993 "]);
  assertEquals(decoded.batch.getChild("n").toJSON(), [12n, null, 9007199254740993n]);
  const required = createJsonDecoder({ a: int32(), n: key(int32()) });
  assertEquals(
    required.decode(values, 0, 3, spansOf(["1", null, '"x"'])).rejected.map(({ reason }) => reason),
    [
      "column 'n' is null as the record has no key",
      "column 'n' cannot be read from the record key: the value is a string, expected int32",
    ],
  );
  assertEquals(required.decode(values, 0, 3).batch.numRows, 0);
  assertThrows(() => createJsonDecoder({ n: key(list(int32())) }), TypeError, "record key column 'n'");
});

Deno.test("JsonDecoder decodes no rows and no columns", () => {
  const empty = createJsonDecoder({ a: list(utf8()) }).decode(spansOf([]), 0, 0);
  assertEquals([empty.batch.numRows, empty.rows, empty.rejected.length], [0, null, 0]);
  const bare = createJsonDecoder({}).decode(spansOf(["{}", '{"a":1}', "1"]), 0, 3);
  assertEquals([bare.batch.numRows, [...bare.rows!]], [2, [0, 1]]);
});
