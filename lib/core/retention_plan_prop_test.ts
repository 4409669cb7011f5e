import fc from "fast-check";
import { assert, assertEquals, assertFalse } from "@std/assert";
import { LINEAGE, manifestOf, NAMES, TASK } from "./checkpoint_fixtures_test.ts";
import { type CheckpointManifest, compareManifests } from "./checkpoint_manifest.ts";
import { type CheckpointKey, CheckpointNames, compareCheckpointKeys } from "./checkpoint_names.ts";
import { type ManifestReading, planRetention, type RetentionInput } from "./retention_plan.ts";

const OTHER_TASK = new CheckpointNames({ ...TASK, partition: 4 });

interface DrawnCheckpoint {
  readonly key: CheckpointKey;
  /** What became of it: whole, damaged manifest, lost file, no manifest (torn), manifest of a newer format. */
  readonly fate: "whole" | "damaged" | "lost" | "torn" | "unknown";
  /** How many files of older checkpoints of its lineage it references. */
  readonly shared: number;
}

const checkpoint: fc.Arbitrary<DrawnCheckpoint> = fc.record({
  key: fc.record({
    lineage: fc.constantFrom(LINEAGE, LINEAGE, LINEAGE, "old"),
    ownerToken: fc.integer({ min: 1, max: 4 }),
    sequence: fc.integer({ min: 1, max: 4 }),
  }),
  fate: fc.oneof(
    { weight: 12, arbitrary: fc.constant("whole" as const) },
    { weight: 3, arbitrary: fc.constant("damaged" as const) },
    { weight: 2, arbitrary: fc.constant("lost" as const) },
    { weight: 4, arbitrary: fc.constant("torn" as const) },
    { weight: 1, arbitrary: fc.constant("unknown" as const) },
  ),
  shared: fc.nat({ max: 2 }),
});

const world: fc.Arbitrary<RetentionInput> = fc.record({
  drawn: fc.uniqueArray(checkpoint, { maxLength: 14, selector: (entry) => NAMES.manifest(entry.key) }),
  ownerToken: fc.integer({ min: 2, max: 5 }),
  retained: fc.integer({ min: 1, max: 4 }),
  lastSequence: fc.integer({ min: 0, max: 4 }),
  /** Owner token from which on checkpoints stand elsewhere than the owner. */
  elsewhere: fc.integer({ min: 2, max: 5 }),
  hasCommitted: fc.boolean(),
  remembered: fc.integer({ min: 0, max: 2 ** 14 - 1 }),
}).map(({ drawn, ownerToken, retained, lastSequence, elsewhere, hasCommitted, remembered }) => {
  const objects = new Map<string, number>([[OTHER_TASK.manifest({ ...drawn[0]?.key ?? KEY }), 7], [NAMES.owner(1), 1]]);
  const manifests = new Map<string, ManifestReading>();
  const orphans = new Set<string>();
  const byAge = drawn.toSorted((left, right) => compareCheckpointKeys(left.key, right.key));
  for (const [index, { key, fate, shared }] of byAge.entries()) {
    const whole = manifestOf(key);
    const older = byAge.slice(0, index).filter((entry) => entry.key.lineage === key.lineage).slice(-shared);
    const references = shared === 0 ? [] : older.flatMap((entry) => manifestOf(entry.key).segments);
    const manifest = { ...whole, segments: [...references, ...whole.segments] };
    if (fate !== "lost") objects.set(whole.segments[0]!.name, 1_000);
    if ((remembered >> index & 1) === 1) orphans.add(whole.segments[0]!.name);
    if (fate === "torn") continue;
    const name = NAMES.manifest(key);
    objects.set(name, 500);
    manifests.set(name, fate === "damaged" || fate === "unknown" ? { kind: fate } : { kind: "intact", manifest });
  }
  const listed = [...objects].map(([name, size]) => ({ name, size })).sort((a, b) => a.name < b.name ? -1 : 1);
  const isUsable = (manifest: CheckpointManifest) => manifest.ownerToken < elsewhere;
  const ours = { names: NAMES, ownerToken, lineage: LINEAGE, lastSequence, retained, isUsable, hasCommitted };
  return { ...ours, objects: listed, manifests, orphans };
});

const KEY: CheckpointKey = { lineage: LINEAGE, ownerToken: 1, sequence: 1 };

/** The world after the first `count` deletions. */
function after(input: RetentionInput, count: number, orphans: ReadonlySet<string> = input.orphans): RetentionInput {
  const gone = new Set(planRetention(input).deletions.slice(0, count).map((deletion) => deletion.name));
  const manifests = new Map([...input.manifests].filter(([name]) => !gone.has(name)));
  return { ...input, objects: input.objects.filter((object) => !gone.has(object.name)), manifests, orphans };
}

/** Straight from the rule: manifests of our lineage, intact, whose files are all there, where our restore could choose them. */
function usable(input: RetentionInput): CheckpointManifest[] {
  const present = new Set(input.objects.map((object) => object.name));
  return [...input.manifests.values()]
    .flatMap((reading) => reading.kind === "intact" ? [reading.manifest] : [])
    .filter((manifest) => manifest.lineage === input.lineage && input.isUsable(manifest))
    .filter((manifest) => manifest.segments.every((segment) => present.has(segment.name)))
    .sort((left, right) => compareManifests(right, left));
}

const check = (property: (input: RetentionInput) => void) => fc.assert(fc.property(world, property), { numRuns: 500 });

Deno.test("planRetention() keeps the wanted number of the newest intact checkpoints, wherever a round is cut short", () => {
  check((input) => {
    const wanted = usable(input).slice(0, input.retained);
    assertEquals(planRetention(input).kept, wanted);
    for (let count = 0; count <= planRetention(input).deletions.length; count++) {
      assertEquals(usable(after(input, count)).slice(0, input.retained), wanted);
    }
  });
});

Deno.test("planRetention() never takes a file from a manifest that is there, wherever a round is cut short", () => {
  check((input) => {
    const { deletions } = planRetention(input);
    for (const [count, { kind, name }] of deletions.entries()) {
      if (kind !== "file") continue;
      for (const reading of after(input, count).manifests.values()) {
        if (reading.kind !== "intact") continue;
        assertFalse(reading.manifest.segments.some((segment) => segment.name === name), name);
      }
    }
  });
});

Deno.test("planRetention() deletes manifests, then files, then claims, each once and each listed", () => {
  check((input) => {
    const { deletions } = planRetention(input);
    const order = deletions.map((deletion) => ["manifest", "file", "owner"].indexOf(deletion.kind));
    assertEquals(order, order.toSorted());
    const names = deletions.map((deletion) => deletion.name);
    assertEquals(new Set(names).size, names.length);
    const listed = new Set(input.objects.map((object) => object.name));
    for (const { kind, name } of deletions) {
      assert(listed.has(name));
      const parsed = NAMES.parse(name);
      assertEquals(parsed?.kind, kind === "file" ? "segment" : kind);
    }
  });
});

Deno.test("planRetention() never deletes for a lower owner, nor what is not its task's", () => {
  check((input) => {
    const tokens = input.objects.map((object) => NAMES.parse(object.name)?.ownerToken ?? 0);
    const { deletions, holdReason } = planRetention(input);
    if (Math.max(...tokens) > input.ownerToken) {
      assertEquals(deletions, []);
      assert(holdReason !== undefined);
    }
    for (const { name } of deletions) assert(name.startsWith(NAMES.prefix));
  });
});

Deno.test("planRetention() deletes an orphan only after the round before found it, and then it does", () => {
  check((input) => {
    const plan = planRetention(input);
    const second = planRetention(after(input, plan.deletions.length, plan.orphans));
    // Nothing but the orphans was left to do; the third round has no work at all.
    assertEquals(new Set(second.deletions.map((deletion) => deletion.name)), plan.orphans);
    const base = after(input, plan.deletions.length, plan.orphans);
    const third = planRetention(after(base, second.deletions.length, second.orphans));
    assertEquals(third.deletions, []);
    for (const name of plan.orphans) assertFalse(input.orphans.has(name));
  });
});

Deno.test("planRetention() takes no manifest before a commit has happened and enough of use are there, then all others", () => {
  check((input) => {
    const { deletions, kept } = planRetention(input);
    if (deletions.some(({ kind }) => kind === "manifest")) assert(input.hasCommitted && kept.length === input.retained);
    const isHeld = planRetention(input).holdReason !== undefined;
    if (isHeld || !input.hasCommitted || kept.length < input.retained) return;
    const left = [...after(input, deletions.length).manifests.values()].filter((each) => each.kind === "intact");
    const isLost = (one: typeof left[number]) =>
      !one.manifest.segments.every(({ name }) => input.objects.some((object) => object.name === name));
    assertEquals(left.filter((each) => !isLost(each)).length, input.retained, "nothing else that is intact is left");
  });
});

Deno.test("planRetention() decides the same in whatever order the store lists", () => {
  check((input) => {
    const reversed = { ...input, objects: input.objects.toReversed() };
    const [one, other] = [planRetention(input), planRetention(reversed)];
    assertEquals(one.deletions, other.deletions);
    assertEquals(one.kept, other.kept);
  });
});
