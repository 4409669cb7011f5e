import { assertEquals, assertStringIncludes } from "@std/assert";
import { Closings } from "./closing.ts";
import { PlayedRun } from "./fixtures_test.ts";
import { SeamHandles } from "./seam_handles.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  const handles = new SeamHandles();
  run.watch(handles, new Closings(run, handles));
  run.join(0);
  run.state(0, { method: "open" });
  return run;
}

function after(run: PlayedRun, ms: number): void {
  run.nowMs += ms;
  run.afterEvent();
}

/** Everything is closed. */
function close(run: PlayedRun): void {
  run.state(0, { method: "close", phase: "called" });
  run.seam(0, { kind: "consumer", method: "close" });
}

Deno.test("I-27 is kept by a close that ends in time, standing still left out", () => {
  const run = played();
  run.process(0, "closing");
  after(run, 29_000);
  run.process(0, "paused");
  after(run, 300_000);
  run.process(0, "resumed");
  after(run, 2_000);
  close(run);
  run.process(0, "closed");
  after(run, 300_000);
  assertEquals(run.violations, []);
});

Deno.test("I-27: a close that does not end is found", () => {
  const run = played();
  run.process(0, "closing");
  after(run, 60_000);
  assertStringIncludes(run.violations[0]!, "I-27 the close of process 0.1 does not end: expected it within 30000 ms");
});

Deno.test("I-25: a store or a consumer that a clean close leaves open is found", () => {
  const run = played();
  run.process(0, "closing");
  run.process(0, "closed");
  assertEquals(run.violations, [
    "I-25 process 0.1 has closed and left something open: expected nothing, found store in/0, consumer 1",
  ]);
});

Deno.test("I-25: a close that was cut short may leave calls behind", () => {
  const run = played();
  run.process(0, "closing");
  run.log(0, "error", "Cannot close app 'app' within 30000 ms; closing without a commit");
  run.process(0, "closed");
  assertEquals(run.violations, []);
});
