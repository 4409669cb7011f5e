import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { JournalCorruptError } from "../../base/errors.ts";
import {
  decodeFormat,
  encodeFormat,
  generationName,
  generationSalt,
  parseGenerationName,
  parseSegmentName,
  segmentName,
} from "./format_file.ts";

const format = { journalId: "0123456789abcdef", generation: 3 };
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const decodedJson = () => JSON.parse(new TextDecoder().decode(encodeFormat(format)));

Deno.test("decodeFormat() gives what encodeFormat() took", () => {
  assertEquals(decodeFormat(encodeFormat(format), "p"), format);
});

Deno.test("decodeFormat() refuses a newer version and says which release to use", () => {
  const newer = text({ ...decodedJson(), version: 2 });
  const error = assertThrows(() => decodeFormat(newer, "disk/format.json"), JournalCorruptError, "its version is 2");
  assertEquals(error.message.includes("disk/format.json") && error.message.includes("the release that wrote it"), true);
});

Deno.test("decodeFormat() refuses another program's file and any damage", () => {
  assertThrows(() => decodeFormat(text({ format: "other" }), "p"), JournalCorruptError, 'its format is "other"');
  assertThrows(() => decodeFormat(text(null), "p"), JournalCorruptError, "its format is undefined");
  assertThrows(() => decodeFormat(new Uint8Array(0), "p"), JournalCorruptError, "it is not JSON");
  assertThrows(() => decodeFormat(text({ ...decodedJson(), generation: 4 }), "p"), JournalCorruptError, "checksum");
  const bytes = encodeFormat(format);
  for (let at = 0; at < bytes.length - 1; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 1;
    assertThrows(() => decodeFormat(damaged, "p"), JournalCorruptError);
    assertThrows(() => decodeFormat(bytes.subarray(0, at), "p"), JournalCorruptError);
  }
});

Deno.test("generationSalt() differs between generations and between journals", () => {
  assertNotEquals(generationSalt(format), generationSalt({ ...format, generation: 4 }));
  assertNotEquals(generationSalt(format), generationSalt({ ...format, journalId: "0123456789abcdee" }));
});

Deno.test("names of generations and segments sort as their numbers and read back", () => {
  assertEquals(parseGenerationName(generationName(12)), 12);
  assertEquals(parseSegmentName(segmentName(1_234_567_890)), 1_234_567_890);
  assertEquals(segmentName(9) < segmentName(10), true);
  assertEquals([parseSegmentName("segment-1"), parseGenerationName("generation-x"), parseSegmentName(".tmp")], [
    undefined,
    undefined,
    undefined,
  ]);
});
