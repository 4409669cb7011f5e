import { assertEquals, assertStringIncludes } from "@std/assert";
import { at, fence, PlayedRun } from "./fixtures_test.ts";
import { Revocations } from "./revocations.ts";
import { SeamHandles } from "./seam_handles.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  const handles = new SeamHandles();
  run.watch(handles, new Revocations(run, handles));
  run.join(0);
  run.openProducer(0);
  run.seam(0, { kind: "listener", method: "assigned", args: [[at()]] });
  return run;
}

const listener = (run: PlayedRun, method: "revoked" | "lost", phase: "called" | "settled") =>
  run.seam(0, { kind: "listener", method, phase, args: [[at()]] });
const commit = { kind: "consumer", method: "commit", args: [[], fence()] } as const;

Deno.test("I-13 is kept when everything has settled before 'revoked' returns", () => {
  const run = played();
  run.seam(0, { kind: "transactional", method: "commit", handle: 2 });
  listener(run, "revoked", "called");
  run.step(0, "commit:sealed", { partition: 0 });
  run.settled(0, { kind: "transactional", method: "commit", handle: 2 });
  run.step(0, "task:closed-clean", { partition: 0 });
  listener(run, "revoked", "settled");
  run.seam(0, { kind: "listener", method: "assigned", args: [[at()]] });
  run.step(0, "batch:fetched", { partition: 0 });
  assertEquals(run.violations, []);
});

Deno.test("I-13: a call that is in flight when 'revoked' returns is found", () => {
  const run = played();
  run.seam(0, { kind: "transactional", method: "produce", handle: 2 });
  run.seam(0, commit);
  listener(run, "revoked", "called");
  run.settled(0, commit);
  listener(run, "revoked", "settled");
  assertEquals(run.violations, [
    "I-13 process 0.1 gave up in:0 of group 'app.in' while calls were in flight: expected none when 'revoked' returns, " +
    "found transactional 2 produce",
  ]);
});

Deno.test("I-13: whoever closes without waiting may leave calls in flight", () => {
  const run = played();
  run.seam(0, commit);
  run.step(0, "close:begin", { isDirty: true });
  listener(run, "revoked", "called");
  listener(run, "revoked", "settled");
  assertEquals(run.violations, []);
});

Deno.test("I-13: a task that goes on after its partition was given up is found", () => {
  for (const label of ["batch:fetched", "batch:processed", "commit:sealed", "time:jumped"] as const) {
    const run = played();
    listener(run, "lost", "called");
    listener(run, "lost", "settled");
    run.step(0, label, { partition: 1 });
    assertEquals(run.violations, []);
    run.step(0, label, { partition: 0 });
    assertStringIncludes(
      run.violations[0]!,
      `made the step '${label}' for partition 0 of group 'app.in', which was lost`,
    );
  }
  const closed = played();
  listener(closed, "revoked", "called");
  closed.step(0, "task:closed-clean", { partition: 0 });
  listener(closed, "revoked", "settled");
  closed.step(0, "checkpoint:begin", { partition: 0 });
  assertStringIncludes(closed.violations[0]!, "which was closed clean");
});

Deno.test("I-13: a commit after the partitions were lost is found, an abort or a close is not", () => {
  for (const call of [commit, { kind: "transactional", method: "commit", handle: 2 }] as const) {
    const run = played();
    listener(run, "lost", "called");
    run.seam(0, { kind: "transactional", method: "abort", handle: 2 });
    run.seam(0, { kind: "transactional", method: "close", handle: 2 });
    assertEquals(run.violations, []);
    run.seam(0, call);
    assertStringIncludes(run.violations[0]!, "after its partitions were lost: expected nothing to be committed");
    run.seam(0, { kind: "listener", method: "assigned", args: [[at()]] });
    run.seam(0, call);
    assertEquals(run.violations.length, 1);
  }
});
