import { assertEquals } from "@std/assert";
import { ByteWriter } from "./protocol/byte_writer.ts";
import { throttleMsOf } from "./throttle_time.ts";

const body = (...numbers: number[]) => {
  const writer = new ByteWriter();
  for (const number of numbers) writer.int32(number);
  return writer.finish();
};

/** A reply to Produce up to its throttle time; the batch was refused as the leader has moved. */
function produced(throttleMs: number): ByteWriter {
  const writer = new ByteWriter().unsignedVarint(2).compactString("t").unsignedVarint(2);
  writer.int32(0).int16(6).int64(-1n).int64(-1n).int64(-1n).unsignedVarint(1).compactString(null);
  const leader = new ByteWriter().int32(1).int32(5).noTags().finish();
  writer.unsignedVarint(1).unsignedVarint(0).unsignedVarint(leader.length).raw(leader);
  return writer.noTags().int32(throttleMs);
}

Deno.test("throttleMsOf() finds the time where the version of the call has it", () => {
  assertEquals(throttleMsOf({ apiKey: 1, version: 11 }, body(70, 1, 2)), 70);
  assertEquals(throttleMsOf({ apiKey: 0, version: 8 }, body(1, 2, 70)), 70);
  assertEquals(throttleMsOf({ apiKey: 0, version: 9 }, produced(70).noTags().finish()), 70);
});

Deno.test("throttleMsOf() does not take the address of a leader that has moved for a time", () => {
  for (const ms of [0, 70]) {
    const endpoint = new ByteWriter().unsignedVarint(2).int32(1).compactString("127.0.0.1").int32(19_092);
    const endpoints = endpoint.compactString(null).noTags().finish();
    const tagged = produced(ms).unsignedVarint(1).unsignedVarint(0).unsignedVarint(endpoints.length).raw(endpoints);
    assertEquals(throttleMsOf({ apiKey: 0, version: 12 }, tagged.finish()), ms);
  }
});

Deno.test("throttleMsOf() is 0 where a call has no such time", () => {
  // ListOffsets before version 2, SaslHandshake, replies that are cut off.
  assertEquals(throttleMsOf({ apiKey: 2, version: 1 }, body(70)), 0);
  assertEquals(throttleMsOf({ apiKey: 17, version: 1 }, body(70)), 0);
  assertEquals(throttleMsOf({ apiKey: 0, version: 10 }, produced(70).finish().subarray(0, 20)), 0);
  assertEquals(throttleMsOf({ apiKey: 12, version: 3 }, new Uint8Array(3)), 0);
});

Deno.test("throttleMsOf() believes no negative times and none of hours", () => {
  assertEquals(throttleMsOf({ apiKey: 1, version: 11 }, body(-1)), 0);
  assertEquals(throttleMsOf({ apiKey: 1, version: 11 }, body(0x7fff_ffff)), 60_000);
});
