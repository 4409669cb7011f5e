import { assertEquals, assertThrows } from "@std/assert";
import { Vector } from "../../columns/arrow.ts";
import { batchOf } from "../../columns/batch_of.ts";
import { KeyTable } from "../../columns/key_table.ts";
import { murmur2 } from "../../columns/murmur2.ts";
import { binary, type Column, type ColumnType, int32, int64, list, struct, utf8 } from "../../columns/schema.ts";
import { KeyCodec } from "./key_codec.ts";

const columnOf = (type: ColumnType, keys: readonly unknown[]) =>
  batchOf({ key: type }, keys.map((key) => ({ key })) as never).getChild("key") as Column;
const bytes = (text: string) => new TextEncoder().encode(text);

function hashOf(type: ColumnType, key: unknown): number {
  const codec = new KeyCodec(type, undefined);
  const table = new KeyTable();
  const encoded = table.keyBytes(codec.intern(key, table));
  return codec.hash(encoded, 0, encoded.length);
}

Deno.test("KeyCodec takes no lists and no structs that may be null for keys", () => {
  assertThrows(() => new KeyCodec(list(utf8()), undefined), TypeError, "current value is list");
  assertThrows(() => new KeyCodec(struct({ a: utf8() }, { nullable: true }), undefined), TypeError, "is struct");
  assertEquals(typeof hashOf(struct({ a: utf8({ nullable: true }) }), { a: null }), "number");
});

Deno.test("KeyCodec.internColumn() gives keys of a column in several chunks the codes of a whole one", () => {
  const keys = ["a", "b", "", "a\u0000", "c", "b"];
  for (const type of [utf8(), struct({ name: utf8() })]) {
    const values = keys.map((name) => type.kind === "struct" ? { name } : name);
    const codec = new KeyCodec(type, undefined);
    const table = new KeyTable();
    const whole = codec.internColumn(columnOf(type, values), table);
    const chunks = [values.slice(0, 2), values.slice(2, 3), values.slice(3)].map((part) => columnOf(type, part));
    const joined = new Vector(chunks.flatMap(({ data }) => data));
    assertEquals([...codec.internColumn(joined as never, table)], [...whole]);
    assertEquals(table.size, 5);
  }
});

Deno.test("KeyCodec says which type it wants when it is given another one", () => {
  const codec = new KeyCodec(struct({ id: int32(), name: utf8() }), undefined);
  const table = new KeyTable();
  for (const none of [undefined, null, "a", ["a"], { data: "a" }]) {
    assertThrows(() => codec.internColumn(none as never, table), TypeError, "they must be a column of struct");
  }
  assertThrows(() => codec.internColumn(columnOf(utf8(), ["a"]), table), TypeError, "current value is Utf8");
  assertThrows(
    () => codec.intern("a", table),
    TypeError,
    "key of type struct as it wants an object: current value is a",
  );
  assertThrows(() => codec.intern({ id: 1.5, name: "a" }, table), TypeError, "current value is 1.5");
  assertEquals(table.size, 0);
});

Deno.test("KeyCodec routes a struct of several columns by their JSON array, bytes as hexadecimal digits", () => {
  const type = struct({ text: utf8(), big: int64(), raw: binary(), none: utf8({ nullable: true }) });
  const key = { text: 'a"b', big: -(2n ** 60n), raw: Uint8Array.of(0, 255, 16), none: null };
  assertEquals(hashOf(type, key), murmur2(bytes('["a\\"b",-1152921504606846976,"00ff10",null]')));
});
