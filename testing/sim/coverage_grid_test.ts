import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { STEP_LABELS } from "../../lib/seams/observer.ts";
import { CoverageGrid, PROTOCOL_LABELS } from "./coverage_grid.ts";
import { PlayedRun } from "./checkers/fixtures_test.ts";

function played(kinds?: readonly ("P1" | "N2")[]) {
  const run = new PlayedRun();
  const grid = new CoverageGrid(kinds === undefined ? {} : { kinds });
  run.watch(grid);
  return { run, grid };
}

Deno.test("CoverageGrid counts crashes and pauses at the step that the process passed last", () => {
  const { run, grid } = played();
  run.step(0, "commit:before");
  run.step(1, "batch:decoded");
  run.process(0, "crashed");
  run.process(1, "paused");
  run.process(1, "crashed");
  const { steps, labels } = grid.summary();
  assertEquals(steps, { "batch:decoded/crash": 1, "batch:decoded/pause": 1, "commit:before/crash": 1 });
  assertEquals(labels, { "batch:decoded": 1, "commit:before": 1 });
});

Deno.test("CoverageGrid does not count a crash before the first step of a life", () => {
  const { run, grid } = played();
  run.step(0, "commit:before");
  run.process(0, "crashed");
  run.process(0, "starting");
  run.process(0, "crashed");
  assertEquals(grid.summary().steps, { "commit:before/crash": 1 });
});

Deno.test("CoverageGrid counts a fault at the last step of its process, or of any when that has passed none", () => {
  const { run, grid } = played();
  run.fault("B1");
  run.step(1, "flush:before");
  run.step(0, "produce:after");
  run.fault("N2", { process: 1 });
  run.fault("B1", { process: 7 });
  assertEquals(grid.summary().faults, { "B1/produce:after": 1, "N2/flush:before": 1 });
});

Deno.test("CoverageGrid.merge() adds up what runs in other processes hit", () => {
  const one = played(), other = played();
  one.run.step(0, "commit:before");
  one.run.process(0, "crashed");
  other.run.step(0, "commit:before");
  other.run.process(0, "crashed");
  other.run.fault("N2");
  one.grid.merge(JSON.parse(JSON.stringify(other.grid.summary())));
  assertEquals(one.grid.summary(), {
    steps: { "commit:before/crash": 2 },
    faults: { "N2/commit:before": 1 },
    labels: { "commit:before": 2 },
  });
});

Deno.test("CoverageGrid.emptyCells() lists every cell that was never hit, and no other", () => {
  const { run, grid } = played(["P1", "N2"]);
  const all = STEP_LABELS.length * 2 + PROTOCOL_LABELS.length * 2;
  assertEquals(grid.emptyCells().length, all);
  run.step(0, "commit:before");
  run.process(0, "paused");
  run.fault("N2");
  const empty = grid.emptyCells();
  assertEquals(empty.length, all - 2);
  assertFalse(empty.some((cell) => cell.kind === "step" && cell.label === "commit:before" && cell.what === "pause"));
  assertFalse(empty.some((cell) => cell.kind === "fault" && cell.fault === "N2" && cell.label === "commit:before"));
});

Deno.test("PROTOCOL_LABELS are the steps of commit, checkpoint and restore", () => {
  for (const label of ["commit:before", "offsets:after", "checkpoint:manifest-before", "restore:live"] as const) {
    assert(PROTOCOL_LABELS.includes(label), label);
  }
  assertFalse(PROTOCOL_LABELS.includes("batch:decoded"));
});

Deno.test("CoverageGrid.format() shows both tables and the empty cells", () => {
  const { run, grid } = played(["N2"]);
  run.step(0, "commit:before");
  run.process(0, "crashed");
  run.fault("N2");
  const text = grid.format();
  assertStringIncludes(text, `: 1 of ${PROTOCOL_LABELS.length} cells hit`);
  assertStringIncludes(text, `N2 empty (${PROTOCOL_LABELS.length - 1}): restore:begin`);
  const line = text.split("\n").find((each) => each.startsWith("commit:before"))!;
  assertEquals(line.split(/\s+/), ["commit:before", "1", "1", "-"]);
});
