import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { MemoryBlobStore } from "../adapters/memory/memory_blob_store.ts";
import { GUARANTEES, tallyApp, TallyRun } from "./protocol_fixture_test.ts";

for (const guarantee of GUARANTEES) {
  for (const what of ["manifest", "file"] as const) {
    Deno.test(`${guarantee}: when nothing but a checkpoint with a damaged ${what} is left, nothing begins anew unasked`, async () => {
      const blobs = new MemoryBlobStore();
      const run = await TallyRun.start(tallyApp(guarantee), { blobs });
      run.feed(10);
      await run.check();
      await run.driver.stop(0);
      await run.driver.advanceClock(11_000);
      run.driver.broker.expireOffsets("tally.events");
      const ending = what === "manifest" ? "-manifest.json" : ".arrow";
      const get = blobs.get.bind(blobs);
      blobs.get = async (name) => {
        const bytes = await get(name);
        return name.endsWith(ending) ? bytes?.map((byte, at) => at === bytes.length >> 1 ? byte ^ 4 : byte) : bytes;
      };
      const error = await assertRejects(() => run.driver.restart(0, { node: "new" }), Error);
      assertEquals(error.name, "RecoveryImpossibleError");
      assertStringIncludes(error.message, "checkpoints, ");
      await run.close();
    });
  }
}
