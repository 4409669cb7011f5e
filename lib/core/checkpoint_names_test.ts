import { assertEquals, assertThrows } from "@std/assert";
import { keyOf, NAMES } from "./checkpoint_fixtures_test.ts";

/** A name that is right but for its numbers: tokens and sequences count from one. */
function withNumbers(name: string, ownerToken: number, sequence: number): string {
  const digits = (value: number) => String(value).padStart(/\/(\d+)\/\d+/.exec(name)![1]!.length, "0");
  return name.replace(/\/\d+\/\d+/, `/${digits(ownerToken)}/${digits(sequence)}`);
}

Deno.test("CheckpointNames.parse() knows no checkpoint of owner 0 or of sequence 0", () => {
  const manifest = NAMES.manifest(keyOf(1, 1));
  assertEquals(NAMES.parse(withNumbers(manifest, 3, 4)), { kind: "manifest", ...keyOf(3, 4) });
  assertEquals(NAMES.parse(withNumbers(manifest, 0, 4)), undefined);
  assertEquals(NAMES.parse(withNumbers(manifest, 3, 0)), undefined);
});

Deno.test("CheckpointNames writes no name that it could not read again", () => {
  for (const number of [1.5, NaN, 2 ** 53, 0, -1]) {
    assertThrows(() => NAMES.manifest(keyOf(number, 1)), RangeError, `current value is ${number}`);
    assertThrows(() => NAMES.manifest(keyOf(1, number)), RangeError, `current value is ${number}`);
    assertThrows(() => NAMES.segment(keyOf(1, 1), "base", number === 0 ? -2 : number), RangeError, "index");
  }
});
