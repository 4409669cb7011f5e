import { assertEquals, assertStringIncludes } from "@std/assert";
import { Bounds } from "./bounds.ts";
import { PlayedRun } from "./fixtures_test.ts";
import { SeamHandles } from "./seam_handles.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  const handles = new SeamHandles();
  run.watch(handles, new Bounds(run, handles));
  run.join(0);
  poll(run);
  return run;
}

function poll(run: PlayedRun): void {
  const call = { kind: "consumer", method: "poll", args: [{ maxRecords: 20, maxBytes: 1_000, timeoutMs: 1 }] } as const;
  run.seam(0, call);
  run.settled(0, { ...call, value: [] });
}

function process(run: PlayedRun, batches: number, from = 0): void {
  for (let at = 1; at <= batches; at++) {
    run.step(0, "batch:processed", { partition: 0, to: BigInt(from + at * 10), rows: 10 });
  }
}

Deno.test("I-25 is kept while commits make room", () => {
  const run = played();
  process(run, 17);
  run.step(0, "commit:sealed", { partition: 0, to: 170n });
  run.step(0, "apply:after", { partitions: [0] });
  process(run, 17, 170);
  run.step(0, "commit:aborted");
  process(run, 17, 170);
  run.step(0, "task:closed-dirty", { partition: 0 });
  process(run, 17, 170);
  assertEquals(run.violations, []);
});

Deno.test("I-25: more rows in flight than the bound are found", () => {
  const run = played();
  process(run, 18);
  assertEquals(run.violations, [
    "I-25 process 0.1 has 180 rows of 'in' processed and not committed: expected at most 170, 17 batches of 10",
  ]);
});

Deno.test("I-25: two polls of one consumer at a time are found", () => {
  const run = played();
  poll(run);
  assertEquals(run.violations, []);
  run.seam(0, { kind: "consumer", method: "poll", args: [{ maxRecords: 20 }] });
  run.seam(0, { kind: "consumer", method: "poll", args: [{ maxRecords: 20 }] });
  assertStringIncludes(run.violations[0]!, "polls with consumer 1 while it is polling");
});

Deno.test("I-25: an effect that is tried without end is found", () => {
  const run = played();
  const partitions = { partitions: [0] };
  for (let at = 0; at < 40; at++) {
    run.step(0, "produce:before", partitions);
    run.step(0, "produce:after", partitions);
  }
  assertEquals(run.violations, []);
  for (let at = 0; at < 40; at++) run.step(0, "commit:before", partitions);
  assertStringIncludes(run.violations[0]!, "makes the step 'commit:before' of 'in' over and over");
});
