import { assertEquals, assertMatch } from "@std/assert";
import { History } from "./history_fixture_test.ts";
import { OUTPUT } from "./job_app.ts";

const BAD = { value: '{"id":"seven","key":"a"}' };

Deno.test("DeadLetterChecker asks for each refused record in the topic of refused records, as it was", () => {
  const history = new History({ job: "tally" });
  history.input([BAD, { id: 2, key: "a" }, { value: null }]);
  history.write(OUTPUT, [{ id: 2, key: "a", count: 1, partition: 0, offset: 1 }]);
  history.letter(BAD.value, { offset: 0 });
  history.commit(2);
  assertEquals(history.end(), []);
  history.commit(3);
  history.end();
  assertEquals(history.broken, ["I-29"]);
  assertMatch(history.violations[0]!, /3 is committed and topic 'input.dead-letter' lacks .* offset 2: null/);
  const other = new History({ job: "tally" });
  other.input([BAD]);
  other.letter("{}", { offset: 0 });
  assertMatch(other.violations[0]!, /I-29 .* holds '{}' for input partition 0 offset 0, which was/);
});

Deno.test("DeadLetterChecker finds a refused record that passed in silence, and a good one that was refused", () => {
  const passed = new History({ job: "tally" });
  passed.input([BAD]);
  passed.write(OUTPUT, [{ id: 7, key: "a", count: 1, partition: 0, offset: 0 }]);
  assertEquals(passed.broken, ["I-29"]);
  assertMatch(passed.violations[0]!, /output of a record that must be refused/);
  const good = new History({ job: "tally" });
  good.input([{ id: 2, key: "a" }]);
  good.letter('{"id":2,"key":"a"}', { offset: 0 });
  assertEquals(good.broken, ["I-29"]);
});

Deno.test("DeadLetterChecker finds a second letter under exactly-once only", () => {
  for (const guarantee of ["exactly-once", "at-least-once"] as const) {
    const history = new History({ job: "tally", guarantee });
    history.input([BAD]);
    history.letter(BAD.value, { offset: 0 });
    history.letter(BAD.value, { offset: 0 });
    assertEquals(history.broken, guarantee === "exactly-once" ? ["I-29"] : []);
  }
});

Deno.test("DeadLetterChecker asks under skip that refused records are counted, and go nowhere", () => {
  const history = new History({ job: "tally", onRecordError: "skip" });
  history.input([BAD, BAD]);
  history.refusedRows(1);
  history.commit(1);
  assertEquals(history.end(), []);
  history.commit(2);
  history.end();
  assertMatch(history.violations[0]!, /I-29 2 records of partition 0 must be refused .* and 1 were counted/);
  const sent = new History({ job: "tally", onRecordError: "skip" });
  sent.input([BAD]);
  sent.letter(BAD.value, { offset: 0 });
  assertEquals(sent.broken, ["I-29"]);
});

Deno.test("DeadLetterChecker knows of rows that a handler rejects, and of rows that cannot be written", () => {
  const rejected = new History({ job: "poison" });
  const negative = '{"id":1,"key":"a","amount":-1}';
  rejected.input([{ value: negative }]);
  rejected.letter(negative, { offset: 0 });
  rejected.commit(1);
  assertEquals(rejected.end(), []);
  const unwritable = new History({ job: "stateless" });
  const endless = { id: 1, partition: 0, amount: 50, parts: 0 };
  unwritable.input([endless]);
  unwritable.commit(1);
  unwritable.end();
  assertEquals(unwritable.broken, ["I-29"]);
  unwritable.letter(JSON.stringify(endless), { offset: 0 });
  unwritable.violations.length = 0;
  assertEquals(unwritable.end(), []);
  unwritable.write(OUTPUT, [{ id: 1, partition: 0, doubled: 101, share: 1 }]);
  assertEquals(unwritable.broken, ["I-29"]);
});

Deno.test("DeadLetterChecker finds a status that does not count the rows which its process has refused", () => {
  const history = new History({ job: "tally", onRecordError: "skip" });
  history.input([BAD, BAD]);
  // Silent replay refuses again what was refused.
  history.refusedRows(5);
  history.goesLive();
  history.refusedRows(2);
  history.commit(2);
  history.statusSays(2);
  assertEquals(history.end(), []);
  history.statusSays(1);
  assertMatch(history.end()[0]!, /I-29 process 0 has refused 2 rows of partition 0 .* and its status says 1/);
});
