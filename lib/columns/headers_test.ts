import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { decodeHeaders, encodeHeaders, type HeaderEntry } from "./headers.ts";

Deno.test("encodeHeaders() writes Kafka's wire form", () => {
  const bytes = encodeHeaders([["ab", new Uint8Array([7])], ["", null]]);
  assertEquals([...bytes], [4, 4, 97, 98, 2, 7, 0, 1]);
  assertEquals([...encodeHeaders([])], [0]);
});

Deno.test("encodeHeaders() uses more than one byte for lengths from 64", () => {
  const value = new Uint8Array(64);
  assertEquals([...encodeHeaders([["", value]]).subarray(0, 4)], [2, 0, 128, 1]);
});

Deno.test("decodeHeaders() gives back what encodeHeaders() wrote", () => {
  const entry = fc.tuple(
    fc.string({ unit: "grapheme", maxLength: 80 }),
    fc.option(fc.uint8Array({ maxLength: 200 }), { nil: null }),
  );
  fc.assert(fc.property(fc.array(entry, { maxLength: 70 }), (entries) => {
    const back = decodeHeaders(encodeHeaders(entries)).map(([name, value]) => [name, value && new Uint8Array(value)]);
    assertEquals(back, entries as unknown as (string | Uint8Array<ArrayBuffer> | null)[][]);
  }));
});

Deno.test("decodeHeaders() takes no bytes as no headers", () => {
  assertEquals(decodeHeaders(new Uint8Array(0)), []);
});

Deno.test("decodeHeaders() refuses every truncation, and bytes that follow", () => {
  const entries: HeaderEntry[] = [["name", new Uint8Array([1, 2, 3])], ["other", null]];
  const bytes = encodeHeaders(entries);
  for (let length = 1; length < bytes.length; length++) {
    assertThrows(() => decodeHeaders(bytes.subarray(0, length)), RangeError, "Cannot read record headers");
  }
  assertThrows(() => decodeHeaders(new Uint8Array([...bytes, 0])), RangeError, "bytes follow");
  assertThrows(() => decodeHeaders(new Uint8Array([2, 2, 255, 0])), RangeError, "not UTF-8");
  assertThrows(() => decodeHeaders(new Uint8Array([1])), RangeError, "their number -1");
  assertThrows(() => decodeHeaders(new Uint8Array([128, 128, 128, 128, 128, 1])), RangeError, "five bytes");
});
