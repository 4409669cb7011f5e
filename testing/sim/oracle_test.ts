import { assertEquals } from "@std/assert";
import type { ReadRow } from "../record_rows.ts";
import { type OutputComparison, outputDifference } from "./oracle.ts";

/** Rows written as `key=value`; without `=` the record has no key. */
function rows(...texts: readonly string[]): ReadRow[] {
  return texts.map((text, offset) => {
    const [key, value] = text.includes("=") ? text.split("=") as [string, string] : [null, text];
    return { partition: 0, offset, key, value: value === "null" ? null : value, headers: [], timestampMs: 0 };
  });
}

function difference(expected: string[], found: string[], options: OutputComparison): string[] {
  const text = outputDifference(rows(...expected), rows(...found), options);
  return text?.split("\n").map((line) => line.trim()) ?? [];
}

const ONCE = { guarantee: "exactly-once" } as const;
const AT_LEAST = { guarantee: "at-least-once" } as const;

Deno.test("outputDifference() is silent when the same records are there, in any order and partition", () => {
  assertEquals(difference(["a=1", "b=2", "a=1", "3"], ["3", "a=1", "a=1", "b=2"], ONCE), []);
  assertEquals(difference([], [], ONCE), []);
  assertEquals(difference(["a=null"], ["a=null"], AT_LEAST), []);
  const moved = rows("a=1").map((row) => ({ ...row, partition: 3, offset: 9, timestampMs: 5 }));
  assertEquals(outputDifference(rows("a=1"), moved, ONCE), undefined);
});

Deno.test("outputDifference() tells what is missing, in both guarantees", () => {
  const missing = ["1 record differs:", "missing: key 'b' value 2"];
  assertEquals(difference(["a=1", "b=2"], ["a=1"], ONCE), missing);
  assertEquals(difference(["a=1", "b=2"], ["a=1", "a=1"], AT_LEAST), missing);
  assertEquals(difference(["a=1", "a=1"], ["a=1"], AT_LEAST)[1], "missing: key 'a' value 1, there once of 2");
  assertEquals(difference(["7"], [], ONCE)[1], "missing: the record without key, value 7");
});

Deno.test("outputDifference() tells of repetitions under exactly-once only", () => {
  assertEquals(difference(["a=1"], ["a=1", "a=1", "a=1"], AT_LEAST), []);
  assertEquals(
    difference(["a=1"], ["a=1", "a=1", "a=1"], ONCE)[1],
    [
      "repeated: key 'a' value 1 is there 3 times, it must be once",
    ][0]!,
  );
});

Deno.test("outputDifference() tells what is not expected, and what is there instead of what is missing", () => {
  assertEquals(
    difference(["a=1"], ["a=1", "b=7"], AT_LEAST)[1],
    "not expected: key 'b' value 7 at partition 0 offset 1",
  );
  assertEquals(difference(["a=1", "b=2"], ["a=1", "b=3"], ONCE), [
    "1 record differs:",
    "different: key 'b' value 2 is not there, but partition 0 offset 1 holds 3",
  ]);
  assertEquals(difference(["1"], ["2"], ONCE), [
    "2 records differ:",
    "missing: the record without key, value 1",
    "not expected: the record without key, value 2 at partition 0 offset 0",
  ]);
});

Deno.test("outputDifference() tells the first differences and counts the others; long values are cut", () => {
  const many = Array.from({ length: 8 }, (_, at) => `k${at}=1`);
  const lines = difference(many, [], ONCE);
  assertEquals([lines[0], lines.length, lines.at(-1)], ["8 records differ:", 7, "and 3 more"]);
  assertEquals(difference(many, [], { ...ONCE, differencesMax: 8 }).length, 9);
  const long = difference([`a=${"x".repeat(500)}`], [], ONCE)[1]!;
  assertEquals(long, `missing: key 'a' value ${"x".repeat(200)}...`);
});

Deno.test("outputDifference() of updates looks at the last record of each key", () => {
  const once = { ...ONCE, outputs: "update" } as const, atLeast = { ...AT_LEAST, outputs: "update" } as const;
  assertEquals(difference(["a=1", "a=3", "b=1"], ["a=2", "b=1", "a=3"], once), []);
  assertEquals(difference(["a=1", "a=3"], ["a=3", "a=1"], once), [
    "1 record differs:",
    "different: key 'a' ends with 1 at partition 0 offset 1, it must be 3",
  ]);
  // A repetition may end on an older value, but the last one must have been there.
  assertEquals(difference(["a=1", "a=3"], ["a=3", "a=1"], atLeast), []);
  assertEquals(difference(["a=1", "a=3"], ["a=1"], atLeast).length, 2);
  assertEquals(difference(["a=1", "b=1"], ["a=1", "c=1"], once), [
    "2 records differ:",
    "missing: key 'b' value 1, the last one of its key",
    "not expected: key 'c' value 1 at partition 0 offset 1, no record has this key",
  ]);
  assertEquals(difference(["a=1", "7"], ["a=1", "8"], once).length, 3);
});
