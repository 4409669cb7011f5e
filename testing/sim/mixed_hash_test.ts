import { assert, assertEquals } from "@std/assert";
import { hashOf, mixed } from "./mixed_hash.ts";

Deno.test("hashOf() is FNV-1a, so that plans of today are plans of tomorrow", () => {
  assertEquals(hashOf(""), 0x811c_9dc5);
  assertEquals(hashOf("a"), 0xe40c_292c);
  assertEquals(hashOf("foobar"), 0xbf9c_f968);
});

Deno.test("mixed() gives neighbouring numbers unrelated remainders", () => {
  const counts = new Array<number>(5).fill(0);
  for (let bits = 0; bits < 5_000; bits++) counts[mixed(bits) % 5]!++;
  assert(counts.every((count) => count > 850 && count < 1_150), `${counts}`);
  assertEquals(mixed(0), 0);
  assert(mixed(1) > 0);
});
