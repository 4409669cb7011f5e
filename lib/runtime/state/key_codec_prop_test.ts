import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { encodeKeys } from "../../codecs/record_key.ts";
import { batchOf } from "../../columns/batch_of.ts";
import { KeyTable } from "../../columns/key_table.ts";
import { murmur2 } from "../../columns/murmur2.ts";
import {
  binary,
  bool,
  type Column,
  type ColumnType,
  float64,
  int32,
  int64,
  struct,
  timestampMs,
  utf8,
} from "../../columns/schema.ts";
import { compareBytes } from "../../columns/spans.ts";
import { KeyCodec } from "./key_codec.ts";

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 5 }),
  fc.constantFrom("", "\u0000", "a\u0000", "a", "a\u0000\u0001"),
);
const scalars: [ColumnType, fc.Arbitrary<unknown>, (a: never, b: never) => number][] = [
  [utf8(), text, (a: string, b: string) => compareAll(utf8Bytes(a), utf8Bytes(b))],
  [binary(), fc.uint8Array({ maxLength: 4 }), compareAll],
  [int32(), fc.oneof(fc.integer(), fc.integer({ min: -2, max: 2 })), (a: number, b: number) => a - b],
  [
    int64(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    (a: bigint, b: bigint) => a < b ? -1 : a > b ? 1 : 0,
  ],
  [timestampMs(), fc.maxSafeInteger(), (a: number, b: number) => a - b],
  [float64(), fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(0, -0, Infinity, -Infinity)), byNumber],
  [bool(), fc.boolean(), (a: boolean, b: boolean) => Number(a) - Number(b)],
];

function byNumber(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
function utf8Bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
function compareAll(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length);
}
const columnOf = (type: ColumnType, keys: readonly unknown[]) =>
  batchOf({ key: type }, keys.map((key) => ({ key })) as never).getChild("key") as Column;

/** Bytes of keys, which come back as the same keys by column and one by one. */
function bytesOf(type: ColumnType, keys: readonly unknown[]): Uint8Array[] {
  const codec = new KeyCodec(type, undefined);
  const table = new KeyTable();
  const codes = codec.internColumn(columnOf(type, keys), table);
  return keys.map((key, i) => {
    assertEquals(codec.intern(key, table), codes[i]);
    const bytes = table.keyBytes(codes[i]!);
    assertEquals(plain(codec.decode(bytes, 0, bytes.length)), plain(key));
    return bytes;
  });
}

/** -0 is the same key as 0; bytes compare by content. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
  }
  return value === 0 ? 0 : value;
}

for (const [type, values, compare] of scalars) {
  Deno.test(`KeyCodec keeps the order of ${type.kind} keys, tells them apart and reads them back`, () => {
    fc.assert(
      fc.property(fc.array(values, { minLength: 1, maxLength: 8 }), (keys) => {
        const bytes = bytesOf(type, keys);
        for (let a = 0; a < keys.length; a++) {
          for (let b = 0; b < keys.length; b++) {
            const wanted = Math.sign(compare(keys[a] as never, keys[b] as never));
            assertEquals(Math.sign(compareAll(bytes[a]!, bytes[b]!)), wanted);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
}

Deno.test("KeyCodec keeps the order of structs, null first, and tells them apart", () => {
  const nullable = (type: ColumnType): ColumnType => ({ ...type, nullable: true });
  const row = fc.constantFrom(...scalars).chain((a) => fc.constantFrom(...scalars).map((b) => [a, b] as const));
  fc.assert(
    fc.property(
      row.chain(([a, b]) => {
        const key = fc.record({ first: fc.option(a[1], { nil: null }), second: b[1], third: text });
        return fc.tuple(fc.constant([a, b] as const), fc.array(key, { minLength: 1, maxLength: 6 }));
      }),
      ([[a, b], keys]) => {
        const type = struct({ first: nullable(a[0]), second: b[0], third: utf8() });
        const bytes = bytesOf(type, keys);
        const compare = (x: typeof keys[0], y: typeof keys[0]): number => {
          if (x.first === null || y.first === null) {
            if (x.first !== y.first) return x.first === null ? -1 : 1;
          } else if (a[2](x.first as never, y.first as never) !== 0) return a[2](x.first as never, y.first as never);
          const second = b[2](x.second as never, y.second as never);
          return second !== 0 ? second : compareAll(utf8Bytes(x.third), utf8Bytes(y.third));
        };
        for (let i = 0; i < keys.length; i++) {
          for (let j = 0; j < keys.length; j++) {
            assertEquals(Math.sign(compareAll(bytes[i]!, bytes[j]!)), Math.sign(compare(keys[i]!, keys[j]!)));
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("KeyCodec routes as topics route their keys, by the whole key or its leading column", () => {
  for (const [type, values] of scalars) {
    fc.assert(
      fc.property(values, (key) => {
        fc.pre(typeof key !== "number" || Number.isFinite(key));
        const topicKey = encodeKeys(batchOf({ key: type }, [{ key }] as never), "key");
        const wanted = murmur2(topicKey.bytes, topicKey.starts[0], topicKey.ends[0]);
        assertEquals(hashOf(type, key, undefined), wanted);
        const windowed = struct({ key: type, at: timestampMs() });
        assertEquals(hashOf(windowed, { key, at: 5 }, 1), wanted);
        assertEquals(hashOf(windowed, { key, at: -7 }, 1), wanted);
      }),
      { numRuns: 50 },
    );
  }
  for (const key of ["", "\u0000", "a\u0000", "\u0000\u0000b", "a\u0000\u00ffb", "é"]) {
    for (const at of [0, 255, 256]) {
      assertEquals(hashOf(struct({ key: utf8(), at: timestampMs() }), { key, at }, 1), murmur2(utf8Bytes(key)));
      assertEquals(hashOf(struct({ key: utf8(), at: utf8() }), { key, at: `\u0000${at}` }, 1), murmur2(utf8Bytes(key)));
    }
    assertEquals(hashOf(struct({ key: binary() }), { key: utf8Bytes(key) }, undefined), murmur2(utf8Bytes(key)));
  }
  const pair = struct({ a: utf8(), b: int32() });
  assert(hashOf(pair, { a: "x", b: 1 }, undefined) !== hashOf(pair, { a: "x", b: 2 }, undefined));
  assertEquals(hashOf(pair, { a: "x", b: 1 }, undefined), murmur2(utf8Bytes(`["x",1]`)));
});

function hashOf(type: ColumnType, key: unknown, routing: number | undefined): number {
  const codec = new KeyCodec(type, routing);
  const table = new KeyTable();
  const bytes = table.keyBytes(codec.intern(key, table));
  return codec.hash(bytes, 0, bytes.length);
}
