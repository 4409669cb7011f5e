import { assertEquals } from "@std/assert";
import { keyOf, manifestOf } from "./checkpoint_fixtures_test.ts";
import { type CheckpointManifest, compareManifests } from "./checkpoint_manifest.ts";

/** A manifest at offsets, of owner and sequence. */
function at(offsets: readonly bigint[], owner = 1, sequence = 1): CheckpointManifest {
  const manifest = manifestOf(keyOf(owner, sequence));
  const places = offsets.map((offset) => ({ ...manifest.position.offsets[0]!, offset }));
  return { ...manifest, position: { ...manifest.position, offsets: places } };
}

Deno.test("compareManifests() goes by offsets, then by owner and sequence", () => {
  const ascending = [at([1n]), at([2n], 1, 2), at([2n], 2, 1), at([2n], 2, 3), at([10n])];
  for (const [i, left] of ascending.entries()) {
    for (const [j, right] of ascending.entries()) {
      assertEquals(Math.sign(compareManifests(left, right)), Math.sign(i - j), `${i} beside ${j}`);
    }
  }
});

Deno.test("compareManifests() leaves an input that only one of them has out", () => {
  assertEquals(Math.sign(compareManifests(at([1n, 9n], 1), at([1n], 2))), -1);
  assertEquals(Math.sign(compareManifests(at([2n, 9n], 1), at([1n], 2))), 1);
  assertEquals(Math.sign(compareManifests(at([1n], 2), at([1n, 9n], 1))), 1);
});
