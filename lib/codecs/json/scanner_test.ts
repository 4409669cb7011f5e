import { assert, assertEquals } from "@std/assert";
import type { ByteSpans } from "../../columns/records.ts";
import { int32, int64, struct, utf8 } from "../../columns/schema.ts";
import { readRow, spread } from "./decode_reference_test.ts";
import { createJsonDecoder, JsonDecoder } from "./json_decoder.ts";

const encoder = new TextEncoder();
const spans = (texts: readonly string[]): ByteSpans => spread(texts.map((text) => encoder.encode(text)), 0, 64);

Deno.test("JsonDecoder learns up to four layouts and settles on messages without one", () => {
  const schema = { a: int32({ nullable: true }), b: int32({ nullable: true }), c: int32({ nullable: true }) };
  const layouts = ['{"a":1,"b":2,"c":3}', '{"b":2}', '{"a":1, "c":3}', "{}"];
  const decoder = new JsonDecoder(schema, {});
  const texts = Array.from({ length: 1000 }, (_, i) => layouts[(i * 7) % 4]!);
  decoder.decode(spans(texts), 0, 1000);
  assertEquals(decoder.compilations, 4);
  assert(decoder.counts.parsed < 40, JSON.stringify(decoder.counts));

  const names = ["a", "b", "c", "x", "y", "z", "u", "v"];
  const loose = Array.from(
    { length: 4000 },
    (_, i) =>
      `{${
        names.map((_, k) => names[(k * (2 * (i % 4) + 1) + i * 3 + (i >> 5)) % 8]).map((n) =>
          `"${n}":${i}${" ".repeat(i % 37)}`
        )
      }}`,
  );
  decoder.decode(spans(loose), 0, 4000);
  assert(decoder.compilations < 20, String(decoder.compilations));

  // Layouts are found again, and one that displaces them all within a few batches.
  for (let i = 0; i < 150; i++) decoder.decode(spans(texts), 0, 1000);
  const { scanned } = decoder.counts;
  const changed = spans(Array.from({ length: 1000 }, () => '{"new":true,"c":3}'));
  for (let i = 0; i < 8; i++) decoder.decode(changed, 0, 1000);
  assert(decoder.counts.scanned - scanned > 4000, JSON.stringify(decoder.counts));
});

Deno.test("JsonDecoder scans layouts of which one is the beginning of another", () => {
  const decoder = new JsonDecoder({ a: int32(), b: int32({ nullable: true }) }, {});
  const texts = Array.from({ length: 200 }, (_, i) => ['{"a":1}', '{"a": 1}', '{"a":1 }', '{"a":1,"b":2}'][i % 4]!);
  decoder.decode(spans(texts), 0, 200);
  assertEquals(decoder.compilations, 4);
  assert(decoder.counts.scanned > 160, JSON.stringify(decoder.counts));
});

Deno.test("JsonDecoder keeps text of a struct apart that one layout scans in place and another leaves to the struct", () => {
  const schema = { s: struct({ t: utf8() }, { nullable: true }), k: int32() };
  const kinds = ['{"s":null,"k":1}', '{"s":{"t":"in place"},"k":1}', '{"s":{ "t":"left alone" },"k":1}'];
  const texts = Array.from({ length: 300 }, (_, i) => kinds[i < 20 ? (i + 1) % 2 : (i * 7) % 3]!);
  const decoder = new JsonDecoder(schema, {});
  const decoded = decoder.decode(spans(texts), 0, 300);
  texts.forEach((text, i) => {
    const expected = (JSON.parse(text) as { s: { t: string } | null }).s;
    assertEquals((readRow(schema, decoded, i).get("s") as Map<string, string> | null)?.get("t"), expected?.t);
  });
  assert(decoder.counts.scanned > 250, JSON.stringify(decoder.counts));
});

Deno.test("JsonDecoder refuses bytes that are not UTF-8 in values, names and what it skips, on all ways", () => {
  const schema = { a: utf8(), é: int32() };
  const bad = [
    "80",
    "bf",
    "c0af",
    "c180",
    "c3",
    "e08080",
    "e09fbf",
    "eda080",
    "edbfbf",
    "e282",
    "f0808080",
    "f08fbfbf",
  ];
  bad.push("f4908080", "f5808080", "ff", "f09f98", "c328", "e228a1", "f0288cbc");
  const good = ["c280", "dfbf", "e0a080", "ed9fbf", "ee8080", "efbfbf", "f0908080", "f48fbfbf"];
  const message = (a: string, name: string, x: string) => `{"a":"long text ${a}","☃${name}":1,"é":2,"x":"${x}"}`;
  const bytesOf = (text: string, hex: string) => {
    const [head, tail] = text.split("@").map((part) => encoder.encode(part));
    return new Uint8Array([...head!, ...hex.match(/../g)!.map((byte) => parseInt(byte, 16)), ...tail!]);
  };
  const places = [message("@", "", ""), message("", "@", ""), message("", "", "@")];
  const values = places.flatMap((text) => [...good, ...bad].map((hex) => bytesOf(text, hex)));
  for (const isEvalAllowed of [true, false]) {
    const decoder = new JsonDecoder(schema, { isEvalAllowed });
    decoder.decode(spread(Array.from({ length: 20 }, () => encoder.encode(message("", "", ""))), 0, 64), 0, 20);
    const decoded = decoder.decode(spread(values, 1, 64), 0, values.length);
    assertEquals(
      [...decoded.rows!],
      values.flatMap((_, i) => (i % (good.length + bad.length) < good.length ? [i] : [])),
    );
    assert(decoded.rejected.every(({ reason }) => reason === "the value is not valid JSON: bad UTF-8"));
    assertEquals([decoder.counts.exact, decoder.counts.scanned > 20], [0, isEvalAllowed]);
  }
});

Deno.test("JsonDecoder reads any buffer within its bounds: unfinished text and digits at the very end", () => {
  const schema = { a: utf8({ nullable: true }), n: int64({ nullable: true }) };
  const decoder = createJsonDecoder(schema);
  decoder.decode(spans(Array.from({ length: 50 }, () => '{"a":"x","n":1}')), 0, 50);
  const whole = encoder.encode('{"a":"text","n":12345678901234567}');
  for (let length = 0; length <= whole.length; length++) {
    for (const slack of [0, 1, 31, 32, 33]) {
      const values = spread([whole, whole.subarray(0, length), whole], 0, slack);
      const decoded = decoder.decode(values, 0, 3);
      assertEquals(decoded.batch.numRows, length === whole.length ? 3 : 2);
      assertEquals(decoded.batch.getChild("n").get(1), 12345678901234567n);
    }
  }
});

Deno.test("JsonDecoder goes on without scanners where generated code is forbidden", () => {
  const decoder = new JsonDecoder({ a: int32() }, {});
  const texts = Array.from({ length: 100 }, (_, i) => `{"a":${i}}`);
  const allowed = globalThis.Function;
  globalThis.Function = new Proxy(allowed, {
    construct() {
      throw new EvalError("Code generation from strings disallowed for this context");
    },
  });
  try {
    const decoded = decoder.decode(spans(texts), 0, 100);
    assertEquals([...decoded.batch.getChild("a").toArray()], texts.map((_, i) => i));
  } finally {
    globalThis.Function = allowed;
  }
  decoder.decode(spans(texts), 0, 100);
  assertEquals([decoder.counts.parsed, decoder.counts.scanned, decoder.compilations], [200, 0, 0]);
});
