import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { constants, zstdCompressSync } from "node:zlib";
import { BrokerUnavailableError } from "../../base/errors.ts";
import { decompress } from "./decompress.ts";
import { DecompressOutput, OutputLimitError } from "./decompress_output.ts";
import { zstdFrames } from "./zstd_frames.ts";

const ZSTD = 4;

function decompressed(bytes: Uint8Array, bytesMax = 2 ** 24): Uint8Array {
  const output = new DecompressOutput(bytesMax);
  decompress(ZSTD, bytes, output);
  return output.take();
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function skippable(kind: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x184d_2a50 + kind, true);
  view.setUint32(4, content.length, true);
  bytes.set(content, 8);
  return bytes;
}

/** Bytes of one frame: some that repeat, some that do not, and none; of several blocks too. */
const contentArb = fc.oneof(
  { weight: 5, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  { weight: 3, arbitrary: fc.nat(2_000).map((length) => new Uint8Array(length).fill(7)) },
  { weight: 1, arbitrary: fc.nat(300_000).map((length) => new Uint8Array(length).map((_, at) => at * at >> 8)) },
);
const partArb = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(contentArb, fc.constantFrom(0, 1), fc.constantFrom(0, 1), fc.constantFrom(-5, 1, 9)).map(
      ([content, checksum, contentSize, level]) => {
        const params = {
          [constants.ZSTD_c_checksumFlag]: checksum,
          [constants.ZSTD_c_contentSizeFlag]: contentSize,
          [constants.ZSTD_c_compressionLevel]: level,
        };
        return { content, frame: new Uint8Array(zstdCompressSync(content, { params })) };
      },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.nat(15), fc.uint8Array({ maxLength: 20 })).map(([kind, content]) => {
      return { content: new Uint8Array(0), frame: skippable(kind, content) };
    }),
  },
);

Deno.test("frames of zstd that stand one behind the other are all decompressed", () => {
  fc.assert(
    fc.property(fc.array(partArb, { minLength: 1, maxLength: 5 }), (parts) => {
      const bytes = joined(parts.map(({ frame }) => frame));
      assertEquals(decompressed(bytes), joined(parts.map(({ content }) => content)));
    }),
    { numRuns: 60 },
  );
});

Deno.test("frames of zstd that are cut off are an error, not fewer bytes", () => {
  const frames = [1, 2].map((fill) => new Uint8Array(zstdCompressSync(new Uint8Array(1_000).fill(fill))));
  const bytes = joined([...frames, skippable(0, new Uint8Array(5))]);
  const [first, second] = [frames[0]!.length, frames[0]!.length + frames[1]!.length];
  for (let end = 1; end < bytes.length; end++) {
    // Between two frames nothing is missing.
    if (end === first || end === second) continue;
    assertInstanceOf(assertThrows(() => decompressed(bytes.subarray(0, end))), BrokerUnavailableError);
  }
  assertEquals(decompressed(bytes).length, 2_000);
});

Deno.test("what stands behind a frame of zstd and is none is an error", () => {
  const frame = new Uint8Array(zstdCompressSync(new Uint8Array(10)));
  const error = assertThrows(() => decompressed(joined([frame, new Uint8Array(8).fill(9)])), BrokerUnavailableError);
  assertEquals(
    error.message,
    `Cannot decompress records of codec zstd: No frame begins at byte ${frame.length}, try again; if it stays, its producer ` +
      "wrote them damaged",
  );
});

Deno.test("zstdFrames() ends for any bytes", () => {
  const start = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (rest) => {
    const bytes = joined([start, rest]);
    try {
      assertEquals(joined(zstdFrames(bytes)).length <= bytes.length, true);
    } catch (error) {
      assert(error instanceof Error && !(error instanceof RangeError));
    }
  }));
});

Deno.test("the bound of what is decompressed counts all frames of zstd together", () => {
  const frame = new Uint8Array(zstdCompressSync(new Uint8Array(1_000)));
  assertEquals(decompressed(joined([frame, frame]), 2_000).length, 2_000);
  assertThrows(() => decompressed(joined([frame, frame]), 1_999), OutputLimitError);
});
