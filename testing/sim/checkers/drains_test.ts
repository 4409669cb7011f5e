import { assertEquals, assertStringIncludes } from "@std/assert";
import { Drains } from "./drains.ts";
import { GROUP, PlayedRun, TOPIC } from "./fixtures_test.ts";

/** A group in which process 0 has a static seat. */
function seated(memberId = "member"): PlayedRun {
  const run = new PlayedRun();
  run.watch(new Drains(run));
  const timeouts = { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, isRejoin: false };
  const member = { groupId: GROUP, memberId, instanceId: "instance-0-in", topics: [TOPIC] };
  run.broker.cluster.join({ ...member, ...timeouts }, run.broker.times());
  return run;
}

const DRAINED = "App 'app' is drained";

Deno.test("I-26: a worker that is drained and keeps its static seat is found", () => {
  const run = seated();
  run.log(1, "info", DRAINED);
  assertEquals(run.violations, []);
  run.log(0, "info", DRAINED);
  assertStringIncludes(
    run.violations[0]!,
    "I-26 process 0.1 is drained, and group 'app.in' still has its member 'member'",
  );
  assertEquals(run.marks, ["a worker was drained", "a worker was drained"]);
});

Deno.test("I-26 is kept by a worker that has left, whose word was lost, or whose instance is somebody else's", () => {
  const left = seated();
  left.broker.cluster.leave({ groupId: GROUP, memberId: "member", instanceId: "instance-0-in" }, left.broker.times());
  left.log(0, "info", DRAINED);
  const unheard = seated();
  unheard.call(0, { call: "leave", phase: "failed" });
  unheard.log(0, "info", DRAINED);
  const taken = seated("foreign-1");
  taken.log(0, "info", DRAINED);
  assertEquals([left, unheard, taken].flatMap(({ violations }) => violations), []);
});
