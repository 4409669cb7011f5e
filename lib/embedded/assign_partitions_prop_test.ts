import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Assignee, assignPartitions } from "./assign_partitions.ts";
import type { PartitionEntry } from "./change.ts";

const NAMES = ["a", "b", "c", "d", "e", "f"];
const MEMBERS = fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 6 });
const COUNT = fc.integer({ min: 0, max: 13 });

function assignees(names: readonly string[], previous: ReadonlyMap<string, PartitionEntry[]>): Assignee[] {
  return names.map((name) => ({
    memberId: `id-${name}`,
    order: name,
    topics: ["t", "u"],
    previous: previous.get(`id-${name}`) ?? [],
  }));
}

Deno.test("assignPartitions: complete, disjoint, balanced, co-partitioned, the same for any order of members", () => {
  fc.assert(fc.property(MEMBERS, COUNT, (names, count) => {
    const members = assignees(names, new Map());
    const assigned = assignPartitions(members, () => count);
    assertEquals(assigned, new Map(assignPartitions([...members].reverse(), () => count)));
    const all = [...assigned.values()].flat().map(([topic, partition]) => `${topic}${partition}`);
    assertEquals(new Set(all).size, all.length);
    assertEquals(all.length, 2 * count);
    const sizes = [...assigned.values()].map((mine) => mine.length / 2);
    assert(Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes}`);
    for (const mine of assigned.values()) {
      const of = (topic: string) => mine.filter((entry) => entry[0] === topic).map(([, partition]) => partition);
      assertEquals(of("t"), of("u"));
    }
  }));
});

Deno.test("assignPartitions: nobody loses a partition that balance does not demand", () => {
  fc.assert(fc.property(MEMBERS, MEMBERS, COUNT, (before, after, count) => {
    const old = assignPartitions(assignees(before, new Map()), () => count);
    const assigned = assignPartitions(assignees(after, old), () => count);
    const floor = Math.floor(count / after.length);
    for (const name of after) {
      const had = (old.get(`id-${name}`) ?? []).filter(([topic]) => topic === "t").map(([, partition]) => partition);
      const has = assigned.get(`id-${name}`)!.filter(([topic]) => topic === "t").map(([, partition]) => partition);
      const kept = had.filter((partition) => has.includes(partition));
      assert(kept.length >= Math.min(had.length, floor), `${name} had ${had}, has ${has}`);
    }
    assertEquals(assignPartitions(assignees(after, assigned), () => count), assigned);
  }));
});

Deno.test("assignPartitions: members with other topics share only what they subscribe to", () => {
  const members: Assignee[] = [
    { memberId: "1", order: "1", topics: ["t"], previous: [] },
    { memberId: "2", order: "2", topics: ["t", "u"], previous: [] },
  ];
  const assigned = assignPartitions(members, (topic) => topic === "t" ? 2 : 1);
  assertEquals(assigned.get("1"), [["t", 0]]);
  assertEquals(assigned.get("2"), [["t", 1], ["u", 0]]);
});
