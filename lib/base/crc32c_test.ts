import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { crc32c } from "./crc32c.ts";

const ascii = (text: string) => new TextEncoder().encode(text);

Deno.test("crc32c() gives the published check values", () => {
  assertEquals(crc32c(new Uint8Array(0)), 0);
  assertEquals(crc32c(ascii("123456789")), 0xe306_9283);
  assertEquals(crc32c(ascii("The quick brown fox jumps over the lazy dog")), 0x2262_0404);
  // RFC 3720, appendix B.4.
  assertEquals(crc32c(new Uint8Array(32)), 0x8a91_36aa);
  assertEquals(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8_ab43);
  assertEquals(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at)), 0x46dd_794e);
  assertEquals(crc32c(Uint8Array.from({ length: 32 }, (_, at) => 31 - at)), 0x113f_db5c);
});

/** One bit after the other, straight from the definition. */
function slowly(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

Deno.test("crc32c() agrees with the definition for any bytes and any view of them", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(20), (bytes, skip) => {
    const view = bytes.subarray(Math.min(skip, bytes.length));
    assertEquals(crc32c(view), slowly(view));
  }));
});

Deno.test("crc32c() of parts composes to that of the whole", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), (bytes, cut) => {
    assertEquals(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut))), crc32c(bytes));
  }));
});

Deno.test("crc32c() agrees with the definition for lengths around those that are read in blocks", () => {
  const bytes = Uint8Array.from({ length: 6_200 }, (_, i) => Math.imul(i + 1, 2_654_435_761) >>> 23);
  for (const length of [1_023, 1_024, 2_047, 2_048, 2_049, 2_056, 3_072, 4_095, 4_096, 4_103, 6_144, 6_150]) {
    for (const skip of [0, 1, 7]) {
      const view = bytes.subarray(skip, skip + length);
      assertEquals(crc32c(view), slowly(view), `${length} bytes after ${skip}`);
      assertEquals(crc32c(view.subarray(999), crc32c(view.subarray(0, 999))), slowly(view));
    }
  }
});
