import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DeserializationError, SerializationError } from "../../base/errors.ts";
import { msgpack } from "./msgpack.ts";

Deno.test("msgpack() gives back JSON values, bytes, dates, big integers and odd numbers", () => {
  const codec = msgpack();
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.string({ unit: "binary" }),
      fc.double().map((x) => x + 0),
      fc.maxSafeInteger().map((x) => x + 0),
      fc.boolean(),
      fc.constant(null),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
      fc.uint8Array(),
      fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("2400-01-01") }),
      fc.array(tie("any"), { maxLength: 4 }),
      fc.dictionary(fc.string({ unit: "binary" }).filter((name) => name !== "__proto__"), tie("any"), {
        maxKeys: 4,
        noNullPrototype: true,
      }),
    ),
  })).any;
  fc.assert(fc.property(value, (value) => assertEquals(codec.decode(codec.encode(value)), value)), { numRuns: 2_000 });
  assertEquals(codec.name, "msgpack");
});

Deno.test("msgpack() refuses what would come back as something else, naming what and where", () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const cases: [unknown, string][] = [
    [{ a: [undefined] }, "'value.a[0]' is undefined"],
    [() => 1, "'value' is a function"],
    [2n ** 64n, "'value' is a bigint of more than 64 bits"],
    [-(2n ** 63n) - 1n, "'value' is a bigint of more than 64 bits"],
    [cycle, "or a cycle"],
    ["\ud800", "lone surrogate"],
    [new Map(), "'value' is an object of class Map"],
    [Float64Array.of(1), "'value' is an object of class Float64Array"],
    [new Date(NaN), "an invalid date"],
    [JSON.parse('{"__proto__":1}'), "__proto__"],
  ];
  for (const [value, message] of cases) {
    assertThrows(() => msgpack().encode(value), SerializationError, message);
  }
});

Deno.test("msgpack() takes values nested as deep as its bound", () => {
  let value: unknown = 1;
  for (let i = 0; i < 100; i++) value = [value];
  assertEquals(msgpack().decode(msgpack().encode(value)), value);
  assertThrows(() => msgpack().encode([value]), SerializationError, "nested deeper than 100 levels");
});

Deno.test("msgpack() refuses bytes that are not MessagePack", () => {
  for (const bytes of [new Uint8Array(0), Uint8Array.of(0xc1), Uint8Array.of(0x92, 1), Uint8Array.of(1, 1)]) {
    assertThrows(() => msgpack().decode(bytes), DeserializationError, `its ${bytes.length} bytes`);
  }
});

Deno.test("msgpack() values do not share bytes with one another", () => {
  const codec = msgpack();
  const first = codec.encode("first");
  codec.encode("other");
  assertEquals(codec.decode(first), "first");
  const raw = codec.decode(codec.encode(Uint8Array.of(1, 2)));
  assert(raw instanceof Uint8Array);
});
