import { assertEquals, assertStringIncludes } from "@std/assert";
import type { RecordSlab } from "../../../lib/columns/records.ts";
import { recordsOf } from "../../record_rows.ts";
import { at, PlayedRun } from "./fixtures_test.ts";
import { Polls } from "./polls.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  run.watch(new Polls(run));
  run.fill(30);
  return run;
}

function slab(from: number, to: number, offsets?: readonly number[]): RecordSlab {
  const all = offsets ?? Array.from({ length: to - from }, (_, row) => from + row);
  return {
    ...at(),
    records: recordsOf(all.map(() => "x")),
    offsets: Float64Array.from(all),
    from: BigInt(from),
    to: BigInt(to),
    highWatermark: 30n,
    logStart: 0n,
    leaderEpoch: 0,
  };
}

const called = (run: PlayedRun) => run.seam(0, { kind: "consumer", method: "poll" });
const polled = (run: PlayedRun, ...slabs: RecordSlab[]) =>
  run.settled(0, { kind: "consumer", method: "poll", value: slabs });
const seek = (run: PlayedRun, offset: number) =>
  run.seam(0, { kind: "consumer", method: "seek", args: [at(), BigInt(offset)] });

function poll(run: PlayedRun, ...slabs: RecordSlab[]): void {
  called(run);
  polled(run, ...slabs);
}

Deno.test("I-10 is kept by polls that follow each other, over gaps, seeks and new assignments", () => {
  const run = played();
  poll(run, slab(4, 8));
  poll(run, slab(8, 15, [9, 14]));
  seek(run, 2);
  poll(run, slab(2, 3));
  run.seam(0, { kind: "listener", method: "assigned", args: [[at()]] });
  poll(run, slab(20, 21));
  assertEquals(run.violations, []);
});

Deno.test("I-10: a poll that skips records, or gives some again, is found", () => {
  for (const from of [7, 9]) {
    const run = played();
    poll(run, slab(4, 8));
    poll(run, slab(from, 12));
    assertEquals(run.violations, [
      `I-10 a poll of process 0.1 gave wrong records of in:0: expected a slab that begins at 8, where the one before ended ` +
      `or a seek went, found [${from}, 12) with ${12 - from} records from ${from} to 11`,
    ]);
  }
});

Deno.test("I-10: a seek during a poll leaves open whether its reply is of before", () => {
  const run = played();
  poll(run, slab(4, 8));
  called(run);
  seek(run, 5);
  polled(run, slab(8, 10));
  poll(run, slab(5, 9));
  assertEquals(run.violations, []);
  poll(run, slab(10, 12));
  assertEquals(run.violations.length, 1);
});

Deno.test("I-10: records outside of their slab, out of order, or not decided yet are found", () => {
  for (const bad of [slab(4, 8, [4, 8]), slab(4, 8, [6, 5]), slab(28, 33)]) {
    const run = played();
    poll(run, bad);
    assertEquals(run.violations.length, 1);
  }
});

Deno.test("I-10: a task that skips a batch, or processes one again, is found", () => {
  const batch = (run: PlayedRun, from: number, to: number) =>
    run.step(0, "batch:fetched", { partition: 0, from: BigInt(from), to: BigInt(to) });
  const good = played();
  good.step(0, "restore:live", { partition: 0, offset: 4n });
  batch(good, 4, 9);
  batch(good, 9, 12);
  good.step(0, "commit:aborted");
  batch(good, 4, 12);
  batch(good, 12, 13);
  assertEquals(good.violations, []);
  for (const from of [5, 3]) {
    const run = played();
    run.step(0, "restore:live", { partition: 0, offset: 4n });
    batch(run, from, 9);
    assertStringIncludes(run.violations[0]!, `processed [${from}, 9): expected a batch that begins at 4`);
  }
});
