import { assertEquals, assertStringIncludes } from "@std/assert";
import { FairShare } from "./fair_share.ts";
import { at, PlayedRun } from "./fixtures_test.ts";
import { SeamHandles } from "./seam_handles.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  const handles = new SeamHandles();
  run.watch(handles, new FairShare(run, handles));
  run.join(0);
  run.phase = "liveness";
  return run;
}

const pause = (run: PlayedRun, method: "pause" | "resume", partition = 0) =>
  run.seam(0, { kind: "consumer", method, args: [[at(partition)]] });

Deno.test("I-26 is kept by pauses that are followed by a resume, or by the partition going away", () => {
  const run = played();
  pause(run, "pause");
  pause(run, "resume");
  pause(run, "pause", 1);
  run.seam(0, { kind: "listener", method: "revoked", args: [[at(1)]] });
  run.quiet();
  assertEquals(run.violations, []);
});

Deno.test("I-26: a partition that stays paused is found, unless its task is not open", () => {
  const run = played();
  pause(run, "pause");
  run.quiet();
  assertEquals(run.violations, []);
  run.step(0, "restore:live", { partition: 0, offset: 0n });
  run.quiet();
  assertStringIncludes(run.violations[0]!, "I-26 process 0.1 still pauses in:0");
});

function serve(run: PlayedRun, partition: number, to: number): void {
  run.step(0, "batch:fetched", { partition, from: BigInt(to - 1), to: BigInt(to) });
}

Deno.test("I-26: a partition with records that is passed over again and again is found", () => {
  for (const [hasRecords, isServed] of [[true, false], [false, false], [true, true]]) {
    const run = played();
    if (hasRecords) run.fill(5, 1);
    for (const partition of [0, 1]) run.step(0, "restore:live", { partition, offset: 0n });
    for (let to = 1; to <= 65; to++) {
      serve(run, 0, to);
      if (isServed && to % 15 === 0) serve(run, 1, to / 15);
    }
    const isFound = hasRecords === true && isServed === false;
    assertEquals(run.violations.length > 0, isFound);
    if (isFound) {
      assertStringIncludes(run.violations[0]!, "partition 1 of 'in' starves in process 0.1: it has records from 0");
    }
  }
});
