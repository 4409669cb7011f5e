import { assertEquals, assertStringIncludes } from "@std/assert";
import { DiskFullError } from "../../../lib/base/errors.ts";
import { PlayedRun, storePosition } from "./fixtures_test.ts";
import { LocalStores } from "./local_stores.ts";

function played(isStateSynced = true): PlayedRun {
  const run = new PlayedRun();
  run.options = { ...run.options, isStateSynced };
  run.watch(new LocalStores(run));
  return run;
}

function write(run: PlayedRun, offset: number, end: "good" | "failed" | "never" = "good"): void {
  const call = { method: "apply", position: storePosition(offset, offset) } as const;
  run.state(0, { ...call, phase: "called" });
  if (end === "good") run.state(0, call);
  else if (end === "failed") run.state(0, { ...call, error: new DiskFullError("no space") });
}

const find = (run: PlayedRun, offset: number | undefined) =>
  run.state(0, { method: "readPosition", position: offset === undefined ? undefined : storePosition(offset, offset) });

Deno.test("I-02 is kept by a store that stands where it was written last, or at a write that was begun", () => {
  const run = played();
  find(run, undefined);
  write(run, 1);
  write(run, 2);
  find(run, 2);
  write(run, 3, "never");
  run.process(0, "crashed");
  find(run, 3);
  run.state(0, { method: "destroy", phase: "called" });
  find(run, undefined);
  assertEquals(run.violations, []);
});

Deno.test("I-02: a store that forgets, or stands where nobody has written, is found", () => {
  for (const found of [undefined, 1, 7]) {
    const run = played();
    write(run, 1);
    write(run, 2);
    find(run, found);
    assertStringIncludes(
      run.violations[0]!,
      "I-02 the store of app/in/0 in process 0.1 was reopened with another position",
    );
    assertStringIncludes(run.violations[0]!, "expected in:0@2 of sequence 2");
  }
});

Deno.test("I-02: a crash takes back what was not synced, and a damaged disk anything", () => {
  const unsynced = played(false);
  write(unsynced, 1);
  write(unsynced, 2);
  unsynced.process(0, "crashed");
  find(unsynced, 1);
  assertEquals(unsynced.violations, []);
  unsynced.process(0, "crashed");
  find(unsynced, 7);
  assertEquals(unsynced.violations.length, 1);
  const damaged = played();
  write(damaged, 1);
  damaged.fault("D4");
  find(damaged, undefined);
  assertEquals(damaged.violations, []);
});

Deno.test("I-28: a store that loses something to a full disk is found", () => {
  for (const found of [1, undefined]) {
    const run = played();
    write(run, 1);
    write(run, 2, "failed");
    run.fault("D1");
    run.log(0, "error", "no space", { partition: 0, error: "DiskFullError" });
    find(run, found);
    assertEquals(run.violations.length, found === undefined ? 1 : 0);
    if (found === undefined) assertStringIncludes(run.violations[0]!, "I-28");
  }
});

Deno.test("I-21: a restore from a local store of another lineage is found", () => {
  for (const lineage of ["first", "second"]) {
    const run = played();
    write(run, 3);
    find(run, 3);
    run.step(0, "restore:candidate-chosen", { partition: 0, candidate: "local", lineage });
    // What is not chosen may be of any lineage.
    run.step(0, "restore:candidate-chosen", { partition: 0, candidate: "empty", lineage: "third" });
    assertEquals(run.violations.length, lineage === "first" ? 0 : 1);
    if (lineage !== "first") {
      assertStringIncludes(run.violations[0]!, "which is of lineage first: expected nothing but");
    }
  }
});
