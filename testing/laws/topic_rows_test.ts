import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { binary, bool, float64, int32, int64, json, list, struct, timestampMs, topic, utf8 } from "../../mod.ts";
import { encodeRows } from "../../lib/app/encode_rows.ts";
import { topicRows } from "./topic_rows.ts";

const all = topic("all", {
  value: json({
    key: utf8({ nullable: true }),
    ts: timestampMs(),
    bytes: binary({ nullable: true }),
    double: float64(),
    whole: int32({ nullable: true }),
    long: int64(),
    at: timestampMs(),
    flag: bool({ nullable: true }),
    list: list(utf8({ nullable: true })),
    struct: struct({ x: float64({ nullable: true }) }),
  }),
  key: "key",
  eventTime: "ts",
});

Deno.test("topicRows() gives rows that the topic takes, few keys, and numbers that add up exactly in any order", () => {
  fc.assert(fc.property(topicRows(all), (rows) => {
    assert(rows.length >= 1 && rows.length <= 10);
    assertEquals(encodeRows(rows, { topic: all, wallMs: 0 })!.records.count, rows.length);
    const doubles = rows.map(({ double }) => double);
    const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0);
    assertEquals(sum(doubles), sum(doubles.toReversed()));
    assert(rows.every(({ key }) => key !== null && "abd".includes(key)));
  }));
});

Deno.test("topicRows() reaches late rows, jumps of event time, equal times and nulls", () => {
  const unseen = new Set(["late", "jump", "equal", "null", "one row", "most rows"]);
  for (const rows of fc.sample(topicRows(all, { rowsMax: 5 }), { numRuns: 500, seed: 1 })) {
    const times = rows.map(({ ts }) => ts);
    if (times.some((time, at) => at > 0 && time < times[at - 1]!)) unseen.delete("late");
    if (times.some((time, at) => at > 0 && time > times[at - 1]! + 10_000)) unseen.delete("jump");
    if (times.some((time, at) => at > 0 && time === times[at - 1]!)) unseen.delete("equal");
    if (rows.some(({ whole }) => whole === null)) unseen.delete("null");
    if (rows.length === 1) unseen.delete("one row");
    if (rows.length === 5) unseen.delete("most rows");
  }
  assertEquals([...unseen], []);
});

Deno.test("topicRows() shrinks to one row of the smallest values", () => {
  const { counterexample } = fc.check(fc.property(topicRows(all), () => false), { seed: 1 });
  assertEquals(counterexample![0], [{
    key: "a",
    ts: 0,
    bytes: new Uint8Array([0]),
    double: 0,
    whole: 0,
    long: 0n,
    at: 0,
    flag: false,
    list: [],
    struct: { x: 0 },
  }]);
});
