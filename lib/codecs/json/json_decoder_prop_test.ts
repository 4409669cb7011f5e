import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
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
import { isSameValue, readRow, referenceRow, spread } from "./decode_reference_test.ts";
import { JsonDecoder } from "./json_decoder.ts";

const encoder = new TextEncoder();
const NAMES = ["a", "b", "id", "ts", "é", "__proto__", "", "a long name for a column", 'q"', "toString", "1"];

const nullable = fc.boolean().map((is) => (is ? { nullable: true as const } : undefined) as undefined);

function schemaArb(depth: number): fc.Arbitrary<Columns> {
  return fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), typeArb(depth)), {
    minLength: depth === 2 ? 1 : 0,
    maxLength: 5,
    selector: ([name]) => name,
  }).map((entries) => Object.fromEntries(entries));
}

function typeArb(depth: number): fc.Arbitrary<ColumnType> {
  const scalar: fc.Arbitrary<ColumnType> = fc.tuple(
    fc.constantFrom(utf8, binary, float64, int32, int64, timestampMs, bool),
    nullable,
  ).map(([create, options]) => create(options));
  if (depth === 0) return scalar;
  return fc.oneof(
    { weight: 5, arbitrary: scalar },
    {
      weight: 1,
      arbitrary: fc.tuple(typeArb(depth - 1), nullable).map(([element, options]) => list(element, options)),
    },
    { weight: 1, arbitrary: fc.tuple(schemaArb(depth - 1), nullable).map(([columns, o]) => struct(columns, o)) },
  );
}

const digits = (min: number, max: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: min, maxLength: max }).map((all) => all.join(""));
const wholeText = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
  fc.constantFrom("0", "-0", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "-2147483648"),
  fc.constantFrom("2147483648", "9007199254740991", "-9007199254740991", "9007199254740992", "-9007199254740992"),
  digits(1, 22).map((text) => text.replace(/^0+(?=.)/, "")),
);
const numberText = fc.oneof(
  { weight: 4, arbitrary: wholeText },
  fc.integer({ min: -999_999_999, max: 999_999_999 }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => JSON.stringify(x)),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x.toPrecision(17)),
  fc.integer({ min: -99_999, max: 99_999 }).map((x) => String(x / 100)),
  fc.tuple(wholeText, digits(0, 20), fc.constantFrom("", "e1", "E+3", "e-2", "e400", "e-400", "e22", "e99999999999"))
    .map(([whole, fraction, exponent]) => whole + (fraction === "" ? "" : `.${fraction}`) + exponent),
  fc.constantFrom(
    "1.0",
    "1e3",
    "120e-1",
    "5e-324",
    "1.7976931348623157e308",
    "1.7976931348623159e308",
    "01",
    "1.",
    "-",
  ),
);
const wellFormed = [
  "a",
  "Z",
  "0",
  " ",
  "/",
  "é",
  "漢",
  "😀",
  "\\n",
  "\\/",
  "\\u0041",
  "\\u00e9",
  "\\ud83d\\ude00",
  '\\"',
];
const oddText = ["\\ud800", "\\udc00", "\\ud800\\n", "\\x", "\\u12", "\t", "\u007f", "\u2028", "\\ud83d\\ud83d"];
const stringText = fc.array(
  fc.oneof(
    { weight: 60, arbitrary: fc.constantFrom(...wellFormed) },
    { weight: 1, arbitrary: fc.constantFrom(...oddText) },
  ),
  { maxLength: 12 },
).map((parts) => `"${parts.join("")}"`);
const base64Text = fc.uint8Array({ maxLength: 8 }).map((bytes) => `"${btoa(String.fromCharCode(...bytes))}"`);
const spaceText = fc.oneof({ weight: 8, arbitrary: fc.constant("") }, fc.constantFrom(" ", "\n", "\t\r ", "  "));
const anyText: fc.Arbitrary<string> = fc.oneof(
  numberText,
  stringText,
  fc.constantFrom(
    "true",
    "false",
    "null",
    "[]",
    "{}",
    '[1,{"a":[null]}]',
    '{"x":"y","a":{}}',
    "tru",
    "nul",
    "[1,]",
    "{,}",
  ),
  fc.json({ maxDepth: 2 }),
);

/** JSON of a value that mostly fits the type. */
function textOf(type: ColumnType): fc.Arbitrary<string> {
  const fitting = type.nullable
    ? fc.oneof({ weight: 6, arbitrary: presentText(type) }, fc.constant("null"))
    : presentText(type);
  return fc.oneof({ weight: 40, arbitrary: fitting }, { weight: 1, arbitrary: anyText });
}

function presentText(type: ColumnType): fc.Arbitrary<string> {
  switch (type.kind) {
    case "utf8":
      return stringText;
    case "binary":
      return fc.oneof(
        { weight: 8, arbitrary: base64Text },
        fc.constantFrom('"AA=="', '"AB=="', '"\\/\\/\\/\\/"', '"AAA"'),
      );
    case "bool":
      return fc.constantFrom("true", "false");
    case "list":
      return fc.tuple(spaceText, fc.array(textOf(type.element!), { maxLength: 4 }))
        .map(([space, all]) => `[${space}${all.join(`${space},`)}]`);
    case "struct":
      return looseObject(type.columns!);
    case "float64":
      return numberText;
    default: {
      const small = fc.integer({ min: -100_000, max: 100_000 }).map(String);
      const milliseconds = fc.integer({ min: 0, max: 2e12 }).map(String);
      const fitting = type.kind === "int32"
        ? small
        : fc.oneof(small, milliseconds, fc.bigInt(-(2n ** 53n), 2n ** 53n).map(String));
      return fc.oneof({ weight: 6, arbitrary: fitting }, numberText);
    }
  }
}

/** A name in JSON, now and then with an escape that means the same. */
const nameText = (name: string) =>
  fc.oneof(
    { weight: 20, arbitrary: fc.constant(JSON.stringify(name)) },
    fc.constant(`"${[...name].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"`),
  );

/** An object in any order, with spaces, unknown, missing and doubled members. */
function looseObject(columns: Columns): fc.Arbitrary<string> {
  const known = Object.entries(columns).map(([name, type]) => fc.tuple(nameText(name), spaceText, textOf(type)));
  const members = fc.tuple(...known).chain((all) =>
    fc.tuple(
      fc.oneof(
        { weight: 8, arbitrary: fc.shuffledSubarray(all, { minLength: all.length }) },
        fc.shuffledSubarray(all),
        fc.constant([...all, ...all.slice(0, 1)]),
      ),
      fc.oneof(
        { weight: 5, arbitrary: fc.constant([]) },
        fc.array(fc.tuple(fc.constantFrom('"x"', '"\\ud800"', '"a"', '"id"'), spaceText, anyText), { maxLength: 2 }),
      ),
    )
  );
  return fc.tuple(members, spaceText).map(([[inside, unknown], space]) =>
    `${space}{${
      [...inside, ...unknown].map(([name, s, value]) => `${s}${name}${s}:${s}${value}`).join(",")
    }${space}}${space}`
  );
}

/** Objects of one layout: what lies between the values is the same in all of them. */
function steadyObjects(columns: Columns): fc.Arbitrary<fc.Arbitrary<string>> {
  const names = Object.keys(columns).filter((name) => columns[name]!.nullable || true);
  const required = names.filter((name) => !columns[name]!.nullable);
  return fc.tuple(fc.shuffledSubarray(names), spaceText, fc.boolean()).map(([some, space, hasUnknown]) => {
    const members = [...new Set([...some, ...required])].map((name): [string, fc.Arbitrary<string>] => {
      const type = columns[name]!;
      return [JSON.stringify(name), type.kind === "struct" ? steadyStruct(type) : textOf(type)];
    });
    if (hasUnknown) members.splice(members.length >> 1, 0, ['"unknown"', anyText]);
    const texts = fc.tuple(...members.map(([, text]) => text));
    return texts.map((values) => `{${values.map((v, i) => `${space}${members[i]![0]}:${space}${v}`).join(",")}}`);
  });
}

function steadyStruct(type: ColumnType): fc.Arbitrary<string> {
  const members = Object.entries(type.columns!);
  return fc.tuple(...members.map(([, inner]) => textOf(inner)))
    .map((values) => `{${values.map((value, i) => `${JSON.stringify(members[i]![0])}:${value}`).join(",")}}`);
}

interface Sample {
  readonly schema: Columns;
  readonly rows: readonly (Uint8Array | null)[];
  readonly gap: number;
  readonly slack: number;
}

const around = { gap: fc.constantFrom(0, 0, 3), slack: fc.constantFrom(0, 40, 100) };

const looseSample: fc.Arbitrary<Sample> = schemaArb(2).chain((schema) =>
  fc.record({
    schema: fc.constant(schema),
    rows: fc.array(
      fc.oneof(
        { weight: 20, arbitrary: looseObject(schema).map((text) => encoder.encode(text)) },
        { weight: 1, arbitrary: anyText.map((text) => encoder.encode(text)) },
        fc.constant(null),
      ),
      { maxLength: 12 },
    ),
    ...around,
  })
);

const steadySample: fc.Arbitrary<Sample> = schemaArb(2)
  .chain((schema) => fc.tuple(fc.constant(schema), fc.array(steadyObjects(schema), { minLength: 1, maxLength: 3 })))
  .chain(([schema, layouts]) =>
    fc.record({
      schema: fc.constant(schema),
      rows: fc.array(fc.oneof(...layouts).map((text) => encoder.encode(text)), { minLength: 10, maxLength: 30 }),
      ...around,
    })
  );

const mutation = fc.record({
  row: fc.nat(),
  at: fc.nat(),
  kind: fc.constantFrom("flip", "cut", "insert", "remove", "swap"),
  byte: fc.oneof(fc.constantFrom(...encoder.encode('"\\{}[],:0- eE.\n\x00\x80\xff')), fc.integer({ min: 0, max: 255 })),
});

const mutatedSample: fc.Arbitrary<Sample> = fc.tuple(
  fc.oneof(steadySample, looseSample),
  fc.array(mutation, { minLength: 1, maxLength: 8 }),
).map(([sample, mutations]) => {
  const rows = [...sample.rows];
  for (const { row, at, kind, byte } of mutations) {
    const index = row % Math.max(1, rows.length);
    const old = rows[index];
    if (old === null || old === undefined || old.length === 0) continue;
    const i = at % old.length;
    const head = [...old.subarray(0, i)], tail = [...old.subarray(i + 1)];
    if (kind === "flip") rows[index] = new Uint8Array([...head, byte, ...tail]);
    else if (kind === "cut") rows[index] = new Uint8Array(head);
    else if (kind === "insert") rows[index] = new Uint8Array([...head, byte, old[i]!, ...tail]);
    else if (kind === "remove") rows[index] = new Uint8Array([...head, ...tail]);
    else rows[index] = new Uint8Array([...head, ...tail.slice(0, 1), old[i]!, ...tail.slice(1)]);
  }
  return { ...sample, rows };
});

const ways = { scanned: 0, parsed: 0, exact: 0, rejected: 0 };

/** All ways through the decoder do what the reference does, in one call and again once layouts are known. */
function checkSample({ schema, rows, gap, slack }: Sample): void {
  const values = spread(rows, gap, slack);
  const before = values.bytes.slice();
  const expected = rows.map((row) => {
    try {
      return row === null ? null : referenceRow(schema, row);
    } catch {
      return null;
    }
  });
  const quick = new JsonDecoder(schema, {});
  const general = new JsonDecoder(schema, { isEvalAllowed: false });
  const third = Math.floor(rows.length / 3);
  for (const [from, to] of [[0, rows.length], [third, rows.length], [0, rows.length - third]] as const) {
    const decoded = quick.decode(values, from, to);
    const accepted: number[] = [];
    for (let row = from; row < to; row++) if (expected[row] !== null) accepted.push(row);
    assertEquals(decoded.rejected.map(({ row }) => row), range(from, to).filter((row) => expected[row] === null));
    assertEquals(decoded.rows === null ? range(from, to) : [...decoded.rows], accepted);
    assertEquals(decoded.batch.numRows, accepted.length);
    accepted.forEach((row, i) => {
      const found = readRow(schema, decoded, i);
      assert(isSameValue(found, expected[row]), Deno.inspect({ found, expected: expected[row] }, { depth: 9 }));
    });
    for (const { row, position } of decoded.rejected) {
      assert(rows[row] === null ? position === -1 : position >= 0 && position <= rows[row]!.length);
    }
    const again = general.decode(values, from, to);
    assertEquals(again.rejected, decoded.rejected);
    accepted.forEach((_, i) => assert(isSameValue(readRow(schema, again, i), readRow(schema, decoded, i))));
  }
  assertEquals(values.bytes, before);
  assertEquals(general.counts.scanned, 0);
  assertEquals(general.counts.rejected, quick.counts.rejected);
  for (const way of ["scanned", "parsed", "exact", "rejected"] as const) ways[way] += quick.counts[way];
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

Deno.test("JsonDecoder does what JSON.parse and the schema say for objects in any spelling", () => {
  fc.assert(fc.property(looseSample, checkSample), { numRuns: 700 });
});

Deno.test("JsonDecoder does what JSON.parse and the schema say for steady layouts, most of them scanned", () => {
  Object.assign(ways, { scanned: 0, parsed: 0, exact: 0, rejected: 0 });
  fc.assert(fc.property(steadySample, checkSample), { numRuns: 500 });
  assert(ways.scanned > 5000 && ways.scanned > ways.parsed, JSON.stringify(ways));
  assert(ways.exact > 100 && ways.rejected > 500, JSON.stringify(ways));
});

Deno.test("JsonDecoder does what JSON.parse and the schema say for damaged bytes", () => {
  fc.assert(fc.property(mutatedSample, checkSample), { numRuns: 700 });
});
