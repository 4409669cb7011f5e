import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { bitmapBytes, copyBits, countBits, fullBitmap, hasBit, packBits, setBits } from "./bitmap.ts";

const flagsOf = (bitmap: Uint8Array, count: number) => Array.from({ length: count }, (_, i) => hasBit(bitmap, i));
const flags = fc.array(fc.boolean(), { maxLength: 100 });
const pack = (values: boolean[]) => packBits(Uint8Array.from(values, Number), values.length);

Deno.test("packBits() and hasBit() are inverse", () => {
  fc.assert(fc.property(flags, (values) => assertEquals(flagsOf(pack(values), values.length), values)));
});

Deno.test("countBits() counts any range", () => {
  fc.assert(fc.property(flags, fc.nat(100), fc.nat(100), (values, a, b) => {
    const from = Math.min(a, b, values.length);
    const to = Math.min(Math.max(a, b), values.length);
    assertEquals(countBits(pack(values), from, to), values.slice(from, to).filter(Boolean).length);
  }));
});

Deno.test("copyBits() copies any range to any place and touches nothing else", () => {
  fc.assert(fc.property(flags, fc.nat(20), fc.nat(20), (values, skip, at) => {
    const from = Math.min(skip, values.length);
    const count = values.length - from;
    const target = new Uint8Array(bitmapBytes(at + count + 9));
    copyBits(pack(values), from, count, target, at);
    assertEquals(flagsOf(target, at + count + 9), [
      ...Array(at).fill(false),
      ...values.slice(from),
      ...Array(9).fill(false),
    ]);
  }));
});

Deno.test("setBits() and fullBitmap() set exactly the range", () => {
  fc.assert(fc.property(fc.nat(40), fc.nat(40), (from, count) => {
    const target = new Uint8Array(bitmapBytes(100));
    setBits(target, from, from + count);
    assertEquals(flagsOf(target, 100), Array.from({ length: 100 }, (_, i) => i >= from && i < from + count));
    const full = fullBitmap(count);
    assertEquals(flagsOf(full, full.length * 8), Array.from({ length: full.length * 8 }, (_, i) => i < count));
  }));
});
