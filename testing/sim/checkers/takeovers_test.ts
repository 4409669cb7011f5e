import { assertEquals, assertStringIncludes } from "@std/assert";
import { AssignmentLostError, BrokerTimeoutError, FencedError } from "../../../lib/base/errors.ts";
import { notApplied } from "../../../lib/base/outcome.ts";
import { fence, PlayedRun } from "./fixtures_test.ts";
import { Takeovers } from "./takeovers.ts";

function played(): PlayedRun {
  const run = new PlayedRun();
  run.watch(new Takeovers(run));
  return run;
}

const fenced = notApplied(new FencedError("a newer producer has taken over"));
const lost = notApplied(new AssignmentLostError("the group is in generation 3"));

Deno.test("I-12 is kept by a fenced producer that is only closed", () => {
  const run = played();
  run.settled(0, { kind: "transactional", method: "produce", value: fenced });
  run.seam(0, { kind: "transactional", method: "close" });
  run.seam(0, { kind: "transactional", method: "begin", handle: 9 });
  assertEquals(run.violations, []);
});

Deno.test("I-12: a fenced producer that aborts, commits or goes on is found", () => {
  for (const method of ["abort", "commit", "produce", "sendOffsets", "begin", "initialize"]) {
    const run = played();
    run.settled(0, { kind: "transactional", method: "sendOffsets", handle: 7, value: fenced });
    run.seam(0, { kind: "transactional", method, handle: 7 });
    assertEquals(run.violations.length, 1, method);
    assertStringIncludes(
      run.violations[0]!,
      `I-12 process 0.1 called '${method}' of transactional 7 after its 'sendOffsets'`,
    );
  }
});

Deno.test("I-12: nothing is committed again under a fence that does not hold any more", () => {
  const commit = (run: PlayedRun, generation: number, settled?: { value: unknown }) => {
    const call = { kind: "consumer", method: "commit", args: [[], fence("m", generation)] } as const;
    if (settled === undefined) run.seam(0, call);
    else run.settled(0, { ...call, ...settled });
  };
  const run = played();
  commit(run, 2, { value: lost });
  run.seam(0, { kind: "consumer", method: "poll" });
  commit(run, 3);
  assertEquals(run.violations, []);
  commit(run, 2);
  assertEquals(run.violations.length, 1);
});

Deno.test("I-12: a consumer whose instance was taken over only closes", () => {
  const run = played();
  run.settled(0, { kind: "consumer", method: "poll", error: new FencedError("another member now") });
  for (const method of ["seek", "wake", "close"]) run.seam(0, { kind: "consumer", method });
  assertEquals(run.violations, []);
  run.seam(0, { kind: "consumer", method: "poll" });
  assertStringIncludes(run.violations[0]!, "expected nothing but 'close' (another member now)");
});

Deno.test("I-12: other errors end nothing, and a new life of the process begins anew", () => {
  const run = played();
  run.settled(0, { kind: "transactional", method: "produce", error: new BrokerTimeoutError("no answer") });
  run.seam(0, { kind: "transactional", method: "commit" });
  run.settled(0, { kind: "transactional", method: "commit", value: fenced });
  run.process(0, "starting");
  run.seam(0, { kind: "transactional", method: "begin" });
  assertEquals(run.violations, []);
});
