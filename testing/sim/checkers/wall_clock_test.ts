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

Deno.test("I-30 is kept by an older commit that lands late, and by the one that puts it right", () => {
  const run = played();
  commit(run, 4, 6_000);
  run.commit({ offset: 4, metadata: metadata(1, { taskTimeMs: 1_000 }) });
  run.commit({ offset: 4, metadata: metadata(3, { taskTimeMs: 6_000 }) });
  assertEquals(run.violations, []);
});

const jump = (run: PlayedRun, taskTimeMs: number) => run.step(0, "time:jumped", { partition: 0, taskTimeMs });
const processed = (run: PlayedRun, taskTimeMs: number | null, rows = 1) =>
  run.step(0, "batch:processed", { partition: 0, taskTimeMs, rows });

for (const [what, stand] of [["of two jumps", jump], ["behind the last record", processed]] as const) {
  Deno.test(`I-30: task time that goes on ${what} by more than has passed is found`, () => {
    for (const [wentMs, count] of [[400, 0], [-1, 1], [2_000, 1]] as const) {
      const run = played();
      stand(run, 10_000);
      run.nowMs += 400;
      jump(run, 10_000 + wentMs);
      assertEquals(run.violations.length, count);
    }
  });
}

Deno.test("I-30: idle time is counted from the last record, not from control records, and anew after an abort", () => {
  const run = played();
  jump(run, 10_000);
  processed(run, 99_000);
  run.nowMs += 1_000;
  processed(run, 99_000, 0);
  jump(run, 100_000);
  run.step(0, "commit:aborted");
  jump(run, 200_000);
  run.step(0, "restore:live", { partition: 0 });
  jump(run, 300_000);
  processed(run, null);
  jump(run, 400_000);
  assertEquals(run.violations, []);
});

Deno.test("a wall clock that steps while an input is idle is told", () => {
  const run = played();
  processed(run, 10_000);
  run.nowMs += 1_000;
  jump(run, 11_000);
  run.nowMs += 500;
  run.fault("C1");
  run.nowMs += 500;
  jump(run, 12_000);
  jump(run, 12_000);
  assertEquals(run.marks, ["a wall clock stepped while an input was idle"]);
});
