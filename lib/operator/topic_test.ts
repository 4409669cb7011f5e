import { assertEquals, assertThrows } from "@std/assert";
import { json } from "../codecs/json/json.ts";
import { timestampMs, utf8 } from "../columns/schema.ts";
import { topic, type TopicOptions } from "./topic.ts";

const value = json({ device: utf8(), ts: timestampMs() });

Deno.test("topic() refuses an option that does not exist, and names those that do", () => {
  const mistyped = { value, keys: "device" } as TopicOptions<typeof value.schema>;
  assertThrows(() => topic("readings", mistyped), TypeError, "only value, key, eventTime");
  assertThrows(() => topic("readings", mistyped), TypeError, "current value is 'keys'");
});

Deno.test("topic() says what its options must be when there are none", () => {
  assertThrows(() => topic("readings", undefined as never), TypeError, "must be an object: current value is undefined");
  assertThrows(() => topic("readings", "device" as never), TypeError, "must be an object: current value is device");
});

Deno.test("topic() takes every option that it has", () => {
  const made = topic("readings", {
    value,
    key: "device",
    eventTime: "ts",
    outOfOrdernessMs: 5,
    partitions: 3,
    createTopics: true,
  });
  assertEquals([made.key, made.eventTime, made.outOfOrdernessMs, made.partitions, made.createTopics], [
    "device",
    "ts",
    5,
    3,
    true,
  ]);
});

Deno.test("topic() takes a nullable column of instants as event time, and no column of another type", () => {
  const columns = json({ device: utf8({ nullable: true }), ts: timestampMs({ nullable: true }) });
  assertEquals(topic("readings", { value: columns, eventTime: "ts" }).eventTime, "ts");
  // @ts-expect-error: text is no time
  assertThrows(() => topic("readings", { value: columns, eventTime: "device" }), TypeError, "must be a timestampMs()");
});
