import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { assignmentDiff } from "./assignment_diff.ts";

const partitions = () =>
  fc.array(
    fc.record({ topic: fc.constantFrom("a", "a:1", "b"), partition: fc.nat({ max: 12 }) }, { noNullPrototype: true }),
  );

Deno.test("assignmentDiff() splits two assignments into what was added, removed and kept, each once and sorted", () => {
  const text = (all: readonly { topic: string; partition: number }[]) =>
    all.map((one) => `${one.topic}/${one.partition}`);
  fc.assert(fc.property(partitions(), partitions(), (before, after) => {
    const { added, removed, kept } = assignmentDiff(before, after);
    assertEquals(new Set(text([...removed, ...kept])), new Set(text(before)));
    assertEquals(new Set(text([...added, ...kept])), new Set(text(after)));
    const all = text([...added, ...removed, ...kept]);
    assertEquals(new Set(all).size, all.length);
    for (const list of [added, removed, kept]) {
      const sorted = [...list].sort((a, b) =>
        a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition
      );
      assertEquals(list, sorted);
    }
  }));
});
