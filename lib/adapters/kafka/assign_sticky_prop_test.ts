import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { TopicPartition } from "../../seams/broker.ts";
import { decodeOwned, encodeOwned } from "./assign_group.ts";
import { assignSticky, type StickySubscriber } from "./assign_sticky.ts";

const TOPICS = ["a", "b", "c"];
const keyOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;
const arbitraryCounts = fc.record({ a: fc.nat(9), b: fc.nat(4), c: fc.nat(2) })
  .map((counts) => new Map(Object.entries(counts)));
/** What members say that they had: also partitions that are gone, and ones that others claim too. */
const arbitraryOwned = fc.record({
  generation: fc.integer({ min: -1, max: 3 }),
  partitions: fc.uniqueArray(fc.record({ topic: fc.constantFrom(...TOPICS), partition: fc.nat(10) }), {
    selector: keyOf,
    maxLength: 12,
  }),
});

function arbitraryMembers(topics: fc.Arbitrary<string[]>): fc.Arbitrary<StickySubscriber[]> {
  const members = fc.array(fc.record({ topics, owned: arbitraryOwned, isStatic: fc.boolean() }), {
    minLength: 1,
    maxLength: 6,
  });
  return members.map((all) =>
    all.map(({ topics: subscribed, owned, isStatic }, i) => ({
      memberId: `member-${(i * 7) % 10}`,
      instanceId: isStatic ? `instance-${i}` : null,
      topics: subscribed,
      owned,
    }))
  );
}

function checkComplete(
  members: readonly StickySubscriber[],
  counts: ReadonlyMap<string, number>,
  assigned: ReadonlyMap<string, readonly TopicPartition[]>,
): void {
  const owners = new Map<string, string>();
  for (const { memberId, topics } of members) {
    for (const place of assigned.get(memberId)!) {
      assert(topics.includes(place.topic), `${memberId} has ${keyOf(place)}, which it did not subscribe to`);
      assert(place.partition < counts.get(place.topic)!, `${keyOf(place)} does not exist`);
      assert(!owners.has(keyOf(place)), `${keyOf(place)} is assigned twice`);
      owners.set(keyOf(place), memberId);
    }
  }
  for (const [topic, count] of counts) {
    if (!members.some(({ topics }) => topics.includes(topic))) continue;
    for (let partition = 0; partition < count; partition++) assert(owners.has(keyOf({ topic, partition })));
  }
}

Deno.test("assignSticky(): each partition goes to one subscriber, and nobody has two more than one who could take it", () => {
  fc.assert(fc.property(arbitraryMembers(fc.subarray(TOPICS)), arbitraryCounts, (members, counts) => {
    const assigned = assignSticky(members, counts);
    checkComplete(members, counts, assigned);
    for (const giver of members) {
      const held = assigned.get(giver.memberId)!;
      for (const taker of members) {
        if (!held.some(({ topic }) => taker.topics.includes(topic))) continue;
        assert(held.length - assigned.get(taker.memberId)!.length < 2);
      }
    }
  }));
});

Deno.test("assignSticky(): counts differ by one when all subscribe alike, and who stays keeps up to its fair share", () => {
  fc.assert(
    fc.property(
      arbitraryCounts,
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 6 }),
      (counts, sizes) => {
        let owned = new Map<string, readonly TopicPartition[]>();
        for (const [generation, size] of sizes.entries()) {
          // Members come and go: ids wander from round to round.
          const members = Array.from({ length: size }, (_, i): StickySubscriber => {
            const memberId = `m${(i + generation) % 7}`;
            const partitions = owned.get(memberId) ?? [];
            return {
              memberId,
              instanceId: null,
              topics: TOPICS,
              owned: { generation: partitions.length > 0 ? generation : -1, partitions },
            };
          });
          const assigned = assignSticky(members, counts);
          checkComplete(members, counts, assigned);
          const loads = [...assigned.values()].map(({ length }) => length);
          assert(Math.max(...loads) - Math.min(...loads) <= 1, `loads ${loads}`);
          const share = Math.floor(loads.reduce((sum, load) => sum + load, 0) / size);
          for (const { memberId, owned: { partitions } } of members) {
            const now = new Set(assigned.get(memberId)!.map(keyOf));
            const kept = partitions.filter((place) => now.has(keyOf(place))).length;
            assert(kept >= Math.min(partitions.length, share), `${memberId} kept ${kept} of ${partitions.length}`);
          }
          owned = assigned;
        }
      },
    ),
  );
});

Deno.test("assignSticky(): the same members again have the same partitions, in whatever order they are told", () => {
  fc.assert(
    fc.property(arbitraryMembers(fc.subarray(TOPICS)), arbitraryCounts, fc.nat(), (members, counts, turn) => {
      const first = assignSticky(members, counts);
      const again = members.map((member) => ({
        ...member,
        owned: { generation: 9, partitions: first.get(member.memberId)! },
      }));
      const turned = again.map((_, i) => again[(i + turn) % again.length]!);
      const second = assignSticky(turned, counts);
      for (const { memberId } of members) assertEquals(second.get(memberId), first.get(memberId));
    }),
  );
});

Deno.test("assignSticky(): of two members that say they had a partition, the one of the newer generation has it", () => {
  const claim = (memberId: string, generation: number, partitions: readonly number[]): StickySubscriber => ({
    memberId,
    instanceId: null,
    topics: ["a"],
    owned: { generation, partitions: partitions.map((partition) => ({ topic: "a", partition })) },
  });
  const assigned = assignSticky([claim("old", 3, [0, 1]), claim("new", 4, [0, 2])], new Map([["a", 4]]));
  assertEquals([...assigned].map(([id, places]) => [id, places.map(({ partition }) => partition)]), [
    ["new", [0, 2]],
    ["old", [1, 3]],
  ]);
});

Deno.test("encodeOwned() and decodeOwned() are inverse, and what cannot be read counts for nothing", () => {
  fc.assert(fc.property(arbitraryOwned, fc.nat(), (owned, cut) => {
    const bytes = encodeOwned(owned);
    const back = decodeOwned(bytes);
    assertEquals(new Set(back.partitions.map(keyOf)), new Set(owned.partitions.map(keyOf)));
    if (owned.partitions.length > 0) assertEquals(back.generation, owned.generation);
    const torn = decodeOwned(bytes.subarray(0, cut % (bytes.length + 1)));
    assert(torn.partitions.length <= owned.partitions.length);
  }));
});

Deno.test("encodeOwned() writes what Kafka's StickyAssignor reads: topics with their partitions, then the generation", () => {
  const partitions = [{ topic: "t", partition: 5 }, { topic: "t", partition: 1 }];
  assertEquals(
    [...encodeOwned({ generation: 7, partitions })],
    [0, 0, 0, 1, 0, 1, 116, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 7],
  );
  const withoutGeneration = Uint8Array.of(0, 0, 0, 1, 0, 1, 116, 0, 0, 0, 1, 0, 0, 0, 5);
  assertEquals(decodeOwned(withoutGeneration), { generation: -1, partitions: [{ topic: "t", partition: 5 }] });
});
