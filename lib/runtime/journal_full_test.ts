import { assert, assertEquals } from "@std/assert";
import { int64, json, timestampMs, topic, tumblingCount, Turbine, utf8 } from "../../mod.ts";
import { MemoryBlobStore } from "../adapters/memory/memory_blob_store.ts";
import { BlobUnavailableError } from "../base/errors.ts";
import { TestDriver } from "../../testing/test_driver.ts";

const readings = topic("readings", { value: json({ device: utf8(), ts: timestampMs() }), eventTime: "ts" });
const counts = topic("counts", {
  value: json({ device: utf8(), window_start: timestampMs(), window_end: timestampMs(), count: int64() }),
});

/** A blob store that can be away. */
class AbsentBlobStore extends MemoryBlobStore {
  isAway = false;

  override create(name: string, bytes: Uint8Array) {
    const error = new BlobUnavailableError("The store is away");
    return this.isAway ? Promise.reject(error) : super.create(name, bytes);
  }
}

/** Windows of one second that only idle time closes; nothing but a full journal asks for a checkpoint. */
function windowApp(): Turbine {
  const hour = 3_600_000;
  const app = new Turbine("full", { checkpointIntervalMs: 10 * hour, failoverGraceMs: 10_000 });
  app.subscribe(
    readings,
    {
      publishTo: counts,
      processingGuarantee: "exactly-once",
      idleTimeoutMs: 100,
      commitIntervalMs: 20,
      replayMsMax: 10 * hour,
    },
    tumblingCount({ name: "counts", sizeMs: 1_000, by: ["device"] }),
  );
  return app;
}

/** Far apart, so that each jump of time takes many bytes of the journal. */
const STEP_MS = 7_777_000_000_000;

/** One reading, then silence until its window has closed. */
async function closeWindow(driver: TestDriver, number: number): Promise<void> {
  driver.broker.put("readings", [JSON.stringify({ device: "a", ts: number * STEP_MS })], 0);
  await driver.advanceClock(1_120);
}

const labels = (driver: TestDriver, label: string) => driver.trace.filter((each) => each.label === label).length;
const starts = (driver: TestDriver) => driver.read(counts).map(({ window_start }) => window_start / STEP_MS);
const firstWindows = (count: number) => Array.from({ length: count }, (_, number) => number);

Deno.test("a full decision journal forces a checkpoint, which makes room in it", async () => {
  const driver = await TestDriver.start(windowApp(), { partitions: { readings: 1, counts: 1 } });
  let longest = 0;
  for (let number = 0; number < 280; number++) {
    await closeWindow(driver, number);
    longest = Math.max(longest, driver.broker.committedOffsets("full.readings")[0]?.metadata.length ?? 0);
  }
  assertEquals(starts(driver), firstWindows(280), "each window closes once, by idle time alone");
  assert(longest > 3_000 && longest <= 4_096, `the metadata had ${longest} bytes`);
  const checkpoints = labels(driver, "checkpoint:manifest-after");
  assert(checkpoints >= 1 && checkpoints <= 5, `${checkpoints} checkpoints were taken`);
  // Another node repeats the jumps at their offsets: nothing closes again, nothing is left open.
  driver.crash();
  await driver.restart(0, { node: "new" });
  await closeWindow(driver, 280);
  assertEquals(starts(driver), firstWindows(281));
  await driver.close();
});

Deno.test("while no checkpoint makes room in a full decision journal, time stands still, and goes on afterwards", async () => {
  const blobs = new AbsentBlobStore();
  const driver = await TestDriver.start(windowApp(), { partitions: { readings: 1, counts: 1 }, blobs });
  await closeWindow(driver, 0);
  blobs.isAway = true;
  let closed = 0;
  for (let number = 1; number < 400; number++) {
    await closeWindow(driver, number);
    closed = driver.read(counts).length;
    if (closed <= number) break;
  }
  assert(closed > 100, `only ${closed} windows closed before the journal was full`);
  await driver.advanceClock(5_000);
  assertEquals(driver.read(counts).length, closed, "time moved without a place in the journal");
  // Records are processed as before: they close the window that idle time could not.
  driver.broker.put("readings", [JSON.stringify({ device: "a", ts: 400 * STEP_MS })], 0);
  await driver.advanceClock(5_000);
  assertEquals(driver.read(counts).length, closed + 1);
  blobs.isAway = false;
  await driver.advanceClock(5_000);
  assertEquals(driver.read(counts).length, closed + 2, "the last window is still open");
  assertEquals(new Set(starts(driver)).size, closed + 2);
  await driver.close();
});
