import { assertEquals, assertMatch } from "@std/assert";
import type { SimOptions } from "../contracts.ts";
import { History, type Row } from "./history_fixture_test.ts";
import { GROUP_ID, INPUT, OUTPUT } from "./job_app.ts";
import { RowChecker } from "./row_checker.ts";
import { TallyReference } from "./tally.ts";

const A = { id: 1, key: "a" }, B = { id: 2, key: "b" }, A2 = { id: 3, key: "a" };
const OUT_A = { id: 1, key: "a", count: 1, partition: 0, offset: 0 };
const OUT_B = { id: 2, key: "b", count: 1, partition: 0, offset: 1 };
const OUT_A2 = { id: 3, key: "a", count: 2, partition: 0, offset: 2 };

/** Three records of a tally, and what is published. */
function told(published: readonly Row[], more: Partial<SimOptions> = {}): History {
  const history = new History({ job: "tally", ...more });
  history.input([A, B, A2]);
  history.write(OUTPUT, published);
  history.commit(3);
  history.end();
  return history;
}

Deno.test("RowChecker says nothing of a right history, in both guarantees", () => {
  assertEquals(told([OUT_A, OUT_B, OUT_A2]).violations, []);
  assertEquals(told([OUT_A, OUT_B, OUT_A2], { guarantee: "at-least-once" }).violations, []);
});

Deno.test("RowChecker finds a row that is lost (I-04), and not before its input is committed", () => {
  const history = told([OUT_A, OUT_A2]);
  assertEquals(history.broken, ["I-04"]);
  assertMatch(history.violations[0]!, /3 is committed and topic 'output' lacks .* partition 0 offset 1/);
  const early = new History({ job: "tally" });
  early.input([A, B]);
  early.write(OUTPUT, [OUT_A]);
  early.commit(1);
  assertEquals(early.end(), []);
});

Deno.test("RowChecker finds a second row (I-05) under exactly-once only, at once", () => {
  const history = new History({ job: "tally" });
  history.input([A]);
  history.write(OUTPUT, [OUT_A]);
  assertEquals(history.broken, []);
  history.write(OUTPUT, [OUT_A]);
  assertEquals(history.broken, ["I-05"]);
  assertMatch(history.violations[0]!, /offset 1 is there a second time/);
  assertEquals(told([OUT_A, OUT_A, OUT_B, OUT_A2], { guarantee: "at-least-once" }).violations, []);
});

Deno.test("RowChecker finds a wrong value (I-01), also under at-least-once", () => {
  for (const guarantee of ["exactly-once", "at-least-once"] as const) {
    const history = told([OUT_A, OUT_B, { ...OUT_A2, count: 1 }], { guarantee });
    assertEquals(history.broken[0], "I-01");
    assertMatch(history.violations[0]!, /partition 0 offset 2: 'count' must be 2 and is 1/);
  }
  assertEquals(told([OUT_A, OUT_B, { ...OUT_A2, more: 1 }]).broken[0], "I-01");
});

Deno.test("RowChecker finds rows of one key that change places (I-07), and lets those of two keys do so", () => {
  assertEquals(told([OUT_A2, OUT_A, OUT_B], { guarantee: "at-least-once" }).broken, ["I-07"]);
  assertEquals(told([OUT_B, OUT_A, OUT_A2]).violations, []);
  const again = told([OUT_A, OUT_B, OUT_A2, OUT_A, OUT_A2], { guarantee: "at-least-once" });
  assertEquals(again.violations, [], "a repetition may begin again");
});

Deno.test("RowChecker finds the output of an aborted record, and of one that was never written", () => {
  const history = new History({ job: "tally" });
  history.input([A], { as: "aborted" });
  history.write(OUTPUT, [OUT_A]);
  assertEquals(history.broken, ["I-05"]);
  assertMatch(history.violations[0]!, /output of no record that readers see/);
  assertEquals(told([OUT_A, OUT_B, OUT_A2, { ...OUT_A, offset: 77 }], { guarantee: "at-least-once" }).broken, ["I-01"]);
});

Deno.test("RowChecker knows what aborted records leave: the next ones count as if they had never been", () => {
  const history = new History({ job: "tally" });
  history.input([A], { as: "aborted" });
  history.input([A2], { as: "committed" });
  // One record and one marker lie before it.
  history.write(OUTPUT, [{ ...OUT_A2, count: 1, offset: 2 }], { as: "committed" });
  history.commit(4);
  assertEquals(history.end(), []);
});

Deno.test("RowChecker sees what readers see: an open transaction hides what is behind it, an aborted one is not there", () => {
  const history = new History({ job: "tally" });
  const end = history.input([A], { as: "open" });
  history.input([B]);
  end(true);
  history.write(OUTPUT, [{ ...OUT_A, count: 7 }], { as: "aborted" });
  const decide = history.write(OUTPUT, [OUT_A], { as: "open" });
  history.write(OUTPUT, [OUT_B, OUT_B]);
  assertEquals(history.broken, [], "not visible yet");
  decide(true);
  assertEquals(history.broken, ["I-05"], "the second one is");
});

Deno.test("RowChecker asks nothing of partitions that a fault has excused, and everything of the others", () => {
  const history = new History({ job: "tally" });
  history.input([A]);
  history.input([B], { partition: 1 });
  history.excused.set("input:0", "its log was truncated");
  history.write(OUTPUT, [{ ...OUT_A, count: 9 }, { ...OUT_A, count: 9 }]);
  history.commit(1);
  assertEquals(history.end(), []);
  history.commit(1, { partition: 1 });
  history.end();
  assertEquals(history.broken, ["I-04"]);
});

Deno.test("RowChecker judges tables by additions in input order, deletions and nulls", () => {
  const run = (change: Record<string, unknown>): string[] => {
    const history = new History({ job: "tables" });
    const add = (id: number, amount: number, key: string | null = "k1") => ({
      key,
      value: JSON.stringify({ id, op: "add", amount }),
    });
    history.input([
      add(1, 0.1),
      add(2, 0.2),
      add(3, 0.3, null),
      { key: "k1", value: JSON.stringify({ id: 4, op: "close", amount: 0 }) },
      add(5, 1),
    ]);
    const row = { account: "k1", partition: 0 };
    const rows = [
      { id: 1, ...row, count: 1, sum: 0.1, last: 1, note: "n1", offset: 0 },
      { id: 2, ...row, count: 2, sum: 0.1 + 0.2, last: 2, note: "n2", offset: 1 },
      { id: 3, ...row, account: "(none)", count: 1, sum: 0.3, last: 3, note: "n3", offset: 2 },
      { id: 4, ...row, count: 0, sum: 0, last: 0, note: null, offset: 3 },
      { id: 5, ...row, count: 1, sum: 1, last: 5, note: "n5", offset: 4 },
    ];
    const at = rows.findIndex(({ id }) => id === change.id);
    if (at >= 0) rows[at] = { ...rows[at]!, ...change };
    history.write(OUTPUT, rows);
    history.commit(5);
    history.end();
    return history.broken.slice(0, 1);
  };
  assertEquals(run({}), []);
  assertEquals(run({ id: 2, sum: 0.3 }), ["I-01"]);
  assertEquals(run({ id: 5, count: 3 }), ["I-01"]);
  assertEquals(run({ id: 2, note: null }), ["I-01"]);
});

Deno.test("RowChecker judges a second output topic by its own reference", () => {
  const history = new History({ job: "poison" });
  history.input([{ id: 1, key: "a", amount: 90 }, { id: 2, key: "a", amount: 5 }]);
  history.write(OUTPUT, [
    { id: 1, key: "a", amount: 90, partition: 0, offset: 0 },
    { id: 2, key: "a", amount: 5, partition: 0, offset: 1 },
  ]);
  history.commit(2);
  history.end();
  assertEquals(history.broken, ["I-04"]);
  assertMatch(history.violations[0]!, /topic 'side' lacks/);
  const extra = new History({ job: "poison" });
  extra.input([{ id: 2, key: "a", amount: 5 }]);
  extra.write("side", [{ id: 2, partition: 0, offset: 0 }]);
  assertEquals(extra.broken, ["I-05"]);
});

Deno.test("RowChecker bounds repetitions under at-least-once by what failures explain (I-06)", () => {
  for (const [most, broken] of [[1, ["I-06"]], [2, []]] as const) {
    const history = new History({ job: "tally", guarantee: "at-least-once" });
    const checker = new RowChecker(history.view, {
      groupId: GROUP_ID,
      input: INPUT,
      output: OUTPUT,
      place: "offset",
      reference: new TallyReference(),
      bound: { duplicatesMax: () => most },
    });
    history.broker.cluster.onChange((change) => checker.change(change));
    history.input([A, B]);
    history.write(OUTPUT, [OUT_A, OUT_B, OUT_A, OUT_B]);
    history.commit(2);
    checker.quiet();
    assertEquals<readonly string[]>(history.broken, broken);
    assertEquals([checker.expectedRows, [...checker.duplicates]], [2, [[0, 2]]]);
  }
});
