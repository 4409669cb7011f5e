import { assertEquals, assertMatch } from "@std/assert";
import type { SimOptions } from "../contracts.ts";
import { History, type Row } from "./history_fixture_test.ts";
import { OUTPUT } from "./job_app.ts";
import { DISORDER_MS, windowLengths } from "./windows.ts";

const IDLE = { idleTimeoutMs: 1_000 };

/** A history of the job of windows, with windows counted from 0. */
class Windows extends History {
  readonly sizeMs: number;
  /** Task time at which a window that starts at 0 closes. */
  readonly closeMs: number;

  constructor(drawn: Partial<SimOptions> = {}) {
    super({ job: "windows", ...drawn });
    const { sizeMs, allowedLatenessMs } = windowLengths(this.options);
    this.sizeMs = sizeMs;
    this.closeMs = sizeMs + allowedLatenessMs + DISORDER_MS;
  }

  visits(...times: readonly number[]): void {
    this.input(times.map((ts, id) => ({ id, partition: 0, key: "a", ts })));
  }

  window(at: number, count: number): Row {
    const start = at * this.sizeMs;
    return { partition: 0, key: "a", window_start: start, window_end: start + this.sizeMs, count };
  }
}

Deno.test("WindowChecker says nothing of a right history; late rows must be told", () => {
  const history = new Windows();
  history.visits(1, 2, history.closeMs, 3);
  history.write(OUTPUT, [history.window(0, 2)]);
  history.commit(4);
  history.end();
  assertEquals(history.broken, ["I-01"]);
  assertMatch(history.violations[0]!, /1 rows came too late, and the job tells of 0 only/);
  history.violations.length = 0;
  history.lateRows("other", 5);
  history.end();
  assertEquals(history.broken, ["I-01"], "another operator");
  history.violations.length = 0;
  history.lateRows("visits", 1);
  assertEquals(history.end(), []);
});

Deno.test("WindowChecker finds a window that is lost, repeated, wrong, or not over", () => {
  const history = (rows: (of: Windows) => readonly Row[], drawn: Partial<SimOptions> = {}): string[] => {
    const made = new Windows(drawn);
    made.visits(1, 2, made.closeMs);
    made.write(OUTPUT, rows(made));
    made.commit(3);
    made.end();
    return made.broken.slice(0, 1);
  };
  const repeated = (of: Windows) => [of.window(0, 2), of.window(0, 2)];
  assertEquals(history((of) => [of.window(0, 2)]), []);
  assertEquals(history(() => []), ["I-04"]);
  assertEquals(history(repeated), ["I-05"]);
  assertEquals(history(repeated, { guarantee: "at-least-once" }), ["I-06"], "nothing has gone wrong");
  assertEquals(history((of) => [of.window(0, 1)], { guarantee: "at-least-once" }), ["I-01"]);
  assertEquals(history((of) => [of.window(0, 2), of.window(1, 1)]), ["I-01"]);
  assertEquals(history((of) => [{ ...of.window(0, 2), window_end: 1 }]), ["I-01"]);
});

Deno.test("WindowChecker follows the jumps of time that commits tell of, under exactly-once", () => {
  const history = new Windows(IDLE);
  history.visits(1);
  history.write(OUTPUT, [history.window(0, 1)]);
  assertEquals(history.broken, [], "a commit may come and explain it");
  history.commit(1, { jumps: [[1, history.closeMs]] });
  assertEquals(history.end(), []);
  // Behind the jump the next row is late; without it, it would have been counted.
  history.visits(2);
  history.commit(2, { jumps: [[1, history.closeMs]] });
  history.lateRows("visits", 1);
  assertEquals(history.end(), []);
  history.write(OUTPUT, [history.window(0, 2)]);
  assertEquals(history.broken, ["I-01"]);
});

Deno.test("WindowChecker finds a window that no commit closes, under exactly-once", () => {
  const history = new Windows(IDLE);
  history.visits(1);
  history.write(OUTPUT, [history.window(0, 1)]);
  history.commit(1);
  history.end();
  assertEquals(history.broken, ["I-05"]);
  assertMatch(history.violations[0]!, /a window that no commit closes/);
});

Deno.test("WindowChecker finds a wrong count that was seen before its commit", () => {
  const history = new Windows(IDLE);
  history.visits(1, 2);
  history.write(OUTPUT, [history.window(0, 1)]);
  history.commit(2, { jumps: [[2, history.closeMs]] });
  assertEquals(history.broken, ["I-01"]);
});

Deno.test("WindowChecker takes a jump that has grown at its offset for the one it was", () => {
  const history = new Windows(IDLE);
  history.visits(1, history.sizeMs + 1);
  history.commit(2, { jumps: [[2, history.closeMs]] });
  history.commit(2, { jumps: [[2, history.closeMs + history.sizeMs]] });
  history.write(OUTPUT, [history.window(0, 1), history.window(1, 1)]);
  assertEquals(history.end(), []);
});

Deno.test("WindowChecker lets attempts that were never committed publish, under at-least-once, within reason", () => {
  const history = new Windows({ ...IDLE, guarantee: "at-least-once" });
  history.fired.push({ fault: { kind: "P1", atMs: 0, process: 0, durationMs: 0, draw: 0 }, atMs: 0, what: "" });
  history.visits(1);
  // A jump closed it; the process crashed before it could commit; the next one saw another row first.
  history.write(OUTPUT, [history.window(0, 1)]);
  history.visits(2, history.closeMs);
  history.write(OUTPUT, [history.window(0, 2)]);
  history.commit(3);
  assertEquals(history.end(), []);
  history.write(OUTPUT, [history.window(0, 3)]);
  history.end();
  assertEquals(history.broken, ["I-01"]);
});

Deno.test("WindowChecker goes by the last history under at-least-once: a late commit may take a jump back", () => {
  const history = new Windows({ ...IDLE, guarantee: "at-least-once" });
  history.visits(1);
  history.commit(1, { jumps: [[1, history.closeMs]] });
  history.commit(1);
  assertEquals(history.end(), []);
  history.visits(2, history.closeMs);
  history.commit(3);
  history.end();
  assertEquals(history.broken, ["I-04"]);
  history.violations.length = 0;
  history.write(OUTPUT, [history.window(0, 2)]);
  assertEquals(history.end(), []);
});

Deno.test("WindowChecker judges lateness of a chain by the rows that it drops too", () => {
  const history = new History({ job: "chain" });
  const { sizeMs, allowedLatenessMs } = windowLengths(history.options);
  const closeMs = sizeMs + allowedLatenessMs + DISORDER_MS;
  const row = (id: number, amount: number, timestampMs: number) => ({
    value: JSON.stringify({ id, partition: 0, amount }),
    timestampMs,
  });
  history.input([row(1, 50, 1), row(2, 5, closeMs), row(3, 50, 2)]);
  history.write(OUTPUT, [{ partition: 0, bucket: 2, window_start: 0, window_end: sizeMs, count: 1 }]);
  history.lateRows("histogram", 1);
  history.commit(3);
  assertEquals(history.end(), []);
});
