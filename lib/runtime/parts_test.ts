/** Small parts of the runtime, each on its own. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BrokerTimeoutError, DiskFullError, FencedError } from "../base/errors.ts";
import { InvariantError } from "../base/assert.ts";
import { batchOf } from "../columns/batch_of.ts";
import { decodeHeaders, encodeHeaders } from "../columns/headers.ts";
import type { RecordSlab } from "../columns/records.ts";
import type { Batch } from "../columns/schema.ts";
import { timestampMs } from "../columns/schema.ts";
import { spanBytes, spansOf } from "../columns/spans.ts";
import { json } from "../codecs/json/json.ts";
import { TaskTime } from "../core/task_time.ts";
import type { Topic } from "../operator/operator.ts";
import { topic } from "../operator/topic.ts";
import { FakeClock } from "../../testing/fake_clock.ts";
import { recordsOf } from "../../testing/record_rows.ts";
import { SeededRandom } from "../../testing/seeded_random.ts";
import { deadLetterRequest, madeLetterRequest } from "./dead_letters.ts";
import { IdleTime } from "./idle_time.ts";
import { inputTimes } from "./input_times.ts";
import { Mutex } from "./mutex.ts";
import { Ownership } from "./ownership.ts";
import { PositionRandom } from "./position_random.ts";
import { type InputBatch, TaskInput } from "./task_input.ts";
import { isPassing, Trouble } from "./trouble.ts";

function slab(from: number, count: number): RecordSlab {
  const offsets = Float64Array.from({ length: count }, (_, at) => from + at);
  const records = { ...recordsOf([...offsets].map(String)), timestamps: offsets };
  const place = { topic: "t", partition: 0, highWatermark: 0n, logStart: 0n, leaderEpoch: 0 };
  return { ...place, records, offsets, from: BigInt(from), to: BigInt(from + count) };
}

Deno.test("TaskInput.push() refuses a slab that was fetched before a rewind, and says where to go on", () => {
  const input = new TaskInput(0n);
  assert(input.push(slab(0, 4), 0));
  assertEquals(input.end, 4n);
  assertEquals(input.push(slab(8, 2), 0), false, "a hole");
  assertEquals(input.push(slab(2, 2), 0), false, "a repetition");
  input.clear(2n);
  assertEquals([input.end, input.rows, input.isEmpty], [2n, 0, true]);
  assertEquals(input.push(slab(4, 4), 0), false, "fetched before the rewind");
  assert(input.push(slab(2, 2), 0));
  assertEquals(input.next({ rowsMax: 10, bytesMax: 1_000 })!.from, 2n);
});

function troubleAt(boundMs: number) {
  const clock = new FakeClock();
  const environment = { clock, random: new SeededRandom(1), observer: { step: () => {}, log: () => {} } };
  return { clock, trouble: new Trouble(environment, boundMs) };
}

Deno.test("Trouble.note() tells growing waits until the bound is used up", async () => {
  const { clock, trouble } = troubleAt(30_000);
  let spentMs = 0, attempts = 0;
  for (let waitMs = trouble.note(); waitMs !== undefined; waitMs = trouble.note()) {
    assert(waitMs >= 0 && waitMs <= 10_000);
    attempts++;
    await clock.advance(waitMs + 50);
    spentMs += waitMs + 50;
  }
  assert(spentMs >= 30_000 && spentMs <= 40_100, `${spentMs}`);
  assertEquals(trouble.attempts, attempts);
});

Deno.test("Trouble: a failure long after the last one, or after a success, begins anew", async () => {
  const { clock, trouble } = troubleAt(1_000);
  trouble.note();
  await clock.advance(5_000);
  assert(trouble.note() !== undefined, "that was another trouble");
  await clock.advance(900);
  trouble.clear();
  await clock.advance(500);
  assert(trouble.note() !== undefined);
  assertEquals(trouble.attempts, 1);
  assertEquals(troubleAt(0).trouble.note(), undefined, "a bound of 0 allows no second attempt");
});

Deno.test("isPassing() tells what trying again may help against", () => {
  assert(isPassing(new BrokerTimeoutError("x")) && isPassing(new FencedError("x")));
  assert(![new DiskFullError("x"), new InvariantError("x"), new TypeError("x"), "x"].some(isPassing));
});

Deno.test("IdleTime: a jump is due when an operator is due, and no more often than commits when it does not say", () => {
  const time = new TaskTime({ outOfOrdernessMs: 100, idleTimeoutMs: 1_000 });
  const idle = new IdleTime(time, { outOfOrdernessMs: 100, commitIntervalMs: 50 });
  assertEquals([idle.inMs(0, 5), idle.target(0, 5)], [Infinity, undefined], "before the first record");
  time.jump(10_000);
  time.wake(0);
  assertEquals(idle.inMs(400, 12_000), 600);
  assertEquals(idle.target(999, 10_000), undefined);
  assertEquals(idle.inMs(1_000, undefined), Infinity);
  assertEquals(idle.inMs(1_000, 12_000), 1_100, "time is at 11,000, the watermark at 10,900");
  assertEquals(idle.target(2_099, 12_000), undefined);
  assertEquals(idle.target(2_100, 12_000), 12_100);
  assertEquals(idle.target(3_000, -Infinity), 13_000);
  idle.jumped(3_000);
  assertEquals([idle.target(3_040, -Infinity), idle.inMs(3_040, -Infinity)], [undefined, 10]);
  assertEquals(idle.target(3_050, -Infinity), 13_050);
});

const timed = topic("timed", { value: json({ at: timestampMs({ nullable: true }) }), eventTime: "at" });
const untimed = topic("untimed", { value: json({ at: timestampMs({ nullable: true }) }) });

Deno.test("inputTimes(): task time is the running maximum of event times, whatever is cut or left out", () => {
  const cell = fc.record({ at: fc.option(fc.integer({ min: -50, max: 50 })), stamp: fc.nat(50), isKept: fc.boolean() });
  const property = fc.property(
    fc.array(cell, { maxLength: 12 }),
    fc.nat(12),
    fc.option(fc.integer({ min: -60, max: 60 })),
    fc.boolean(),
    (cells, cut, before, hasColumn) => {
      const fromRow = Math.min(cut, cells.length);
      const inside = cells.slice(fromRow);
      const rows = inside.every(({ isKept }) => isKept)
        ? null
        : Int32Array.from(inside.flatMap(({ isKept }, at) => isKept ? [fromRow + at] : []));
      const kept = inside.filter(({ isKept }) => isKept);
      const batch = batchOf({ at: timestampMs({ nullable: true }) }, kept.map(({ at }) => ({ at }))) as Batch;
      const input = {
        records: { ...recordsOf(cells.map(() => "")), timestamps: Float64Array.from(cells, ({ stamp }) => stamp) },
        offsets: Float64Array.from(cells, (_, at) => 100 + at),
        fromRow,
        toRow: cells.length,
        from: 0n,
        to: 0n,
        leaderEpoch: 0,
      } satisfies InputBatch;
      const taskTimeMs = before ?? undefined;
      const found = inputTimes((hasColumn ? timed : untimed) as Topic, input, { batch, rows, taskTimeMs });
      let highest = taskTimeMs ?? -Infinity;
      const eventTimes = kept.map(({ at, stamp }) => hasColumn ? at ?? stamp : stamp);
      assertEquals([...found.eventTimes], eventTimes);
      assertEquals([...found.timestamps], kept.map(({ stamp }) => stamp));
      assertEquals([...found.offsets], cells.flatMap(({ isKept }, at) => at >= fromRow && isKept ? [100 + at] : []));
      assertEquals([...found.taskTimes], eventTimes.map((time) => highest = Math.max(highest, time)));
    },
  );
  fc.assert(property, { numRuns: 300 });
});

Deno.test("dead letters keep key, value, time and headers, and cut what is too long for a header", () => {
  const header = ["h", new Uint8Array([1])] as const;
  const records = {
    ...recordsOf([{ key: "k0", value: "v0" }, { key: null, value: null }, { key: "k2", value: "v2" }]),
    timestamps: Float64Array.of(1, 2, 3),
    headers: spansOf([null, encodeHeaders([header]), null]),
  };
  const source = { topic: "in", partition: 4, deadLetterTopic: "dead", subscription: "s" };
  const reason = "x".repeat(5_000);
  const letters = [{ row: 1, offset: 11, reason, position: 7, stack: "at y" }, {
    row: 2,
    offset: 12,
    reason: "r",
    position: -1,
  }];
  const { topic: to, records: found } = deadLetterRequest(letters, { ...source, records });
  assertEquals([to, found.count, [...found.timestamps!]], ["dead", 2, [2, 3]]);
  assertEquals([spanBytes(found.keys!, 0), spanBytes(found.values, 0)], [null, null]);
  const headers = decodeHeaders(spanBytes(found.headers!, 0)!.slice());
  assertEquals(headers[0]![0], "h");
  const text = new Map(headers.slice(1).map(([name, value]) => [name, new TextDecoder().decode(value!)]));
  assertEquals(text.get("turbine-reason"), "x".repeat(1_000));
  assertEquals([text.get("turbine-source-offset"), text.get("turbine-position"), text.get("turbine-stack")], [
    "11",
    "7",
    "at y",
  ]);
  const made = madeLetterRequest([{ reason: "r", value: "{}" }], source).records;
  assertEquals([made.count, made.keys, made.timestamps], [1, null, null]);
});

Deno.test("Mutex.run() runs one section at a time in order, and outlives a section that fails", async () => {
  const mutex = new Mutex();
  const log: string[] = [];
  const section = (name: string, fails = false) =>
    mutex.run(async () => {
      log.push(`${name} begins`);
      await Promise.resolve();
      log.push(`${name} ends`);
      if (fails) throw new Error(name);
    }).catch((error: Error) => void log.push(`${error.message} failed`));
  await Promise.all([section("a"), section("b", true), section("c")]);
  assertEquals(log, ["a begins", "a ends", "b begins", "b ends", "b failed", "c begins", "c ends"]);
});

Deno.test("Ownership.claim() claims once", async () => {
  let next = 5;
  const ownership = new Ownership(() => Promise.resolve(++next));
  assertEquals([ownership.token, ownership.isClaimed], [0, false]);
  await ownership.claim();
  await ownership.claim();
  assertEquals([ownership.token, ownership.isClaimed], [6, true]);
});

Deno.test("PositionRandom gives the same values at the same position, and other values elsewhere", () => {
  const draw = (partition: number, from: bigint) => {
    const random = new PositionRandom();
    random.seed(partition, from);
    return Array.from({ length: 8 }, () => random.uint32());
  };
  assertEquals(draw(1, 77n), draw(1, 77n));
  const places = [draw(1, 77n), draw(1, 78n), draw(2, 77n), draw(1, 77n + 2n ** 32n)].map(String);
  assertEquals(new Set(places).size, 4);
  const many = Array.from({ length: 4_000 }, (_, at) => draw(0, BigInt(at))[0]! / 2 ** 32);
  const mean = many.reduce((sum, value) => sum + value, 0) / many.length;
  assert(Math.abs(mean - 0.5) < 0.03, `first values are even over positions: ${mean}`);
});
