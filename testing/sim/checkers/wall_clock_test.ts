import { assertEquals, assertStringIncludes } from "@std/assert";
import { CommitHistory } from "./commit_history.ts";
import { metadata, PlayedRun } from "./fixtures_test.ts";
import { WallClock } from "./wall_clock.ts";

const DAY_MS = 86_400_000;

function played(): PlayedRun {
  const run = new PlayedRun();
  const history = new CommitHistory(run);
  run.watch(history, new WallClock(run, history));
  run.commit({ offset: 4, metadata: metadata(1, { taskTimeMs: 1_000 }) });
  run.nowMs += 5_000;
  return run;
}

const commit = (run: PlayedRun, offset: number, taskTimeMs: number) =>
  run.commit({ offset, metadata: metadata(2, { taskTimeMs }) });

Deno.test("I-30 is kept by task time that passes as time does, and by records of any time", () => {
  const idle = played();
  commit(idle, 4, 6_000);
  const busy = played();
  commit(busy, 5, 1_000 + DAY_MS);
  const suspended = played();
  suspended.fault("C4", { durationMs: DAY_MS });
  commit(suspended, 4, 1_000 + DAY_MS);
  for (const run of [idle, busy, suspended]) assertEquals(run.violations, []);
});

Deno.test("I-30: task time that follows a wall clock, forwards or back, is found", () => {
  for (const stepMs of [DAY_MS, -1]) {
    const run = played();
    run.fault("C1", { durationMs: DAY_MS });
    commit(run, 4, 1_000 + stepMs);
    assertStringIncludes(run.violations[0]!, `I-30 the task time of in:0 of group 'app.in' moved from 1000 to`);
  }
});

Deno.test("I-30: two jumps of an idle task that are further apart than time has passed are found", () => {
  const jump = (run: PlayedRun, taskTimeMs: number) => run.step(0, "time:jumped", { partition: 0, taskTimeMs });
  for (const [wentMs, count] of [[400, 0], [-1, 1], [2_000, 1]] as const) {
    const run = played();
    jump(run, 10_000);
    run.nowMs += 400;
    jump(run, 10_000 + wentMs);
    assertEquals(run.violations.length, count);
  }
  const run = played();
  jump(run, 10_000);
  run.step(0, "batch:fetched", { partition: 0 });
  jump(run, 99_000);
  assertEquals(run.violations, []);
});
