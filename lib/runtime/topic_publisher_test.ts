import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type Batch,
  batchOf,
  bool,
  type Columns,
  float64,
  int32,
  int64,
  json,
  ProcessingError,
  recordKey,
  timestampMs,
  topic,
  utf8,
} from "../../mod.ts";
import { recordBatch } from "../../testing/arbitraries.ts";
import { rowsOf } from "../../testing/record_rows.ts";
import { rows } from "../columns/rows.ts";
import type { Topic } from "../operator/operator.ts";
import { TopicPublisher } from "./topic_publisher.ts";

const publish = <S extends Columns>(to: Topic<S>, batch: Batch, timestampMs?: number) =>
  new TopicPublisher(to as Topic).encode(batch, timestampMs);

function records(to: Topic, batch: Batch, timestampMs?: number) {
  const { request } = publish(to, batch, timestampMs);
  if (request === undefined) return [];
  const { records } = request;
  const timestamps = records.timestamps ?? new Float64Array(records.count);
  const offsets = Float64Array.from({ length: records.count }, (_, at) => at);
  return rowsOf({ partition: 0, offsets, records: { ...records, timestamps } });
}

const wide = { id: int32(), n: float64({ nullable: true }), at: timestampMs({ nullable: true }), more: bool() };
const row = (id: number, n: number | null, at: number | null) => ({ id, n, at, more: true });
const out = topic("out", {
  value: json({ n: float64({ nullable: true }), at: timestampMs({ nullable: true }) }),
  key: "n",
  eventTime: "at",
});

Deno.test("TopicPublisher.encode() projects a wider batch, keys it and stamps it with its event time", () => {
  const [first, second] = records(out as Topic, batchOf(wide, [row(1, 2, 30), row(2, null, 40)]) as Batch);
  assertEquals([first!.key, first!.value, first!.timestampMs], ["2", '{"n":2,"at":30}', 30]);
  assertEquals([second!.key, second!.value, second!.timestampMs], [null, '{"n":null,"at":40}', 40]);
});

Deno.test("TopicPublisher.encode() refuses rows by their own number, and keeps what remains together", () => {
  fc.assert(
    fc.property(
      recordBatch(wide),
      fc.constantFrom(undefined, 7),
      fc.func(fc.constantFrom(0, 1, 2)),
      (batch, fallback, fate) => {
        const given = [...rows(batch)].map((each) => {
          const kind = fate(each.id, each.n);
          return { ...each, n: kind === 0 ? NaN : each.n, at: kind === 1 ? null : each.at };
        });
        const spoiled = batchOf(wide, given);
        const { rejected, batch: kept, request } = publish(out as Topic, spoiled as Batch, fallback);
        const isBad = (each: typeof given[number]) =>
          Number.isNaN(each.n) || (each.at === null && fallback === undefined);
        assertEquals(rejected.map((each) => each.row), given.flatMap((each, at) => isBad(each) ? [at] : []));
        const good = given.filter((each) => !isBad(each));
        assertEquals([...rows(kept)].length, good.length);
        assertEquals(request?.records.count ?? 0, good.length);
        if (request !== undefined) {
          assertEquals([...request.records.timestamps!], good.map(({ at }) => at ?? fallback!));
          const values = records(out as Topic, spoiled as Batch, fallback).map(({ value }) => JSON.parse(value!));
          assertEquals(values, good.map(({ n, at }) => ({ n, at })));
        }
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("TopicPublisher.encode() refuses a key that is NaN though its column stands in no value", () => {
  const keyed = topic("keyed", { value: json({ k: recordKey(float64()), v: int32() }), key: "k" });
  const batch = batchOf({ k: float64(), v: int32() }, [{ k: 1, v: 1 }, { k: NaN, v: 2 }, { k: -0, v: 3 }, {
    k: Infinity,
    v: 4,
  }]);
  const { rejected } = publish(keyed, batch as Batch);
  assertEquals(rejected.map(({ row, reason }) => [row, reason]), [
    [1, "the key 'k' is NaN or infinite"],
    [3, "the key 'k' is NaN or infinite"],
  ]);
  assertEquals(records(keyed as Topic, batch as Batch).map(({ key, value }) => [key, value]), [["1", '{"v":1}'], [
    "0",
    '{"v":3}',
  ]]);
});

Deno.test("TopicPublisher.encode() wants no recordKey() column that it does not use", () => {
  const keyed = topic("keyed", { value: json({ k: recordKey(utf8()), v: int32() }) });
  const batch = batchOf({ v: int32() }, [{ v: 1 }]);
  assertEquals(records(keyed as Topic, batch as Batch).map(({ key, value }) => [key, value]), [[null, '{"v":1}']]);
});

Deno.test("TopicPublisher.encode() names topic and column of a batch that does not fit", () => {
  const cases: [Batch, string][] = [
    [batchOf({ n: float64() }, [{ n: 1 }]) as Batch, "column 'at'"],
    [batchOf({ n: utf8(), at: timestampMs() }, [{ n: "", at: 1 }]) as Batch, "column 'n' must be float64"],
  ];
  for (const [batch, found] of cases) {
    const error = assertThrows(() => publish(out as Topic, batch), ProcessingError);
    assertEquals(error.message.startsWith("Cannot publish to topic 'out': "), true);
    assertEquals(error.message.includes(found), true, error.message);
  }
});

Deno.test("TopicPublisher.encode() takes the event time of an inferred topic from a column of numbers", () => {
  const inferred = topic("inferred", {
    value: json() as never,
    key: "id",
    eventTime: "ts" as never,
  }) as unknown as Topic;
  const batch = batchOf({ id: int64(), ts: float64() }, [{ id: 9n, ts: 1_700_000_000_000 }]);
  const [found] = records(inferred, batch as Batch);
  assertEquals([found!.key, found!.timestampMs], ["9", 1_700_000_000_000]);
  const text = batchOf({ id: int64(), ts: utf8() }, [{ id: 9n, ts: "noon" }]);
  assertThrows(() => publish(inferred, text as Batch), ProcessingError, "column 'ts' must be timestampMs()");
});

Deno.test("TopicPublisher.encode() of an empty batch produces nothing", () => {
  assertEquals(publish(out as Topic, batchOf(wide, []) as Batch).request, undefined);
});
