import { assertEquals, assertStringIncludes } from "@std/assert";
import { CommitHistory } from "./commit_history.ts";
import { metadata, PlayedRun } from "./fixtures_test.ts";
import { InflightLedger, inflightLedgerOf } from "./inflight_ledger.ts";
import { SeamHandles } from "./seam_handles.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  const history = new CommitHistory(run);
  const handles = new SeamHandles();
  run.watch(history, handles, new InflightLedger(run, { history, handles }));
  run.fill(40);
  for (const process of [0, 1]) run.join(process);
  return run;
}

const live = (run: PlayedRun, process: number, offset: number) =>
  run.step(process, "restore:live", { partition: 0, offset: BigInt(offset) });

function seal(run: PlayedRun, process: number, from: number, to: number): void {
  run.step(process, "commit:sealed", { partition: 0, from: BigInt(from), to: BigInt(to), sequence: to });
}

const produce = (run: PlayedRun, process: number) => run.step(process, "produce:before", { partitions: [0] });
const commit = (run: PlayedRun, offset: number) => run.commit({ offset, metadata: metadata(offset) });
const most = (run: PlayedRun) => inflightLedgerOf(run)!.duplicatesMax(0);

Deno.test("I-06: nothing may be repeated while nothing fails", () => {
  const run = played();
  live(run, 0, 0);
  for (const to of [5, 9]) {
    seal(run, 0, to - 4, to);
    produce(run, 0);
    commit(run, to);
  }
  run.step(0, "task:closed-clean", { partition: 0 });
  live(run, 1, 9);
  assertEquals([most(run), run.violations], [0, []]);
});

Deno.test("I-06: a crash may repeat what was produced and not committed, once", () => {
  const run = played();
  live(run, 0, 0);
  seal(run, 0, 0, 5);
  produce(run, 0);
  commit(run, 5);
  seal(run, 0, 5, 12);
  produce(run, 0);
  live(run, 1, 5);
  assertEquals(most(run), 7);
  live(run, 0, 5);
  assertEquals(most(run), 7);
});

Deno.test("I-06: what was not produced yet, or lies below what is committed, is not repeated", () => {
  const run = played();
  live(run, 0, 0);
  seal(run, 0, 0, 5);
  produce(run, 0);
  commit(run, 5);
  seal(run, 0, 5, 12);
  live(run, 1, 2);
  assertEquals(most(run), 0);
});

Deno.test("I-06: attempts after the first, aborted commits and zombies may repeat their rows", () => {
  const again = played();
  live(again, 0, 0);
  seal(again, 0, 0, 5);
  produce(again, 0);
  produce(again, 0);
  assertEquals(most(again), 5);
  const aborted = played();
  live(aborted, 0, 0);
  seal(aborted, 0, 0, 6);
  produce(aborted, 0);
  aborted.step(0, "commit:aborted");
  assertEquals(most(aborted), 6);
  const zombie = played();
  live(zombie, 0, 0);
  live(zombie, 1, 0);
  seal(zombie, 0, 0, 3);
  produce(zombie, 0);
  assertEquals(most(zombie), 3);
});

Deno.test("I-06: a clean handover that leaves something uncommitted is found", () => {
  const run = played();
  live(run, 0, 0);
  seal(run, 0, 0, 5);
  produce(run, 0);
  run.step(0, "task:closed-clean", { partition: 0 });
  live(run, 1, 0);
  assertStringIncludes(
    run.violations[0]!,
    "I-06 a clean handover of in:0 of group 'app.in' to process 1.1 repeats 5 rows",
  );
});

Deno.test("I-06: a task that was closed before it went live hands nothing over", () => {
  const run = played();
  live(run, 0, 0);
  seal(run, 0, 0, 5);
  produce(run, 0);
  run.step(0, "task:closed-dirty", { partition: 0 });
  run.step(0, "task:closed-clean", { partition: 0 });
  live(run, 0, 0);
  assertEquals([run.violations, most(run)], [[], 5]);
});

Deno.test("I-06: exactly-once there is nothing to repeat", () => {
  const run = played();
  live(run, 0, 0);
  run.step(0, "transaction:begin");
  seal(run, 0, 0, 5);
  produce(run, 0);
  live(run, 1, 0);
  assertEquals(most(run), 0);
});
