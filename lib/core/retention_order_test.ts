import { assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import { keyOf, LINEAGE, manifestOf, NAMES } from "./checkpoint_fixtures_test.ts";
import { type ManifestReading, planRetention } from "./retention_plan.ts";

function plan(readings: ReadonlyMap<string, ManifestReading>, retained: number) {
  const objects = [...readings].flatMap(([name, reading]) => [
    { name, size: 500 },
    ...(reading.kind === "intact"
      ? reading.manifest.segments.map((file) => ({ name: file.name, size: file.bytes }))
      : []),
  ]);
  const base = { names: NAMES, ownerToken: 2, lineage: LINEAGE, lastSequence: 99, orphans: new Set<string>() };
  const place = { isUsable: () => true, hasCommitted: true };
  return planRetention({ ...base, ...place, objects, manifests: readings, retained });
}

Deno.test("planRetention() leaves a damaged manifest that is newer than the oldest kept checkpoint, whatever its place in time", () => {
  // Owner 1 went on for a while after owner 2 had begun: what it wrote stands further on in the input.
  const ahead = keyOf(1, 5);
  const behind = keyOf(2, 1);
  const between = NAMES.manifest(keyOf(1, 6));
  const older = NAMES.manifest(keyOf(1, 4));
  const readings = new Map<string, ManifestReading>([
    [NAMES.manifest(ahead), { kind: "intact", manifest: manifestOf(ahead, 300) }],
    [NAMES.manifest(behind), { kind: "intact", manifest: manifestOf(behind, 200) }],
    [between, { kind: "damaged" }],
    [older, { kind: "damaged" }],
  ]);
  const { kept, deletions } = plan(readings, 2);
  assertEquals(kept.map(({ ownerToken, sequence }) => [ownerToken, sequence]), [[1, 5], [2, 1]]);
  assertEquals(deletions, [{ kind: "manifest", name: older }]);
});

Deno.test("planRetention() retains a whole number of checkpoints, at least one", () => {
  for (const retained of [0, -1, 1.5, NaN]) {
    assertThrows(() => plan(new Map(), retained), InvariantError, "at least one");
  }
  assertEquals(plan(new Map(), 1).deletions, []);
});
