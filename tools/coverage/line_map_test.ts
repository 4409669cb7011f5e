import { assertEquals, assertThrows } from "@std/assert";
import { lineMap } from "./line_map.ts";

function withMap(code: string, mappings: string): string {
  return `${code}\n//# sourceMappingURL=data:application/json;base64,${btoa(JSON.stringify({ mappings }))}\n`;
}

Deno.test("lineMap() finds the line that a place was made of, also behind the last piece of its line", () => {
  // Line 1 of the source is gone; the second line of the code has pieces of lines 5 and 4, the third has none.
  const map = lineMap(withMap("abcdef\nghijkl\nmnopqr", "AACA,EAAA;AAGA,GADC;"));
  assertEquals([0, 1, 5].map((offset) => map.line(offset)), [2, 2, 2]);
  assertEquals([7, 9, 10, 12].map((offset) => map.line(offset)), [5, 5, 4, 4]);
  assertEquals(map.line(15), 4);
});

Deno.test("lineMap() reads numbers of any length", () => {
  assertEquals(lineMap(withMap("a", "AA+/BA")).line(0), 1_024);
});

Deno.test("lineMap() refuses code without a map, and a map that is none", () => {
  assertThrows(() => lineMap("const a = 1;"), TypeError, "must be inline");
  assertThrows(() => lineMap(withMap("a", "A*AA")), TypeError, "must hold numbers");
});
