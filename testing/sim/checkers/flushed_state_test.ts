import { assertEquals, assertStringIncludes } from "@std/assert";
import { CommitHistory } from "./commit_history.ts";
import { metadata, PlayedRun, storePosition } from "./fixtures_test.ts";
import { FlushedState } from "./flushed_state.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  const history = new CommitHistory(run);
  run.watch(history, new FlushedState(run, history));
  run.fill(20);
  return run;
}

const flush = (run: PlayedRun, offset: number, sequence: number) =>
  run.state(0, { method: "apply", phase: "called", position: storePosition(offset, sequence) });

Deno.test("I-03 is kept by flushes of what is committed, late ones too", () => {
  const run = played();
  flush(run, 0, 0);
  run.transact({ offset: 4, metadata: metadata(1) });
  run.transact({ offset: 8, metadata: metadata(2) });
  flush(run, 4, 1);
  flush(run, 8, 2);
  assertEquals(run.violations, []);
});

Deno.test("I-03: a store that is given more than is committed is found", () => {
  const run = played();
  run.commit({ offset: 4, metadata: metadata(1) });
  flush(run, 8, 2);
  assertStringIncludes(run.violations[0]!, "I-03 the store of in:0 of group 'app.in' in process 0.1 was given effects");
  assertStringIncludes(run.violations[0]!, "position 8, sequence 2, lineage first; committed is offset 4, sequence 1");
  flush(run, 5, 1);
  assertEquals(run.violations.length, 2);
});

Deno.test("I-03: exactly-once a store is never ahead of the group; at-least-once it may be", () => {
  const plain = played();
  plain.commit({ offset: 8, metadata: metadata(2) });
  plain.commit({ offset: 4, metadata: metadata(1) });
  flush(plain, 8, 2);
  assertEquals(plain.violations, []);
  const exact = played();
  exact.transact({ offset: 8, metadata: metadata(2) });
  exact.transact({ offset: 4, metadata: metadata(1) });
  flush(exact, 8, 2);
  assertStringIncludes(exact.violations[0]!, "is ahead of the group: expected at most offset 4");
});
