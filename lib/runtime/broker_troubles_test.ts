/** What a broker does to a running app that waiting does not mend, and what it may do for a while. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { batchOf, json, topic, Turbine, utf8 } from "../../mod.ts";
import { TestDriver } from "../../testing/test_driver.ts";
import { GUARANTEES, tallies, tallyApp, TallyRun } from "./protocol_fixture_test.ts";

/** The error that ends the app, while virtual time passes. */
async function ending(driver: TestDriver, ms = 60_000): Promise<Error | undefined> {
  let failure: Error | undefined;
  await driver.advanceClock(ms).catch((error) => failure = error);
  return failure ?? driver.running().failure;
}

const GROUP = "tally.events";
const committedOf = (run: TallyRun, partition: number) =>
  run.driver.broker.committedOffsets(GROUP).find((each) => each.partition === partition)?.offset ?? 0;

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: retention that passes a position leaves that partition out, loudly; the others go on`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee), { partitions: { events: 2 } });
    const { driver } = run;
    run.feed(10, 0);
    run.feed(10, 1);
    await driver.settle();
    const committed = committedOf(run, 1);
    run.feed(10, 1);
    driver.broker.deleteRecordsBefore("events", 1, committed + 5);
    await driver.advanceClock(20_000);
    const { failures, tasks } = driver.running().status()[0]!;
    const failure = failures.get(1);
    assertEquals(failure?.name, "OffsetOutOfRangeError");
    assertStringIncludes(failure!.message, "restore them, or set the group 'tally.events' to an offset");
    assertEquals([tasks.map(({ partition }) => partition), committedOf(run, 1)], [[0], committed]);
    run.feed(10, 0);
    await driver.advanceClock(5_000);
    assertEquals(driver.read(tallies).filter(({ partition }) => partition === 0).length, 20);
    await driver.close();
  });

  Deno.test(`${guarantee}: retention that passes the only position stops the app and resets nothing`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee));
    const { driver } = run;
    run.feed(10);
    await driver.settle();
    const committed = committedOf(run, 0);
    run.feed(10);
    driver.broker.deleteRecordsBefore("events", 0, committed + 5);
    assertEquals((await ending(driver))?.name, "OffsetOutOfRangeError");
    assertEquals([committedOf(run, 0), driver.read(tallies).length], [committed, 10]);
    await driver.close().catch(() => undefined);
  });

  Deno.test(`${guarantee}: a record that the broker refuses as too large stops the app, and nothing of its commit stays`, async () => {
    const wide = topic("wide", { value: json({ text: utf8() }) });
    const app = new Turbine("wide");
    const input = topic("in", { value: json({ text: utf8() }) });
    app.subscribe(input, { publishTo: wide, processingGuarantee: guarantee }, (batch) => {
      const texts = batch.getChild("text").toJSON();
      return batchOf(wide.schema, texts.map((text) => ({ text: text === "long" ? "x".repeat(2_000_000) : text })));
    });
    const driver = await TestDriver.start(app, { partitions: { in: 1, wide: 1 } });
    driver.broker.put("in", [JSON.stringify({ text: "a" })]);
    await driver.settle();
    driver.broker.put("in", [JSON.stringify({ text: "b" }), JSON.stringify({ text: "long" })]);
    assertEquals((await ending(driver))?.name, "RecordTooLargeError");
    assertEquals(driver.read(wide).map(({ text }) => text), ["a"]);
    assertEquals(driver.broker.committedOffsets("wide.in")[0]!.offset <= 2, true);
    await driver.close().catch(() => undefined);
  });
}

Deno.test("exactly-once: transactions that abort again and again stop the app after 'taskTimeoutMs', with their reason", async () => {
  const run = await TallyRun.start(tallyApp("exactly-once", { app: { taskTimeoutMs: 5_000 } }));
  const { driver } = run;
  run.feed(4);
  await driver.settle();
  driver.broker.faults.next("sendOffsets", "refused", { times: Infinity });
  run.feed(4);
  const before = driver.trace.length;
  const failure = await ending(driver, 120_000);
  assertEquals(failure?.name, "BrokerUnavailableError");
  const aborts = driver.trace.slice(before).filter(({ label }) => label === "commit:aborted").length;
  assert(aborts >= 3, `only ${aborts} attempts`);
  driver.broker.faults.clear();
  await driver.close().catch(() => undefined);
});
