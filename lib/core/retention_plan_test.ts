import { assert, assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import { keyOf, LINEAGE, manifestOf, NAMES, TASK } from "./checkpoint_fixtures_test.ts";
import type { CheckpointManifest } from "./checkpoint_manifest.ts";
import { type CheckpointKey, CheckpointNames } from "./checkpoint_names.ts";
import { type ManifestReading, planRetention, type RetentionInput, type RetentionPlan } from "./retention_plan.ts";

const manifestName = (key: CheckpointKey) => NAMES.manifest(key);
const fileName = (key: CheckpointKey, index = 0) => NAMES.segment(key, "base", index);

/** A listing under construction: objects by name, and what each manifest reads as. */
class Listing {
  readonly objects = new Map<string, number>();
  readonly manifests = new Map<string, ManifestReading>();

  checkpoint(key: CheckpointKey, reading: ManifestReading["kind"] = "intact"): this {
    const manifest = manifestOf(key);
    this.file(key);
    this.objects.set(manifestName(key), 500);
    this.manifests.set(manifestName(key), reading === "intact" ? { kind: reading, manifest } : { kind: reading });
    return this;
  }

  file(key: CheckpointKey, index = 0): this {
    this.objects.set(fileName(key, index), 1_000);
    return this;
  }

  other(name: string): this {
    this.objects.set(name, 1);
    return this;
  }

  plan(options: Partial<RetentionInput> = {}): RetentionPlan {
    const objects = [...this.objects].map(([name, size]) => ({ name, size }));
    const { manifests } = this;
    const base = {
      names: NAMES,
      ownerToken: 2,
      lineage: LINEAGE,
      lastSequence: 99,
      retained: 2,
      isUsable: () => true,
      hasCommitted: true,
      orphans: new Set<string>(),
    };
    return planRetention({ ...base, objects, manifests, ...options });
  }
}

const deleted = (plan: RetentionPlan) => plan.deletions.map((deletion) => deletion.name);
const keptPlaces = (kept: readonly CheckpointManifest[]) => kept.map((key) => [key.ownerToken, key.sequence]);

Deno.test("planRetention() keeps the newest intact checkpoints and deletes manifests before files, oldest first", () => {
  const listing = new Listing();
  for (const key of [keyOf(1, 1), keyOf(1, 2), keyOf(2, 1), keyOf(2, 2)]) listing.checkpoint(key);
  const plan = listing.plan();
  assertEquals(keptPlaces(plan.kept), [[2, 2], [2, 1]]);
  assertEquals(deleted(plan), [
    manifestName(keyOf(1, 1)),
    manifestName(keyOf(1, 2)),
    fileName(keyOf(1, 1)),
    fileName(keyOf(1, 2)),
  ]);
  assertEquals(plan.orphans, new Set());
});

Deno.test("planRetention() deletes no checkpoint while fewer than wanted are intact", () => {
  const listing = new Listing().checkpoint(keyOf(2, 1)).checkpoint(keyOf(1, 1), "damaged").checkpoint(
    keyOf(1, 2, "old"),
  );
  assertEquals(deleted(listing.plan()), []);
});

Deno.test("planRetention() does not count a checkpoint whose file is missing or short", () => {
  for (const spoil of ["missing", "short"] as const) {
    const listing = new Listing().checkpoint(keyOf(2, 1)).checkpoint(keyOf(2, 2)).checkpoint(keyOf(2, 3));
    if (spoil === "missing") listing.objects.delete(fileName(keyOf(2, 2)));
    else listing.objects.set(fileName(keyOf(2, 2)), 999);
    const plan = listing.plan();
    assertEquals(keptPlaces(plan.kept), [[2, 3], [2, 1]]);
    assertEquals(deleted(plan), []);
  }
});

Deno.test("planRetention() lets a damaged manifest shield its files until it is older than all that is kept", () => {
  const listing = new Listing().checkpoint(keyOf(2, 1)).checkpoint(keyOf(2, 2), "damaged").checkpoint(keyOf(2, 3));
  const orphans = new Set([fileName(keyOf(2, 2))]);
  assertEquals(deleted(listing.plan({ orphans })), []);
  const plan = listing.checkpoint(keyOf(2, 4)).plan({ orphans });
  assertEquals(keptPlaces(plan.kept), [[2, 4], [2, 3]]);
  assertEquals(deleted(plan), [
    manifestName(keyOf(2, 1)),
    manifestName(keyOf(2, 2)),
    fileName(keyOf(2, 1)),
    fileName(keyOf(2, 2)),
  ]);
});

Deno.test("planRetention() deletes nothing when a manifest's references are unknown", () => {
  const listing = new Listing();
  for (let sequence = 1; sequence <= 5; sequence++) listing.checkpoint(keyOf(2, sequence));
  listing.checkpoint(keyOf(1, 1, "old"), "unknown");
  const plan = listing.plan();
  assertEquals(deleted(plan), []);
  assert(plan.holdReason!.includes(manifestName(keyOf(1, 1, "old"))));
  assertEquals(keptPlaces(plan.kept), [[2, 5], [2, 4]]);
  listing.manifests.delete(manifestName(keyOf(2, 1)));
  assertEquals(deleted(listing.plan()), [], "a manifest that was not read counts as unknown");
});

Deno.test("planRetention() deletes nothing once a greater owner token is seen, be it a claim or a file", () => {
  for (const sign of [NAMES.owner(3), fileName(keyOf(3, 1)), manifestName(keyOf(3, 1, "other"))]) {
    const listing = new Listing();
    for (let sequence = 1; sequence <= 5; sequence++) listing.checkpoint(keyOf(2, sequence));
    assert(deleted(listing.plan()).length > 0);
    const plan = listing.other(sign).plan({ orphans: new Set([fileName(keyOf(2, 1))]) });
    assertEquals(deleted(plan), [], sign);
    assertEquals(plan.holdReason, "owner 3 has taken over from owner 2");
  }
});

Deno.test("planRetention() deletes files of a torn upload in the second round in a row that finds them", () => {
  const listing = new Listing().checkpoint(keyOf(2, 2)).file(keyOf(2, 1)).file(keyOf(1, 7));
  const first = listing.plan();
  assertEquals(deleted(first), []);
  assertEquals(first.orphans, new Set([fileName(keyOf(1, 7)), fileName(keyOf(2, 1))]));
  const second = listing.plan({ orphans: first.orphans });
  assertEquals(deleted(second), [fileName(keyOf(1, 7)), fileName(keyOf(2, 1))]);
  assertEquals(second.orphans, new Set());
});

Deno.test("planRetention() leaves files of our own attempt that has not ended", () => {
  const listing = new Listing().checkpoint(keyOf(2, 2)).file(keyOf(2, 3));
  const plan = listing.plan({ lastSequence: 2, orphans: new Set([fileName(keyOf(2, 3))]) });
  assertEquals([deleted(plan), plan.orphans], [[], new Set()]);
});

Deno.test("planRetention() deletes another lineage only when ours has all the checkpoints that are wanted", () => {
  const old = keyOf(1, 9, "old");
  const listing = new Listing().checkpoint(old).checkpoint(keyOf(2, 1));
  assertEquals(deleted(listing.plan()), []);
  assertEquals(deleted(listing.checkpoint(keyOf(2, 2)).plan()), [manifestName(old), fileName(old)]);
});

Deno.test("planRetention() keeps an old file that a kept manifest shares", () => {
  const listing = new Listing();
  for (let sequence = 1; sequence <= 4; sequence++) listing.checkpoint(keyOf(2, sequence));
  const newest = manifestOf(keyOf(2, 4));
  const shared = [...manifestOf(keyOf(2, 1)).segments, ...newest.segments];
  listing.manifests.set(manifestName(keyOf(2, 4)), { kind: "intact", manifest: { ...newest, segments: shared } });
  assertEquals(deleted(listing.plan()), [manifestName(keyOf(2, 1)), manifestName(keyOf(2, 2)), fileName(keyOf(2, 2))]);
});

Deno.test("planRetention() leaves alone what the task never names", () => {
  const other = new CheckpointNames({ ...TASK, subscription: "elsewhere" });
  const listing = new Listing().checkpoint(keyOf(2, 1)).checkpoint(keyOf(2, 2));
  const strange = [other.manifest(keyOf(1, 1)), other.segment(keyOf(1, 1), "base", 0), `${NAMES.prefix}readme.txt`];
  for (const name of strange) listing.other(name);
  const plan = listing.plan({ orphans: new Set(strange) });
  assertEquals([deleted(plan), plan.orphans], [[], new Set()]);
});

Deno.test("planRetention() deletes claims far below our own, never the recent ones", () => {
  const listing = new Listing().checkpoint(keyOf(20, 1)).checkpoint(keyOf(20, 2));
  for (let token = 1; token <= 20; token++) listing.other(NAMES.owner(token));
  const plan = listing.plan({ ownerToken: 20 });
  assertEquals(plan.deletions, [1, 2, 3].map((token) => ({ kind: "owner", name: NAMES.owner(token) })));
});

Deno.test("planRetention() refuses to keep nothing", () => {
  assertThrows(() => new Listing().plan({ retained: 0 }), InvariantError, "at least one checkpoint");
});
