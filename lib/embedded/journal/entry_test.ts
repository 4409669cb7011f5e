import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { JournalCorruptError } from "../../base/errors.ts";
import { decodeEntries, encodeEntry, type JournalEntry } from "./entry.ts";

const anyEntry: fc.Arbitrary<JournalEntry> = fc.record({
  meta: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null))),
  payload: fc.option(fc.uint8Array({ maxLength: 30 })),
});

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

Deno.test("decodeEntries() gives what encodeEntry() took, an empty payload apart from none", () => {
  fc.assert(fc.property(fc.array(anyEntry, { maxLength: 6 }), (entries) => {
    const decoded = decodeEntries(join(entries.map(encodeEntry)), entries.length);
    assertEquals(
      decoded.map(({ meta, payload }) => [JSON.stringify(meta), payload === null ? null : [...payload]]),
      entries.map(({ meta, payload }) => [JSON.stringify(meta), payload === null ? null : [...payload]]),
    );
  }));
});

Deno.test("decodeEntries() refuses a body that is too short, too long or no JSON", () => {
  const whole = encodeEntry({ meta: { a: 1 }, payload: Uint8Array.of(1, 2) });
  for (let length = 0; length < whole.length; length++) {
    assertThrows(() => decodeEntries(whole.subarray(0, length), 1), JournalCorruptError, "is malformed");
  }
  assertThrows(() => decodeEntries(join([whole, Uint8Array.of(0)]), 1), JournalCorruptError, "is malformed");
  const noJson = whole.slice();
  noJson[8] = 0xff;
  assertThrows(() => decodeEntries(noJson, 1), JournalCorruptError, "entry 0 of 1 is malformed");
});
