import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  assignRange,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type Subscriber,
} from "./assign_range.ts";

const member = (memberId: string, topics: readonly string[], instanceId: string | null = null): Subscriber => ({
  memberId,
  instanceId,
  topics,
});

function numbersOf(assignments: ReturnType<typeof assignRange>, memberId: string): number[] {
  return assignments.get(memberId)!.map(({ partition }) => partition);
}

Deno.test("assignRange() gives consecutive partitions, the first members one more", () => {
  const assignments = assignRange([member("b", ["t"]), member("a", ["t"]), member("c", ["t"])], new Map([["t", 7]]));
  assertEquals(["a", "b", "c"].map((id) => numbersOf(assignments, id)), [[0, 1, 2], [3, 4], [5, 6]]);
});

Deno.test("assignRange() leaves a member without partitions when there are too few", () => {
  const assignments = assignRange([member("a", ["t"]), member("b", ["t"])], new Map([["t", 1]]));
  assertEquals([numbersOf(assignments, "a"), numbersOf(assignments, "b")], [[0], []]);
});

Deno.test("assignRange() orders static members by their instance, so that a new member id changes nothing", () => {
  const counts = new Map([["t", 4]]);
  const before = assignRange([member("zz", ["t"], "one"), member("aa", ["t"], "two")], counts);
  const after = assignRange([member("bb", ["t"], "one"), member("aa", ["t"], "two")], counts);
  assertEquals(before.get("zz"), after.get("bb"));
});

Deno.test("assignRange() gives every partition to one subscriber, evenly, and equal topics together", () => {
  const topics = ["t", "u", "v"];
  const members = fc.uniqueArray(fc.tuple(fc.string({ maxLength: 4 }), fc.subarray(topics, { minLength: 1 })), {
    selector: ([memberId]) => memberId,
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(fc.property(members, fc.nat(12), fc.nat(12), (chosen, count, other) => {
    const group = chosen.map(([memberId, list]) => member(memberId, list));
    const counts = new Map([["t", count], ["u", count], ["v", other]]);
    const assignments = assignRange(group, counts);
    assertEquals(assignments.size, group.length);
    for (const topic of topics) {
      const takers = group.filter((one) => one.topics.includes(topic));
      const shares = takers.map(({ memberId }) => assignments.get(memberId)!.filter((place) => place.topic === topic));
      const given = shares.flat().map(({ partition }) => partition).sort((a, b) => a - b);
      assertEquals(given, takers.length === 0 ? [] : Array.from({ length: counts.get(topic)! }, (_, i) => i));
      const sizes = shares.map(({ length }) => length);
      if (sizes.length > 0) assert(Math.max(...sizes) - Math.min(...sizes) <= 1);
    }
    if (group.some((one) => one.topics.includes("t") !== one.topics.includes("u"))) return;
    for (const places of assignments.values()) {
      const of = (topic: string) => places.filter((place) => place.topic === topic).map(({ partition }) => partition);
      assertEquals(of("t"), of("u"));
    }
  }));
});

Deno.test("subscriptions and assignments read back as they were written", () => {
  assertEquals(decodeSubscription(encodeSubscription(["t", "ü"])).topics, ["t", "ü"]);
  const places = [{ topic: "t", partition: 1 }, { topic: "t", partition: 3 }, { topic: "u", partition: 0 }];
  assertEquals(decodeAssignment(encodeAssignment(places)), places);
  assertEquals(decodeAssignment(new Uint8Array(0)), []);
});
