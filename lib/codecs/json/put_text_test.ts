import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { base64Length, putBase64, putText, textRoom } from "./put_text.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes a text into a buffer of exactly the reserved size, between two foreign bytes on each side of the source. */
function escaped(text: Uint8Array): string | null {
  const source = Uint8Array.of(0x22, ...text, 0x5c);
  const room = textRoom(source, 1, source.length - 1);
  const bytes = new Uint8Array(room);
  const end = putText(bytes, 0, source, 1, source.length - 1);
  assert(end <= room, `${end} bytes written, ${room} reserved`);
  return end < 0 ? null : decoder.decode(bytes.subarray(0, end));
}

Deno.test("putText() escapes exactly what JSON demands, in the room of textRoom()", () => {
  const arb = fc.oneof(
    fc.string({ unit: "binary", maxLength: 30 }),
    fc.string({ unit: "binary-ascii", maxLength: 1500 }),
    fc.string({ unit: fc.constantFrom("\u0001", '"', "\\", "\n", "é"), minLength: 500, maxLength: 600 }),
  );
  fc.assert(
    fc.property(arb, (text) => assertEquals(escaped(encoder.encode(text)), JSON.stringify(text).slice(1, -1))),
    { numRuns: 2_000 },
  );
});

Deno.test("textRoom() is exact for long texts", () => {
  const text = encoder.encode('a"\n\u0001é'.repeat(200));
  assertEquals(textRoom(text, 0, text.length), encoder.encode(JSON.stringify('a"\n\u0001é'.repeat(200))).length - 2);
});

Deno.test("putText() refuses malformed UTF-8 wherever it stands", () => {
  for (
    const bytes of [[0x80], [0xc3], [0xc0, 0xaf], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]]
  ) {
    assertEquals(escaped(Uint8Array.from(bytes)), null);
    assertEquals(escaped(Uint8Array.of(0x41, 0xc3, 0xa9, ...bytes)), null);
    assertEquals(escaped(Uint8Array.of(...bytes, 0x41)), null);
  }
});

Deno.test("putText() does not read past its end to complete a sequence", () => {
  const source = encoder.encode("é");
  assertEquals(putText(new Uint8Array(12), 0, source, 0, 1), -1);
});

Deno.test("putBase64() writes padded base64 of base64Length() bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (value) => {
      const bytes = new Uint8Array(base64Length(value.length));
      assertEquals(putBase64(bytes, 0, Uint8Array.of(1, ...value, 2), 1, value.length + 1), bytes.length);
      assertEquals(decoder.decode(bytes), btoa(String.fromCharCode(...value)));
    }),
    { numRuns: 1_000 },
  );
});
