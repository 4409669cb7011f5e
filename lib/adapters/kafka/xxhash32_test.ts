import { assertEquals } from "@std/assert";
import { xxhash32 } from "./xxhash32.ts";

const encoder = new TextEncoder();

Deno.test("xxhash32() gives the published values", () => {
  const expected: [string, number][] = [
    ["", 0x02cc5d05],
    ["a", 0x550d7456],
    ["abc", 0x32d153ff],
    ["Nobody inspects the spammish repetition", 0xe2293b2f],
  ];
  for (const [text, hash] of expected) assertEquals(xxhash32(encoder.encode(text)), hash, text);
});

Deno.test("xxhash32() of a range equals that of the bytes alone, whatever stands around it", () => {
  for (let length = 0; length < 70; length++) {
    const inner = Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, 2_654_435_761) >>> 24);
    const outer = new Uint8Array(length + 9).fill(0xa5);
    outer.set(inner, 5);
    assertEquals(xxhash32(outer, 5, 5 + length), xxhash32(inner));
    assertEquals(xxhash32(outer.subarray(3), 2, 2 + length), xxhash32(inner));
  }
});

Deno.test("xxhash32() checks the descriptor of frames as other writers do", () => {
  // Flags and block sizes of frames, and the byte that the lz4 command line writes behind them.
  assertEquals((xxhash32(Uint8Array.of(0x60, 0x40)) >>> 8) & 255, 0x82);
  assertEquals((xxhash32(Uint8Array.of(0x64, 0x40)) >>> 8) & 255, 0xa7);
});
