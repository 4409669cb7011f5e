import { assertEquals } from "@std/assert";
import { encodeFrame, findFrameHeader, FRAME_HEADER_BYTES, getUint53, readFrameHeader, setUint53 } from "./frame.ts";

const SALT = 0xdead_beef;
const body = [Uint8Array.of(1, 2, 3), Uint8Array.of(4)];

function at(position: number, frame: Uint8Array): Uint8Array {
  const segment = new Uint8Array(position + frame.length);
  segment.set(frame, position);
  return segment;
}

const frameAt = (position: number) => encodeFrame(body, { kind: "entries", salt: SALT, firstEntry: 7, position });

Deno.test("readFrameHeader() gives what encodeFrame() was told", () => {
  const header = readFrameHeader(at(100, frameAt(100)), 100, SALT);
  assertEquals({ ...header, bodyChecksum: 0 }, {
    kind: "entries",
    count: 2,
    firstEntry: 7,
    position: 100,
    bodyLength: 4,
    bodyChecksum: 0,
  });
});

Deno.test("readFrameHeader() refuses a header of another generation or of another place", () => {
  assertEquals(readFrameHeader(at(100, frameAt(100)), 100, SALT + 1), undefined);
  assertEquals(readFrameHeader(at(101, frameAt(100)), 101, SALT), undefined);
});

Deno.test("readFrameHeader() refuses a header with any one bit changed, and any part of one", () => {
  const segment = at(0, frameAt(0));
  for (let bit = 0; bit < FRAME_HEADER_BYTES * 8; bit++) {
    const damaged = segment.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    assertEquals(readFrameHeader(damaged, 0, SALT), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < FRAME_HEADER_BYTES; length++) {
    assertEquals(readFrameHeader(segment.subarray(0, length), 0, SALT), undefined, `length ${length}`);
  }
});

Deno.test("findFrameHeader() finds the next header, not a copy of one inside of a payload", () => {
  const copy = frameAt(3);
  const outer = encodeFrame([copy], { kind: "entries", salt: SALT, firstEntry: 0, position: 0 });
  const segment = new Uint8Array(outer.length + copy.length);
  segment.set(outer);
  segment.set(frameAt(outer.length), outer.length);
  assertEquals(findFrameHeader(segment, 1, SALT), outer.length);
  assertEquals(findFrameHeader(segment, outer.length + 1, SALT), -1);
});

Deno.test("getUint53() gives what setUint53() took, up to the greatest safe integer", () => {
  const view = new DataView(new ArrayBuffer(8));
  for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
    setUint53(view, 0, value);
    assertEquals(getUint53(view, 0), value);
  }
});
