/** A member that has nothing to do wakes up seldom; what has a deadline does not wait for that. */
import { assert, assertEquals } from "@std/assert";
import { EmbeddedConsumer } from "../adapters/embedded/embedded_consumer.ts";
import { GUARANTEES, tallyApp, TallyRun } from "./protocol_fixture_test.ts";

/** Counts the polls of all members while something is done. */
async function pollsDuring(work: () => Promise<void>): Promise<number> {
  const { poll } = EmbeddedConsumer.prototype;
  let polls = 0;
  EmbeddedConsumer.prototype.poll = function (options) {
    polls++;
    return poll.call(this, options);
  };
  try {
    await work();
  } finally {
    EmbeddedConsumer.prototype.poll = poll;
  }
  return polls;
}

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: an idle member polls about once a second`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee), { partitions: { events: 3 } });
    run.feed(10);
    await run.check();
    await run.driver.advanceClock(5_000);
    const polls = await pollsDuring(() => run.driver.advanceClock(30_000));
    assert(polls >= 29 && polls <= 40, `${polls} polls`);
    await run.close();
  });

  Deno.test(`${guarantee}: an idle member flushes and takes a checkpoint when that is due`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee));
    const { driver } = run;
    const until = async (label: string): Promise<number> => {
      driver.trace.length = 0;
      for (let waited = 0; waited < 5_000 && !driver.trace.some((each) => each.label === label); waited++) {
        await driver.advanceClock(1);
      }
      return driver.clock.monotonicMs();
    };
    run.feed(3);
    await run.check();
    await driver.advanceClock(5_000);
    run.feed(3);
    const begunMs = await until("checkpoint:begin");
    await driver.advanceClock(20);
    run.feed(3);
    const flushedMs = await until("flush:before");
    const checkpointMs = await until("checkpoint:begin");
    const waits = [flushedMs - begunMs, checkpointMs - begunMs];
    assert(waits[0]! >= 149 && waits[0]! <= 155 && waits[1]! >= 699 && waits[1]! <= 705, `${waits}`);
    await run.check();
    await run.close();
  });

  Deno.test(`${guarantee}: partitions that are given to a member in a poll are opened at once`, async () => {
    const run = await TallyRun.start(tallyApp(guarantee), { workers: 2, partitions: { events: 2 }, isStatic: false });
    const { driver } = run;
    run.feed(4, 0);
    run.feed(4, 1);
    await run.check();
    await driver.advanceClock(5_000);
    const { memberId } = driver.broker.members("tally.events")[0]!;
    driver.trace.length = 0;
    driver.broker.expireMember("tally.events", memberId);
    await driver.advanceClock(200);
    assertEquals(driver.trace.filter(({ label }) => label === "restore:live").length >= 2, true);
    await run.check();
    await run.close();
  });
}
