import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { checksumOfBlocks } from "./crc32c.ts";
import { FOLD_BYTES, makeFold } from "./crc32c_fold.ts";

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  return crc;
});

/** One byte after the other, straight from the definition. */
function slowly(bytes: Uint8Array, end: number, crc: number): number {
  for (let at = 0; at < end; at++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[at]!) & 255]!;
  return crc;
}

const fold = makeFold(TABLE);

function manyBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, 2_654_435_761) >>> 23);
}

Deno.test("makeFold() is to be had here", () => assert(fold !== null));

Deno.test("a fold agrees with the definition for any blocks, any view of them and any checksum before them", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_100, size: "max" }), fc.nat(20), fc.integer(), (some, skip, crc) => {
      const bytes = new Uint8Array(FOLD_BYTES + skip + some.length);
      bytes.set(some, skip);
      const view = bytes.subarray(skip);
      const end = view.length - view.length % FOLD_BYTES;
      assertEquals(fold!(view, end, crc) >>> 0, slowly(view, end, crc) >>> 0);
    }),
  );
});

Deno.test("a fold notices each bit of each byte of a block and of those behind it", () => {
  const bytes = new Uint8Array(3 * FOLD_BYTES);
  const seen = new Set<number>();
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    bytes.fill(0)[bit >> 3] = 1 << (bit & 7);
    const crc = fold!(bytes, bytes.length, 0);
    assertEquals(crc, slowly(bytes, bytes.length, 0));
    seen.add(crc);
  }
  assertEquals([seen.size, seen.has(0)], [8 * bytes.length, false]);
});

Deno.test("a fold reads what is larger than its memory, and does not read past the end", () => {
  const bytes = manyBytes(300_000);
  for (const end of [16_384, 16_512, 32_896, 163_840, 299_904]) {
    assertEquals(fold!(bytes, end, -1), slowly(bytes, end, -1), `${end} bytes`);
  }
});

Deno.test("what is done without vectors gives the same", () => {
  const bytes = manyBytes(10_240);
  for (let end = 2_048; end <= bytes.length; end += 2_048) {
    assertEquals(checksumOfBlocks(bytes, end, 7), slowly(bytes, end, 7));
  }
});
