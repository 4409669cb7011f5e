import { assertEquals, assertStringIncludes } from "@std/assert";
import { InvariantError } from "../../../lib/base/assert.ts";
import { BlobUnavailableError, BrokerTimeoutError, DiskFullError, FencedError } from "../../../lib/base/errors.ts";
import { notApplied } from "../../../lib/base/outcome.ts";
import { PlayedRun } from "./fixtures_test.ts";
import { SurfacedErrors } from "./surfaced_errors.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  run.watch(new SurfacedErrors(run));
  return run;
}

Deno.test("I-31 is kept by errors of the table, and by store errors that a fault explains", async () => {
  const run = played();
  run.settled(0, { kind: "consumer", method: "poll", error: new BrokerTimeoutError("no answer") });
  run.settled(0, { kind: "transactional", method: "commit", value: notApplied(new FencedError("taken over")) });
  run.log(0, "error", "no space", { error: "DiskFullError" });
  run.log(0, "info", "as it is", { error: "anything" });
  run.blobs.arm({ kind: "S12", atMs: 0, process: 0, durationMs: 0, draw: 0 });
  const denied = await run.blobs.get("a").catch((error) => error);
  run.process(0, "failed", denied);
  run.fault("D1");
  run.state(0, { method: "apply", error: new DiskFullError("no space") });
  assertEquals(run.violations, []);
});

Deno.test("I-31: a broken invariant, or an error that is none of the library's, is found wherever it surfaces", () => {
  for (const error of [new InvariantError("never"), new TypeError("of undefined"), "text"]) {
    const run = played();
    run.settled(0, { kind: "consumer", method: "poll", error });
    run.state(0, { method: "apply", error });
    run.process(0, "failed", error as Error);
    assertEquals(run.violations.length, 3);
    assertStringIncludes(
      run.violations[0]!,
      "I-31 'poll' of a consumer in process 0.1 gave an error that is not in the table",
    );
  }
});

Deno.test("I-31: a logged error that is not in the table is found", () => {
  const run = played();
  run.log(0, "error", "Something broke", { error: "RangeError" });
  assertStringIncludes(run.violations[0]!, "found 'RangeError' (Something broke)");
});

Deno.test("I-31: a store error that no fault explains is found", () => {
  const run = played();
  run.process(0, "failed", new BlobUnavailableError("out"));
  run.state(0, { method: "apply", error: new DiskFullError("no space") });
  assertStringIncludes(run.violations[0]!, "expected a fault of the object store to blame for BlobUnavailableError");
  assertStringIncludes(run.violations[1]!, "expected a fault of the disk to blame for DiskFullError");
});
