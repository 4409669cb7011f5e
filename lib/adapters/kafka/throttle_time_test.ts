import { assertEquals } from "@std/assert";
import { ByteReader } from "./protocol/byte_reader.ts";
import { ByteWriter } from "./protocol/byte_writer.ts";
import { produceCall } from "./protocol/produce_calls.ts";
import { throttleMsOf } from "./throttle_time.ts";

const AT_START = { body: 0, read: 0 };

function numbers(...values: number[]): Uint8Array {
  const writer = new ByteWriter();
  for (const value of values) writer.int32(value);
  return writer.finish();
}

Deno.test("throttleMsOf() finds the time at the body's beginning, behind the header", () => {
  assertEquals(throttleMsOf({ apiKey: 1, version: 11 }, numbers(70, 1, 2), AT_START), 70);
  assertEquals(throttleMsOf({ apiKey: 1, version: 11 }, numbers(9, 70, 2), { body: 4, read: 12 }), 70);
});

/** The reply to a batch that another broker leads now: since version 10 it tells which one and where it is (KIP-951). */
function movedReply(version: number, throttleMs: number): Uint8Array {
  const writer = new ByteWriter();
  writer.compactArray(["t"], (topic) => {
    writer.compactString(topic).compactArray([0], (partition) => {
      writer.int32(partition).int16(6).int64(-1n).int64(-1n).int64(-1n).compactArray([], () => {}).compactString(null);
      if (version < 10) writer.noTags();
      else writer.unsignedVarint(1).unsignedVarint(0).unsignedVarint(9).int32(2).int32(5).noTags();
    }).noTags();
  });
  writer.int32(throttleMs);
  if (version < 10) return writer.noTags().finish();
  const leaders = new ByteWriter();
  leaders.compactArray(
    [2],
    (node) => leaders.int32(node).compactString("host").int32(9092).compactString(null).noTags(),
  );
  const bytes = leaders.finish();
  return writer.unsignedVarint(1).unsignedVarint(0).unsignedVarint(bytes.length).raw(bytes).finish();
}

for (const version of [9, 12] as const) {
  Deno.test(`throttleMsOf() finds the time of Produce version ${version} where the call has read to`, () => {
    const call = produceCall([], { timeoutMs: 1, version });
    for (const throttleMs of [0, 70]) {
      const bytes = movedReply(version, throttleMs);
      const reader = new ByteReader(bytes);
      assertEquals(call.read(reader).map(({ errorCode }) => errorCode), [6]);
      assertEquals(throttleMsOf(call, bytes, { body: 0, read: reader.at }), throttleMs);
    }
  });
}

Deno.test("throttleMsOf() is 0 where a call has no such time", () => {
  // ListOffsets before version 2, SaslHandshake, and replies that are cut off.
  assertEquals(throttleMsOf({ apiKey: 2, version: 1 }, numbers(70), AT_START), 0);
  assertEquals(throttleMsOf({ apiKey: 17, version: 1 }, numbers(70), AT_START), 0);
  assertEquals(throttleMsOf({ apiKey: 12, version: 3 }, new Uint8Array(3), AT_START), 0);
});

Deno.test("throttleMsOf() believes no negative times and none of hours", () => {
  assertEquals(throttleMsOf({ apiKey: 1, version: 11 }, numbers(-1), AT_START), 0);
  assertEquals(throttleMsOf({ apiKey: 1, version: 11 }, numbers(0x7fff_ffff), AT_START), 60_000);
});
