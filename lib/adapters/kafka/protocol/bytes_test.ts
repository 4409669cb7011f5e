import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { BrokerUnavailableError } from "../../../base/errors.ts";
import { ByteReader } from "./byte_reader.ts";
import { ByteWriter } from "./byte_writer.ts";

Deno.test("ByteReader reads what ByteWriter wrote", () => {
  const values = fc.record({
    small: fc.integer({ min: -128, max: 127 }),
    short: fc.integer({ min: -32_768, max: 32_767 }),
    int: fc.integer(),
    long: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    unsigned: fc.nat(2 ** 31 - 1),
    text: fc.option(fc.string()),
    list: fc.array(fc.string(), { maxLength: 5 }),
    bytes: fc.uint8Array(),
  });
  fc.assert(fc.property(values, ({ small, short, int, long, unsigned, text, list, bytes }) => {
    const w = new ByteWriter(1);
    w.int8(small).int16(short).int32(int).int64(long).unsignedVarint(unsigned).boolean(true);
    w.string(text).compactString(text).bytes(bytes).noTags();
    w.array(list, (item) => w.string(item)).compactArray(list, (item) => w.compactString(item));
    const r = new ByteReader(w.finish());
    assertEquals([r.int8(), r.int16(), r.int32(), r.int64()], [small, short, int, long]);
    assertEquals([r.unsignedVarint(), r.boolean()], [unsigned, true]);
    assertEquals([r.nullableString(), r.compactString()], [text, text]);
    assertEquals(r.nullableBytes()!.slice(), bytes);
    r.tags();
    assertEquals([r.array(() => r.string()), r.compactArray(() => r.compactString())], [list, list]);
    assertEquals(r.at, r.bytes.length);
  }));
});

Deno.test("ByteReader passes over tagged fields", () => {
  const r = new ByteReader(Uint8Array.of(2, 0, 1, 9, 5, 2, 9, 9, 7));
  r.tags();
  assertEquals(r.int8(), 7);
});

Deno.test("ByteReader refuses bytes that end too early and counts that cannot be", () => {
  assertThrows(() => new ByteReader(Uint8Array.of(0, 0, 0)).int32(), BrokerUnavailableError);
  assertThrows(() => new ByteReader(Uint8Array.of(0, 5, 65)).string(), BrokerUnavailableError);
  const huge = new ByteReader(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 0));
  assertThrows(() => huge.array(() => 0), BrokerUnavailableError);
  assertThrows(() => new ByteReader(new Uint8Array(9).fill(255)).unsignedVarint(), BrokerUnavailableError);
});
