import { assertEquals } from "@std/assert";
import { decodeDecisions } from "./decision_codec.ts";

Deno.test("decodeDecisions() refuses how many rows were skipped or dropped when no such number of rows can be", () => {
  assertEquals(decodeDecisions(0n, "S5.a"), [{ offset: 5n, kind: "skip-range", value: 10 }]);
  assertEquals(decodeDecisions(0n, "D5.=3"), [{ offset: 5n, kind: "drop", value: 3 }]);
  for (const value of ["0", "-1", "=1.5", "=1e20", "zzzzzzzzzzzzzzzz", "=-"]) {
    assertEquals(decodeDecisions(0n, `S5.${value}`), undefined, value);
    assertEquals(decodeDecisions(0n, `D5.${value}`), undefined, value);
  }
});
