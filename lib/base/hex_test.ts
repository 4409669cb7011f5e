import { assertEquals } from "@std/assert";
import { fromHex, toHex } from "./hex.ts";

Deno.test("fromHex() gives back what toHex() wrote, for every byte", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  assertEquals(fromHex(toHex(bytes)), bytes);
  assertEquals(toHex(new Uint8Array(0)), "");
});

Deno.test("fromHex() refuses odd lengths, upper case and other characters", () => {
  for (const text of ["0", "0A", "g0", " 0", "0x", "00\n"]) assertEquals(fromHex(text), undefined, text);
});
