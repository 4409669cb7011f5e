import { assert, assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { BrokerUnavailableError, NotModelledError } from "../../base/errors.ts";
import { compress } from "./compress.ts";
import { decompress } from "./decompress.ts";
import { DecompressOutput, OutputLimitError } from "./decompress_output.ts";
import { COMPRESSIONS } from "./record_batch.ts";

const TEXT = new TextEncoder().encode(
  Array.from({ length: 40 }, (_, i) => `{"id":${i * 7919 % 100},"kind":"click","page":"/p/${i}"}`).join(),
);

function decompressed(codec: number, bytes: Uint8Array, bytesMax = 2 ** 24): Uint8Array {
  const output = new DecompressOutput(bytesMax);
  decompress(codec, bytes, output);
  return output.take();
}

for (const [number, compression] of COMPRESSIONS.entries()) {
  const compressed = (bytes: Uint8Array) => compression === "none" ? bytes : compress(compression, bytes).slice();

  Deno.test(`decompress() gives back what compress() took with ${compression}`, () => {
    for (const length of [1, 100, TEXT.length]) {
      assertEquals(decompressed(number, compressed(TEXT.subarray(0, length))), TEXT.subarray(0, length));
    }
    const large = new Uint8Array(3_000_000).map((_, i) => i % 251);
    assertEquals(decompressed(number, compressed(large)), large);
  });

  Deno.test(`decompress() with ${compression} writes no more than it may, and leaves what stood there`, () => {
    const bytes = compressed(new Uint8Array(1_000_000));
    assertEquals(decompressed(number, bytes, 1_000_000).length, 1_000_000);
    const output = new DecompressOutput(1_000_000);
    output.append(TEXT);
    assertThrows(() => decompress(number, bytes, output), OutputLimitError);
    assertEquals(output.take(), TEXT);
  });

  if (number === 0) continue;
  Deno.test(`decompress() with ${compression} gives bytes or an error, whatever is changed or cut off`, () => {
    const bytes = compressed(TEXT);
    let refused = 0;
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at]! ^= 0x81;
      for (const damaged of [changed, bytes.subarray(0, at)]) {
        try {
          assert(decompressed(number, damaged, 100_000).length <= 100_000);
        } catch (error) {
          refused += 1;
          if (!(error instanceof OutputLimitError)) assertInstanceOf(error, BrokerUnavailableError);
        }
      }
    }
    assert(refused >= bytes.length / 2, `${refused} of ${2 * bytes.length} refused`);
  });
}

Deno.test("decompress() names the codec and what is wrong", () => {
  for (const [number, compression] of COMPRESSIONS.entries()) {
    if (number === 0) continue;
    const error = assertThrows(
      () => decompressed(number, Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9)),
      BrokerUnavailableError,
    );
    assertStringIncludes(error.message, `Cannot decompress records of codec ${compression}: `);
  }
});

Deno.test("decompress() names a codec that it does not know", () => {
  for (const codec of [5, 6, 7]) {
    const error = assertThrows(() => decompressed(codec, new Uint8Array(4)), NotModelledError);
    assertStringIncludes(error.message, `codec ${codec}`);
  }
});

Deno.test("a decompressed batch stays as it is when others are decompressed after it", () => {
  const first = decompressed(3, compress("lz4", TEXT).slice());
  decompressed(3, compress("lz4", new Uint8Array(10_000).fill(1)).slice());
  assertEquals(first, TEXT);
});
