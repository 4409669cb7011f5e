import { assertEquals, assertNotEquals } from "@std/assert";
import { float64, int64, list, struct, utf8 } from "../columns/schema.ts";
import { canonicalColumns, fingerprintOf, tableFingerprint } from "./schema_fingerprint.ts";

Deno.test("canonicalColumns() writes names, order, types and nulls", () => {
  const columns = {
    count: int64(),
    'a "b"': utf8({ nullable: true }),
    tags: list(utf8()),
    at: struct({ x: float64(), y: float64({ nullable: true }) }),
  };
  assertEquals(
    canonicalColumns(columns),
    `{"count":int64,"a \\"b\\"":utf8?,"tags":list<utf8>,"at":struct{"x":float64,"y":float64?}}`,
  );
});

Deno.test("tableFingerprint() changes with name, order, type and nullability, and with nothing else", () => {
  const base = { key: utf8(), value: { a: int64(), b: utf8() } };
  const same = tableFingerprint({ key: utf8(), value: { a: int64(), b: utf8() } });
  assertEquals(tableFingerprint(base), same);
  const others = [
    { key: int64(), value: base.value },
    { key: utf8(), value: { b: utf8(), a: int64() } },
    { key: utf8(), value: { a: float64(), b: utf8() } },
    { key: utf8(), value: { a: int64(), c: utf8() } },
    { key: utf8(), value: { a: int64(), b: utf8({ nullable: true }) } },
    { key: utf8(), value: { a: int64() } },
  ];
  for (const other of others) assertNotEquals(tableFingerprint(other), same);
  assertEquals(new Set(others.map(tableFingerprint)).size, others.length);
});

Deno.test("tableFingerprint() never changes between releases: checkpoints remember it", () => {
  assertEquals(
    tableFingerprint({ key: utf8(), value: { total: float64() } }),
    fingerprintOf(`utf8=>{"total":float64}`),
  );
  assertEquals(fingerprintOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
