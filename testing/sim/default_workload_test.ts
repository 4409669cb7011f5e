import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  binary,
  bool,
  float64,
  int32,
  int64,
  json,
  list,
  recordKey,
  rows,
  struct,
  text,
  timestampMs,
  type Topic,
  topic,
  utf8,
} from "../../mod.ts";
import { recordsOf } from "../record_rows.ts";
import { SeededRandom } from "../seeded_random.ts";
import type { Feed, SimOptions } from "./contracts.ts";
import { defaultWorkload } from "./default_workload.ts";
import { swarmOptions } from "./swarm.ts";

const OPTIONS: SimOptions = {
  ...swarmOptions(3, "small"),
  rowsPerSecond: 40,
  keys: 5,
  hotShare: 0.3,
  isInputTransactional: false,
};

/** All that a workload feeds. */
function feedsOf(topics: readonly Topic[], options: SimOptions = OPTIONS, seed = 1): Feed[] {
  const partitions = Object.fromEntries(topics.map(({ name }) => [name, 3]));
  const workload = defaultWorkload(topics, { partitions, options });
  const random = new SeededRandom(seed);
  const feeds: Feed[] = [];
  for (let atMs = 0;;) {
    const next = workload.next(random, atMs);
    if (next === null) return feeds;
    feeds.push(...next.feeds);
    atMs += next.afterMs;
  }
}

/** Rows of feeds, read by the topic's own codec; every one must be readable. */
function decoded(of: Topic, feeds: readonly Feed[]): Record<string, unknown>[] {
  return feeds.filter((feed) => feed.topic === of.name).flatMap((feed) => {
    const records = recordsOf(feed.rows);
    const { batch, rejected } = of.codec.decoder().decode(records.values, 0, records.count, records.keys);
    assertEquals(rejected, []);
    return [...rows(batch)] as Record<string, unknown>[];
  });
}

Deno.test("defaultWorkload() makes rows of every column type that the codec can read, nulls among them", () => {
  const all = topic("all", {
    value: json({
      key: utf8(),
      f: float64(),
      i: int32(),
      l: int64(),
      t: timestampMs(),
      b: bool({ nullable: true }),
      x: binary(),
      many: list(int32()),
      inner: struct({ n: int32(), s: utf8({ nullable: true }) }),
    }),
    key: "key",
    eventTime: "t",
  });
  const feeds = feedsOf([all]);
  const found = decoded(all, feeds);
  assert(found.length > 300, `${found.length} rows`);
  assertEquals(new Set(found.map(({ key }) => key)), new Set(["k0", "k1", "k2", "k3", "k4"]));
  const hot = found.filter(({ key }) => key === "k0").length / found.length;
  assert(hot > 0.35 && hot < 0.55, `${hot} of the rows have the hot key`);
  assertEquals(new Set(found.map(({ b }) => b)), new Set([true, false, null]));
});

Deno.test("defaultWorkload() sends the records of a key to one partition, and records without a key in turns", () => {
  const keyed = topic("keyed", { value: json({ device: recordKey(utf8()), n: int32() }) });
  const lines = topic("lines", { value: text() });
  const feeds = feedsOf([keyed, lines]);
  const places = new Map<unknown, Set<number>>();
  for (const feed of feeds.filter(({ topic }) => topic === "keyed")) {
    for (const { device } of decoded(keyed, [feed])) {
      places.set(device, (places.get(device) ?? new Set()).add(feed.partition));
    }
  }
  assertEquals([...places.values()].map(({ size }) => size), [1, 1, 1, 1, 1]);
  assert(new Set([...places.values()].flatMap((each) => [...each])).size > 1, "keys go to several partitions");
  const keyless = feeds.filter(({ topic }) => topic === "lines");
  assertEquals(new Set(keyless.map(({ partition }) => partition)), new Set([0, 1, 2]));
  assert(decoded(lines, keyless).length > 100);
});

Deno.test("defaultWorkload() is the same for the same randomness, has transactions when they are drawn, and ends", () => {
  const numbers = topic("numbers", { value: json({ n: int32() }) });
  assertEquals(feedsOf([numbers]), feedsOf([numbers]));
  assert(JSON.stringify(feedsOf([numbers])) !== JSON.stringify(feedsOf([numbers], OPTIONS, 2)));
  const fates = (feeds: readonly Feed[]) => [...new Set(feeds.map(({ as }) => as))].sort();
  assertEquals(fates(feedsOf([numbers])), ["plain"]);
  const transactional = feedsOf([numbers], { ...OPTIONS, isInputTransactional: true });
  assertEquals(fates(transactional), ["aborted", "committed", "plain"]);
});

Deno.test("defaultWorkload() refuses topics without declared columns", () => {
  const loose = topic("loose", { value: json() });
  assertThrows(
    () => defaultWorkload([loose], { partitions: {}, options: OPTIONS }),
    TypeError,
    "Cannot draw rows for topic 'loose' as its columns are not declared",
  );
});
