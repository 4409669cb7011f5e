import { assertEquals } from "@std/assert";
import { ByteWriter } from "./protocol/byte_writer.ts";
import { throttleMsOf } from "./throttle_time.ts";

const body = (...numbers: number[]) => {
  const writer = new ByteWriter();
  for (const number of numbers) writer.int32(number);
  return writer.finish();
};

Deno.test("throttleMsOf() finds the time where the version of the call has it", () => {
  assertEquals(throttleMsOf({ apiKey: 1, version: 11 }, body(70, 1, 2)), 70);
  assertEquals(throttleMsOf({ apiKey: 0, version: 8 }, body(1, 2, 70)), 70);
  const flexible = new ByteWriter().int32(1).int32(70).noTags().finish();
  assertEquals(throttleMsOf({ apiKey: 0, version: 9 }, flexible), 70);
});

Deno.test("throttleMsOf() is 0 where a call has no such time", () => {
  // ListOffsets before version 2, SaslHandshake, a produce reply with tagged fields, a reply that is cut off.
  assertEquals(throttleMsOf({ apiKey: 2, version: 1 }, body(70)), 0);
  assertEquals(throttleMsOf({ apiKey: 17, version: 1 }, body(70)), 0);
  assertEquals(throttleMsOf({ apiKey: 0, version: 10 }, new ByteWriter().int32(70).unsignedVarint(1).finish()), 0);
  assertEquals(throttleMsOf({ apiKey: 12, version: 3 }, new Uint8Array(3)), 0);
});

Deno.test("throttleMsOf() believes no negative times and none of hours", () => {
  assertEquals(throttleMsOf({ apiKey: 1, version: 11 }, body(-1)), 0);
  assertEquals(throttleMsOf({ apiKey: 1, version: 11 }, body(0x7fff_ffff)), 60_000);
});
