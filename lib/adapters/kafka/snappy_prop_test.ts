import { assert, assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecompressOutput, OutputLimitError } from "./decompress_output.ts";
import { snappyCompress, snappySizeMax } from "./snappy_compress.ts";
import { snappyDecompress } from "./snappy_decompress.ts";

function decompressed(bytes: Uint8Array, bytesMax = 2 ** 24): Uint8Array {
  const output = new DecompressOutput(bytesMax);
  // What stands before is none of the block's business.
  output.append(Uint8Array.of(1, 2, 3));
  snappyDecompress(bytes, output);
  return output.take().subarray(3);
}

function compressed(bytes: Uint8Array): Uint8Array {
  const target = new Uint8Array(snappySizeMax(bytes.length));
  return target.slice(0, snappyCompress(bytes, target));
}

/** Bytes with runs, repetitions and noise. */
const lumpy = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.tuple(fc.nat(255), fc.nat(600)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(60)).map(([part, times]) =>
      Uint8Array.from({ length: part.length * times }, (_, i) => part[i % part.length]!)
    ),
  ),
  { maxLength: 12 },
).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

Deno.test("snappyDecompress() gives back what snappyCompress() took, as a stream and as a plain block", () => {
  fc.assert(fc.property(lumpy, (bytes) => {
    const stream = compressed(bytes);
    assertEquals(decompressed(stream), bytes);
    // The stream's first block without the frame around it.
    if (bytes.length > 0 && bytes.length <= 32_768) assertEquals(decompressed(stream.subarray(20)), bytes);
  }));
});

Deno.test("snappyCompress() never writes more than it says, also of noise and of blocks of every length", () => {
  const noise = Uint8Array.from({ length: 70_000 }, (_, i) => Math.imul(i + 1, 2_654_435_761) >>> 24 ^ i >> 3);
  for (const length of [0, 1, 2, 3, 4, 5, 60, 61, 256, 257, 32_767, 32_768, 32_769, 65_536, 70_000]) {
    for (const bytes of [noise.subarray(0, length), new Uint8Array(length)]) {
      assertEquals(decompressed(compressed(bytes)), bytes);
    }
  }
});

Deno.test("snappyDecompress() reads every kind of element", () => {
  // Two literals, and between them copies whose distances take one, two and four bytes.
  const copies = [0 << 2 | 1, 3, 2 << 2 | 2, 2, 0, 2 << 2 | 3, 3, 0, 0, 0];
  const block = Uint8Array.of(15, 2 << 2, 97, 98, 99, ...copies, 1 << 2, 120, 121);
  assertEquals(new TextDecoder().decode(decompressed(block)), ["abc", "abca", "cac", "cac", "xy"].join(""));
});

Deno.test("snappyDecompress() gives the bytes or an error, whatever is changed or cut off", () => {
  const bytes = new TextEncoder().encode(Array.from({ length: 20 }, (_, i) => `{"id":${i},"name":"the same"}`).join());
  const stream = compressed(bytes);
  let refused = 0;
  for (let at = 0; at < stream.length; at++) {
    for (const bit of [1, 16, 128]) {
      const damaged = stream.slice();
      damaged[at]! ^= bit;
      for (const wrong of [damaged, damaged.subarray(20), stream.subarray(0, at)]) {
        try {
          assert(decompressed(wrong).length < 64 * stream.length);
        } catch (error) {
          assertInstanceOf(error, RangeError);
          refused += 1;
        }
      }
    }
  }
  assert(refused > 4 * stream.length, `${refused} refused`);
});

Deno.test("snappyDecompress() reserves nothing for a size that cannot be, and writes no more than it may", () => {
  const lie = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1);
  assertStringIncludes(assertThrows(() => decompressed(lie), RangeError).message, "4294967295");
  const stream = compressed(new Uint8Array(100_000));
  assertEquals(decompressed(stream, 100_003).length, 100_000);
  assertStringIncludes(assertThrows(() => decompressed(stream, 100_002), OutputLimitError).message, "100002");
});

Deno.test("snappyDecompress() refuses a block that holds less than it claims", () => {
  assertEquals(decompressed(Uint8Array.of(3, 2 << 2, 97, 98, 99)).length, 3);
  for (const size of [2, 4]) assertThrows(() => decompressed(Uint8Array.of(size, 2 << 2, 97, 98, 99)), RangeError);
});
