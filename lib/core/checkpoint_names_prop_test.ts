import fc from "fast-check";
import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { checkObjectName, checkObjectPrefix } from "../base/object_name.ts";
import { type CheckpointKey, CheckpointNames, type CheckpointTask, compareCheckpointKeys } from "./checkpoint_names.ts";

const part = fc.oneof(
  fc.constantFrom("a", ".", "..", "=", "a/b", "owners", "é", "ä=2F", "lineage-x", "A.b_c-d", " "),
  fc.string({ minLength: 1, maxLength: 12, unit: "binary" }),
);
const task: fc.Arbitrary<CheckpointTask> = fc.record({
  application: part,
  subscription: part,
  partition: fc.oneof(fc.nat({ max: 12 }), fc.nat({ max: 2 ** 31 - 1 })),
});
const number = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 10 ** 12 - 1 }));
const key: fc.Arbitrary<CheckpointKey> = fc.record({
  lineage: fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/),
  ownerToken: number,
  sequence: number,
});
const index = fc.nat({ max: 999_999 });

function allNames(names: CheckpointNames, keys: readonly CheckpointKey[]): string[] {
  return keys.flatMap((key) => [
    names.owner(key.ownerToken),
    names.manifest(key),
    names.segment(key, "base", 0),
    names.segment(key, "delta", 17),
  ]);
}

Deno.test("CheckpointNames.parse() gives back what a name was made of", () => {
  fc.assert(fc.property(task, key, index, (task, key, index) => {
    const names = new CheckpointNames(task);
    assertEquals(names.parse(names.owner(key.ownerToken)), { kind: "owner", ownerToken: key.ownerToken });
    assertEquals(names.parse(names.manifest(key)), { kind: "manifest", ...key });
    for (const segmentKind of ["base", "delta"] as const) {
      const name = names.segment(key, segmentKind, index);
      assertEquals(names.parse(name), { kind: "segment", segmentKind, index, ...key });
    }
  }));
});

Deno.test("CheckpointNames makes only names that every blob store takes", () => {
  fc.assert(fc.property(task, key, (task, key) => {
    const names = new CheckpointNames(task);
    for (const name of allNames(names, [key])) assertEquals(checkObjectName(name), name);
    for (const prefix of [names.prefix, names.ownersPrefix]) assertEquals(checkObjectPrefix(prefix), prefix);
  }));
});

Deno.test("CheckpointNames never makes a name that is a folder of another one", () => {
  fc.assert(
    fc.property(fc.array(task, { minLength: 1, maxLength: 3 }), fc.array(key, { maxLength: 4 }), (tasks, keys) => {
      const made = [...new Set(tasks.flatMap((task) => allNames(new CheckpointNames(task), keys)))];
      for (const name of made) for (const other of made) assertFalse(other.startsWith(`${name}/`), `${name} ${other}`);
    }),
  );
});

Deno.test("CheckpointNames keeps the objects of two tasks apart", () => {
  fc.assert(fc.property(task, task, key, (one, other, key) => {
    fc.pre(JSON.stringify(one) !== JSON.stringify(other));
    const names = new CheckpointNames(other);
    for (const name of allNames(new CheckpointNames(one), [key])) {
      assertFalse(name.startsWith(names.prefix));
      assertEquals(names.parse(name), undefined);
    }
  }));
});

Deno.test("CheckpointNames sorts the manifests of an owner as its checkpoints followed each other", () => {
  fc.assert(fc.property(task, key, number, (task, key, sequence) => {
    const names = new CheckpointNames(task);
    const other = { ...key, sequence };
    const order = Math.sign(compareCheckpointKeys(key, other));
    const [left, right] = [names.manifest(key), names.manifest(other)];
    assertEquals(left < right ? -1 : left > right ? 1 : 0, order);
  }));
});

Deno.test("CheckpointNames.parse() knows no other names", () => {
  const names = new CheckpointNames({ application: "a", subscription: "s", partition: 1 });
  const stem = "a/s/1/lineage-x/000000000001/";
  for (
    const name of [
      "a/s/1/",
      "a/s/1/owners/1",
      "a/s/1/owners/000000000000",
      "a/s/1/owners/000000000001/x",
      "a/s/10/owners/000000000001",
      `${stem}000000000000-manifest.json`,
      `${stem}000000000001-manifest.json.tmp`,
      `${stem}000000000001-manifest.jsn`,
      `${stem}000000000001-base-000000.parquet`,
      `${stem}000000000001-base-0.arrow`,
      `${stem}1-base-000000.arrow`,
      `x${stem}000000000001-manifest.json`,
      "a/s/1/lineage-x.y/000000000001/000000000001-manifest.json",
    ]
  ) assertEquals(names.parse(name), undefined, name);
  assert(names.parse(`${stem}000000000001-manifest.json`) !== undefined);
});

Deno.test("CheckpointNames refuses parts that cannot be named and says which", () => {
  const task = { application: "a", subscription: "s", partition: 0 };
  assertThrows(() => new CheckpointNames({ ...task, application: "" }), RangeError, "'application'");
  assertThrows(() => new CheckpointNames({ ...task, subscription: "é".repeat(40) }), RangeError, "'subscription'");
  assertThrows(() => new CheckpointNames({ ...task, subscription: "\ud800" }), RangeError, "'subscription'");
  assertThrows(
    () => new CheckpointNames({ ...task, partition: -1 }),
    RangeError,
    "'partition' must be an integer in [0",
  );
  const names = new CheckpointNames(task);
  assertThrows(() => names.owner(0), RangeError, "'ownerToken'");
  assertThrows(() => names.manifest({ lineage: "x/y", ownerToken: 1, sequence: 1 }), RangeError, "'lineage'");
  assertThrows(() => names.manifest({ lineage: "x", ownerToken: 1, sequence: 1e12 }), RangeError, "'sequence'");
  assertThrows(() => names.segment({ lineage: "x", ownerToken: 1, sequence: 1 }, "base", 1e6), RangeError, "'index'");
});
