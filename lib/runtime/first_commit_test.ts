import { assertEquals } from "@std/assert";
import { int64, json, timestampMs, topic, tumblingCount, Turbine, utf8 } from "../../mod.ts";
import { TestDriver } from "../../testing/test_driver.ts";
import { GUARANTEES } from "./protocol_fixture_test.ts";

const readings = topic("readings", { value: json({ device: utf8(), ts: timestampMs() }), eventTime: "ts" });
const counts = topic("counts", {
  value: json({ device: utf8(), window_start: timestampMs(), window_end: timestampMs(), count: int64() }),
});

for (const guarantee of GUARANTEES) {
  Deno.test(`${guarantee}: a crash before the first commit leaves nothing that would have to be recovered`, async () => {
    const app = new Turbine("windows", { checkpointIntervalMs: 50, stateFlushIntervalMs: 0 });
    app.subscribe(
      readings,
      { publishTo: counts, processingGuarantee: guarantee },
      tumblingCount({ name: "counts", sizeMs: 1_000, by: ["device"] }),
    );
    for (const label of ["commit:before", "flush:after", "checkpoint:manifest-after"] as const) {
      const driver = await TestDriver.start(app, { partitions: { readings: 1, counts: 1 }, latencyMs: 200 });
      await driver.crashAt(label);
      await driver.advanceClock(5_000);
      const rows = [100, 900, 1_500].map((ts) => JSON.stringify({ device: "a", ts }));
      driver.broker.put("readings", rows, 0);
      await driver.settle();
      assertEquals(driver.read(counts).map(({ count }) => count), [2n], label);
      await driver.close();
    }
  });
}
