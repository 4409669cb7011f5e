/** An operator puts the offsets of a group back to an older export: what had come after it is a future that never was. */
import { assert, assertEquals } from "@std/assert";
import { int64, json, timestampMs, topic, tumblingCount, Turbine, utf8 } from "../../mod.ts";
import { MemoryBlobStore } from "../adapters/memory/memory_blob_store.ts";
import { CheckpointNames } from "../core/checkpoint_names.ts";
import { TestDriver } from "../../testing/test_driver.ts";

const GROUP = "windows.readings";
const NAMES = new CheckpointNames({ application: "windows", subscription: "readings", partition: 0 });
const readings = topic("readings", { value: json({ device: utf8(), ts: timestampMs() }), eventTime: "ts" });
const counts = topic("counts", {
  value: json({ device: utf8(), window_start: timestampMs(), window_end: timestampMs(), count: int64() }),
});

/** Counts by device in windows of a second, which close after half a second without input. */
function start(blobs = new MemoryBlobStore()): Promise<TestDriver> {
  const app = new Turbine("windows", {
    checkpointIntervalMs: 1_000,
    stateFlushIntervalMs: 400,
    retainedCheckpoints: 2,
    failoverGraceMs: 10_000,
  });
  app.subscribe(
    readings,
    { publishTo: counts, processingGuarantee: "exactly-once", idleTimeoutMs: 500, commitIntervalMs: 40 },
    tumblingCount({ name: "counts", sizeMs: 1_000, by: ["device"] }),
  );
  return TestDriver.start(app, { blobs, partitions: { readings: 1, counts: 1 } });
}

async function put(driver: TestDriver, ts: number, waitMs: number): Promise<void> {
  driver.broker.put("readings", [JSON.stringify({ device: "a", ts })], 0);
  await driver.advanceClock(waitMs);
  await driver.settle();
}

const groupOf = ({ broker }: TestDriver) => broker.cluster.state.groups.get(GROUP)!;
const committedOf = (driver: TestDriver) => [...groupOf(driver).offsets.values()][0]!;
const closed = (driver: TestDriver) => driver.read(counts).map(({ window_start, count }) => [window_start, count]);

/** Owner tokens of the checkpoints that are there. */
async function owners(blobs: MemoryBlobStore): Promise<number[]> {
  const parsed = (await blobs.list(NAMES.prefix)).map(({ name }) => NAMES.parse(name));
  return parsed.flatMap((object) => object?.kind === "manifest" ? [object.ownerToken] : []);
}

/** Stops the job, puts the group back and starts it again on another machine. */
async function putBack(driver: TestDriver, offsets: ReturnType<typeof committedOf>): Promise<void> {
  driver.crash();
  const { broker } = driver;
  for (const memberId of [...groupOf(driver).members.keys()]) {
    broker.cluster.expireMember({ groupId: GROUP, memberId }, broker.times());
  }
  broker.cluster.overwriteOffsets({ groupId: GROUP, offsets: [offsets] }, broker.times());
  await driver.restart(0, { node: "new" });
  await driver.advanceClock(100);
  await driver.settle();
}

Deno.test("exactly-once: a checkpoint of the abandoned future is not restored once the committed offset has passed it", async () => {
  const driver = await start();
  await put(driver, 100, 300);
  const exported = committedOf(driver);
  await driver.advanceClock(5_000);
  assertEquals(closed(driver), [[0, 1n]], "time has closed the window, and a checkpoint knows it");
  await putBack(driver, exported);
  // Now the second reading comes before the window closes: in this history it counts.
  await put(driver, 200, 300);
  driver.crash();
  driver.trace.length = 0;
  await driver.restart(0, { node: "new" });
  await driver.advanceClock(5_000);
  assertEquals(closed(driver), [[0, 1n], [0, 2n]]);
  assert(driver.trace.some(({ message }) => message?.includes("something else was decided on the way")));
  await driver.close();
});

Deno.test("exactly-once: after a group was put back the new owner's checkpoints are kept, and the abandoned ones go", async () => {
  const blobs = new MemoryBlobStore();
  const driver = await start(blobs);
  await put(driver, 100, 300);
  const exported = committedOf(driver);
  for (let at = 1; at <= 4; at++) await put(driver, 100 + at * 3_000, 1_500);
  const abandoned = await owners(blobs);
  assertEquals(abandoned.length, 2);
  await putBack(driver, exported);
  // Fewer commits lead to the same place and beyond: no number of commits tells which checkpoint is newer.
  for (let at = 5; at <= 7; at++) {
    await put(driver, 100 + at * 3_000, 1_500);
    assert((await owners(blobs)).some((owner) => owner > abandoned[0]!), "the new owner's newest checkpoint is kept");
  }
  assertEquals((await owners(blobs)).filter((owner) => abandoned.includes(owner)), []);
  assertEquals((await owners(blobs)).length, 2);
  await driver.close();
});
