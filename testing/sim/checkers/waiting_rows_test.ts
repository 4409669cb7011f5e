import { assertEquals } from "@std/assert";
import type { RecordSlab } from "../../../lib/columns/records.ts";
import { recordsOf } from "../../record_rows.ts";
import { at, PlayedRun } from "./fixtures_test.ts";
import { SeamHandles } from "./seam_handles.ts";
import { WaitingRows } from "./waiting_rows.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  const handles = new SeamHandles();
  run.watch(handles, new WaitingRows(run, handles));
  run.join(0);
  run.step(0, "restore:live", { partition: 0, offset: 0n });
  return run;
}

/** Polls with batches of 10 rows; records of partition 0 come. */
function poll(run: PlayedRun, from: number, to: number): void {
  const offsets = Float64Array.from({ length: to - from }, (_, row) => from + row);
  const slab: RecordSlab = {
    ...at(),
    records: recordsOf([...offsets].map(() => "x")),
    offsets,
    from: BigInt(from),
    to: BigInt(to),
    highWatermark: 1_000n,
    logStart: 0n,
    leaderEpoch: 0,
  };
  const call = { kind: "consumer", method: "poll", args: [{ maxRecords: 20, maxBytes: 1_000, timeoutMs: 1 }] } as const;
  run.seam(0, call);
  run.settled(0, { ...call, value: [slab] });
}

const process = (run: PlayedRun, to: number) =>
  run.step(0, "batch:fetched", { partition: 0, from: 0n, to: BigInt(to) });
const pause = (run: PlayedRun) => run.seam(0, { kind: "consumer", method: "pause", args: [[at()]] });
const seek = (run: PlayedRun, offset: number) =>
  run.seam(0, { kind: "consumer", method: "seek", args: [at(), BigInt(offset)] });

const FOUND =
  "I-25 process 0.1 has fetched 60 rows of in:0 that wait: expected it to fetch no more once 4 batches of 10 " +
  "wait";

Deno.test("I-25: rows that wait beyond the bound are found", () => {
  const run = played();
  for (const from of [0, 20, 40]) poll(run, from, from + 20);
  assertEquals(run.violations, [FOUND]);
});

Deno.test("I-25: what was processed, or is fetched again, does not wait", () => {
  const run = played();
  poll(run, 0, 20);
  poll(run, 20, 40);
  process(run, 25);
  poll(run, 40, 60);
  seek(run, 30);
  poll(run, 30, 50);
  poll(run, 50, 60);
  run.step(0, "task:closed-dirty", { partition: 0 });
  poll(run, 60, 80);
  poll(run, 80, 100);
  poll(run, 100, 160);
  assertEquals(run.violations, []);
  run.step(0, "restore:live", { partition: 0, offset: 120n });
  poll(run, 160, 180);
  assertEquals(run.violations, [FOUND]);
});

Deno.test("a partition that is paused as too much waits is told, one that is paused for another reason is not", () => {
  const run = played();
  poll(run, 0, 20);
  pause(run);
  poll(run, 20, 40);
  pause(run);
  assertEquals(run.marks, ["a partition was paused as too much waited"]);
});

Deno.test("I-26: a partition that stays paused when little waits is found", () => {
  for (const isResumed of [true, false]) {
    const run = played();
    poll(run, 0, 20);
    poll(run, 20, 40);
    pause(run);
    process(run, 30);
    poll(run, 40, 40);
    assertEquals(run.violations, [], "a whole batch waits");
    process(run, 31);
    if (isResumed) run.seam(0, { kind: "consumer", method: "resume", args: [[at()]] });
    poll(run, 40, 40);
    assertEquals(
      run.violations,
      isResumed ? [] : [
        "I-26 process 0.1 polls while partition 0 is paused, of which 9 rows wait: expected it to be resumed once less " +
        "than a batch of 10 waits",
      ],
    );
  }
});
