import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { ForeignBytes, FrameReader } from "./frame_reader.ts";

/** A stream that gives `pieces` bytes at a time, or as many as there is room for. */
function streamOf(bytes: Uint8Array, pieces: readonly number[]) {
  let [at, turn] = [0, 0];
  return {
    read: (into: Uint8Array): Promise<number | null> => {
      if (at === bytes.length) return Promise.resolve(null);
      const size = Math.min(pieces[turn++ % pieces.length]!, into.length, bytes.length - at);
      into.set(bytes.subarray(at, at + size));
      at += size;
      return Promise.resolve(size);
    },
  };
}

function framed(bodies: readonly Uint8Array[]): Uint8Array {
  const parts = bodies.flatMap((body) => {
    const head = new Uint8Array(4);
    new DataView(head.buffer).setInt32(0, body.length);
    return [head, body];
  });
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function bodyOf(length: number, seed: number): Uint8Array {
  return new Uint8Array(length).map((_, at) => at * 7 + seed);
}

const pieces = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 200_000 })), {
  minLength: 1,
  maxLength: 8,
});
const lengths = fc.array(fc.oneof(fc.integer({ min: 4, max: 60 }), fc.integer({ min: 60_000, max: 140_000 })), {
  maxLength: 6,
});

Deno.test("FrameReader gives each message whole, however the bytes come", async () => {
  await fc.assert(
    fc.asyncProperty(lengths, pieces, async (sizes, cuts) => {
      const bodies = sizes.map(bodyOf);
      const reader = new FrameReader(streamOf(framed(bodies), cuts), 1 << 20);
      const found: Uint8Array[] = [];
      for (let frame = await reader.next(); frame !== null; frame = await reader.next()) found.push(frame);
      assertEquals(found.map(({ length }) => length), sizes);
      found.forEach((frame, i) => assertEquals(frame.every((byte, at) => byte === bodies[i]![at]), true));
    }),
    { numRuns: 60 },
  );
});

Deno.test("FrameReader tells a stream that ends within a message from one that ends behind it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 4, max: 70_000 }), pieces, fc.nat(), async (size, cuts, cut) => {
      const bytes = framed([bodyOf(size, 1)]);
      const reader = new FrameReader(streamOf(bytes.subarray(0, 1 + cut % (bytes.length - 1)), cuts), 1 << 20);
      await assertRejects(() => reader.next(), Error, "ended within a message");
    }),
    { numRuns: 60 },
  );
});

for (const size of [-1, 0, 3, 1 + (1 << 20), 0x7fff_ffff]) {
  Deno.test(`FrameReader refuses a message of ${size} bytes before it makes room for it`, async () => {
    const head = new Uint8Array(8);
    new DataView(head.buffer).setInt32(0, size);
    await assertRejects(() => new FrameReader(streamOf(head, [8]), 1 << 20).next(), ForeignBytes);
  });
}
