import { assertEquals } from "@std/assert";
import { recordsOf, rowsOf } from "../../../testing/record_rows.ts";
import { PartitionFeed, slabBytes } from "./partition_feed.ts";

function decodedFrom(first: number, values: readonly string[], to: number = first + values.length) {
  const records = { ...recordsOf(values.map((value) => ({ key: "k", value, timestampMs: 1 }))) };
  const offsets = Float64Array.from(values, (_, i) => first + i);
  return { decoded: { records, offsets, to, leaderEpoch: 4 }, highWatermark: 100n, logStart: 0n, bytes: 9 };
}

function asked(feed: PartitionFeed): { readonly offset: bigint; readonly version: number } {
  return { offset: feed.position!, version: feed.version };
}

function feedAt(offset: bigint): PartitionFeed {
  const feed = new PartitionFeed({ topic: "t", partition: 3 });
  feed.seek(offset);
  return feed;
}

Deno.test("PartitionFeed hands out pieces whose positions follow each other, past gaps at the end", () => {
  const feed = feedAt(10n);
  assertEquals(feed.fill(asked(feed), decodedFrom(10, ["a", "b", "c"], 15)), true);
  const slabs = [feed.take(2)!, feed.take(2)!];
  assertEquals(slabs.map(({ from, to }) => [from, to]), [[10n, 12n], [12n, 15n]]);
  assertEquals(slabs.flatMap(rowsOf).map(({ offset, value }) => [offset, value]), [[10, "a"], [11, "b"], [12, "c"]]);
  assertEquals([feed.take(2), feed.position, feed.isFull], [null, 15n, false]);
  assertEquals([slabs[0]!.topic, slabs[0]!.partition, slabs[0]!.leaderEpoch], ["t", 3, 4]);
});

Deno.test("PartitionFeed hands out an empty slab when only control records were passed", () => {
  const feed = feedAt(10n);
  feed.fill(asked(feed), decodedFrom(10, [], 12));
  const slab = feed.take(5)!;
  assertEquals([slab.records.count, slab.from, slab.to], [0, 10n, 12n]);
});

Deno.test("PartitionFeed drops what was fetched when its position was set meanwhile", () => {
  const feed = feedAt(10n);
  feed.fill(asked(feed), decodedFrom(10, ["a"]));
  const before = asked(feed);
  feed.seek(3n);
  assertEquals(feed.take(5), null);
  assertEquals(feed.fill(before, decodedFrom(10, ["a"])), false);
  feed.seek(10n);
  assertEquals(feed.fill(before, decodedFrom(10, ["a"])), false, "although the position is the same again");
  feed.seek(3n);
  assertEquals(feed.fill(asked(feed), decodedFrom(3, ["z"])), true);
  assertEquals(rowsOf(feed.take(5)!)[0]!.value, "z");
});

Deno.test("PartitionFeed drops a second answer to the same question when the first one was handed out", () => {
  const feed = feedAt(10n);
  const question = asked(feed);
  assertEquals(feed.fill(question, decodedFrom(10, ["a", "b"])), true);
  feed.take(5);
  assertEquals(feed.fill(question, decodedFrom(10, ["a", "b", "c"])), false);
  assertEquals(feed.take(5), null);
});

Deno.test("PartitionFeed takes nothing that does not move it, and nothing twice", () => {
  const feed = feedAt(10n);
  assertEquals(feed.fill(asked(feed), decodedFrom(10, [])), false);
  assertEquals(feed.fill(asked(feed), decodedFrom(10, ["a"])), true);
  assertEquals(feed.fill(asked(feed), decodedFrom(10, ["a"])), false);
});

Deno.test("slabBytes() counts keys and values", () => {
  const feed = feedAt(0n);
  feed.fill(asked(feed), decodedFrom(0, ["ab", "cde"]));
  assertEquals(slabBytes(feed.take(9)!), 7);
});

Deno.test("PartitionFeed knows the leader epoch of what it handed out, and forgets it when it is sent elsewhere", () => {
  const feed = feedAt(10n);
  assertEquals(feed.positionEpoch, -1);
  feed.fill(asked(feed), decodedFrom(10, ["a", "b"]));
  assertEquals([feed.positionEpoch, feed.bytesHeld], [-1, 9]);
  feed.take(1);
  assertEquals(feed.positionEpoch, 4);
  feed.take(1);
  assertEquals([feed.positionEpoch, feed.bytesHeld], [4, 0]);
  feed.seek(3n, 2);
  assertEquals(feed.positionEpoch, 2);
  feed.seek(3n);
  assertEquals(feed.positionEpoch, -1);
});
