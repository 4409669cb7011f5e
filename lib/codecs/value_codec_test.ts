import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DeserializationError, SerializationError } from "../base/errors.ts";
import { jsonValues } from "./value_codec.ts";

Deno.test("jsonValues() gives any JSON value back", () => {
  const codec = jsonValues();
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
      // -0 is documented to come back as 0.
      const expected = JSON.parse(JSON.stringify(value));
      assertEquals(codec.decode(codec.encode(value)), expected);
    }),
    { numRuns: 1_000 },
  );
  assertEquals(codec.name, "json");
});

Deno.test("jsonValues() refuses what JSON would change in silence, naming what and where", () => {
  const cycle: { self?: unknown } = {};
  cycle.self = [cycle];
  let deep: unknown = 1;
  for (let i = 0; i < 10_000; i++) deep = [deep];
  const cases: [unknown, string][] = [
    [undefined, "'value' is undefined"],
    [{ a: [1, undefined] }, "'value.a[1]' is undefined"],
    [{ a: undefined }, "'value.a' is undefined"],
    [new Array(1), "'value[0]' is undefined"],
    [{ count: 1n }, "'value.count' is a bigint"],
    [[NaN], "'value[0]' is NaN"],
    [-Infinity, "'value' is -Infinity"],
    [() => 1, "'value' is a function"],
    [Symbol("x"), "'value' is a symbol"],
    [cycle, "'value.self[0]' is a cycle"],
    ["\ud800", "lone surrogate"],
    [{ "\ud800": 1 }, "lone surrogate"],
    [new Map([[1, 2]]), "'value' is an object of class Map"],
    [{ raw: Uint8Array.of(1) }, "'value.raw' is an object of class Uint8Array"],
    [deep, "nested deeper than 500 levels"],
  ];
  for (const [value, message] of cases) {
    assertThrows(() => jsonValues().encode(value), SerializationError, message);
  }
  assertEquals(jsonValues().decode(jsonValues().encode({ at: new Date(0) })), { at: "1970-01-01T00:00:00.000Z" });
});

Deno.test("jsonValues() takes the same object twice, and objects without a prototype", () => {
  const shared = { x: 1 };
  const bare = Object.assign(Object.create(null), { a: shared, b: shared });
  const decoded = jsonValues().decode(jsonValues().encode(bare));
  assertEquals(decoded, { a: { x: 1 }, b: { x: 1 } });
  const own = JSON.parse('{"__proto__":{"x":1}}');
  assert(Object.hasOwn(jsonValues().decode(jsonValues().encode(own)) as object, "__proto__"));
});

Deno.test("jsonValues() refuses bytes that are not JSON, without their content in the message", () => {
  for (const bytes of [new TextEncoder().encode("{secret"), Uint8Array.of(0xff), new Uint8Array(0)]) {
    const error = assertThrows(() => jsonValues().decode(bytes), DeserializationError, `its ${bytes.length} bytes`);
    assert(!error.message.includes("secret"));
  }
});
