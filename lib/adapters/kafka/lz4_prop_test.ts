import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecompressOutput, OutputLimitError } from "./decompress_output.ts";
import { lz4Compress, lz4SizeMax } from "./lz4_compress.ts";
import { lz4Decompress } from "./lz4_decompress.ts";

/** Frames that the lz4 command line wrote of the same text, by its options. */
const FRAMES: Readonly<Record<string, string>> = {
  "":
    "BCJNGGRAp1wAAADxEjA6IHRoZSBxdWljayBicm93biBmb3gganVtcHMgb3Zlch8A8gRsYXp5IGRvZywgYWdhaW4gYW5kCgAvCjFAACwfMkAALB8zQAAsHzRAACwfNUAAJ1BnYWluCgAAAACQFtQ0",
  "-BX":
    "BCJNGHRAvVwAAADxEjA6IHRoZSBxdWljayBicm93biBmb3gganVtcHMgb3Zlch8A8gRsYXp5IGRvZywgYWdhaW4gYW5kCgAvCjFAACwfMkAALB8zQAAsHzRAACwfNUAAJ1BnYWluCoLzUqoAAAAAkBbUNA==",
  "--content-size":
    "BCJNGGxAgAEAAAAAAABSXAAAAPESMDogdGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyHwDyBGxhenkgZG9nLCBhZ2FpbiBhbmQKAC8KMUAALB8yQAAsHzNAACwfNEAALB81QAAnUGdhaW4KAAAAAJAW1DQ=",
  "--no-frame-crc":
    "BCJNGGBAglwAAADxEjA6IHRoZSBxdWljayBicm93biBmb3gganVtcHMgb3Zlch8A8gRsYXp5IGRvZywgYWdhaW4gYW5kCgAvCjFAACwfMkAALB8zQAAsHzRAACwfNUAAJ1BnYWluCgAAAAA=",
  "-BD -BX --content-size -B5":
    "BCJNGHxAgAEAAAAAAADyXAAAAPESMDogdGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyHwDyBGxhenkgZG9nLCBhZ2FpbiBhbmQKAC8KMUAALB8yQAAsHzNAACwfNEAALB81QAAnUGdhaW4KgvNSqgAAAACQFtQ0",
};
const TEXT = Array.from(
  { length: 6 },
  (_, i) => `${i}: the quick brown fox jumps over the lazy dog, again and again\n`,
);
/** Blocks of 64 KiB that refer to the block before (-BD -B4). */
const LINKED =
  "BCJNGERAXicBAADTYWFhYmNhY2JhY2NjYwsAH2EVAP//Mg9DAv//Mg+PBAIPWAL///////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////80UGFjYmFjDgEAAA/2//++DyD9////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////F1BjYWNiYUAAAAAfYTH+/zUPRwH/NY9jYWJjYWNiYZcC9g9YAv////////////////////////////////////////9HUGNiYWNjAAAAAPjDu48=";

const fromBase64 = (text: string) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));

function decompressed(bytes: Uint8Array, bytesMax = 2 ** 24): Uint8Array {
  const output = new DecompressOutput(bytesMax);
  // What stands before is none of the frame's business.
  output.append(Uint8Array.of(1, 2, 3));
  lz4Decompress(bytes, output);
  return output.take().subarray(3);
}

function compressed(bytes: Uint8Array): Uint8Array {
  const target = new Uint8Array(lz4SizeMax(bytes.length));
  return target.slice(0, lz4Compress(bytes, target));
}

/** Bytes with runs, repetitions and noise. */
const lumpy = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.tuple(fc.nat(255), fc.nat(600)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(60)).map(([part, times]) =>
      Uint8Array.from({ length: part.length * times }, (_, i) => part[i % part.length]!)
    ),
  ),
  { maxLength: 12 },
).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

for (const [options, frame] of Object.entries(FRAMES)) {
  Deno.test(`lz4Decompress() reads what the lz4 command line wrote with '${options}'`, () => {
    assertEquals(new TextDecoder().decode(decompressed(fromBase64(frame))), TEXT.join(""));
  });
}

Deno.test("lz4Decompress() reads blocks that refer to the block before, and refuses them in independent blocks", () => {
  const expected = new Uint8Array(140_000);
  for (let i = 0; i < expected.length; i++) expected[i] = i < 600 ? 97 + Math.floor(i * i / 7) % 3 : expected[i - 600]!;
  const frame = fromBase64(LINKED);
  assertEquals(decompressed(frame), expected);
  frame[4]! |= 0x20;
  // The same descriptor with the bit set has another checksum.
  frame[6] = 0xa7;
  assertThrows(() => decompressed(frame), RangeError, "a block does not fit");
});

Deno.test("lz4Decompress() holds every checksum and size of a frame against its bytes", () => {
  for (const [options, text] of Object.entries(FRAMES)) {
    const frame = fromBase64(text);
    const isChecked = options !== "--no-frame-crc";
    for (let at = 0; at < frame.length; at++) {
      const damaged = frame.slice();
      damaged[at]! ^= 0x10;
      let read: Uint8Array | null = null;
      try {
        read = decompressed(damaged);
      } catch (error) {
        assert(error instanceof RangeError, String(error));
      }
      if (isChecked && read !== null) assertEquals(new TextDecoder().decode(read), TEXT.join(""), `${options} ${at}`);
    }
    for (let length = 0; length < frame.length; length++) {
      assertThrows(() => decompressed(frame.subarray(0, length)), RangeError);
    }
  }
});

Deno.test("lz4Decompress() writes no more than it may", () => {
  const frame = compressed(new Uint8Array(200_000));
  assertEquals(decompressed(frame, 200_003).length, 200_000);
  const error = assertThrows(() => decompressed(frame, 200_002), OutputLimitError);
  assertStringIncludes(error.message, "200002");
});

Deno.test("lz4Decompress() gives back what lz4Compress() took", () => {
  fc.assert(fc.property(lumpy, (bytes) => {
    const frame = compressed(bytes);
    assert(frame.length <= bytes.length + 19);
    assertEquals(decompressed(frame), bytes);
  }));
});

Deno.test("lz4Compress() writes blocks of 64 KiB that stand by themselves, as Kafka reads no others", () => {
  const noise = Uint8Array.from({ length: 150_000 }, (_, i) => Math.imul(i + 1, 2_654_435_761) >>> 24 ^ i >> 3);
  for (const bytes of [noise, new Uint8Array(131_072), new Uint8Array(131_073).fill(7), new Uint8Array(0)]) {
    const frame = compressed(bytes);
    assertEquals([...frame.subarray(0, 7)], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    const view = new DataView(frame.buffer);
    let at = 7;
    let blocks = 0;
    for (let size = 0; (size = view.getUint32(at, true)) !== 0; blocks++) at += 4 + size % 2 ** 31;
    assertEquals([at + 4, blocks], [frame.length, Math.ceil(bytes.length / 65_536)]);
    assertEquals(decompressed(frame), bytes);
  }
});

Deno.test("lz4Compress() makes rows that are alike much smaller", () => {
  const text = Array.from({ length: 3_000 }, (_, i) => `{"id":${i},"kind":"click","page":"/p/${i % 97}"}`).join("\n");
  const bytes = new TextEncoder().encode(text);
  assert(compressed(bytes).length < bytes.length / 3);
});
