import { assertEquals, assertStringIncludes } from "@std/assert";
import { BrokerTimeoutError, BrokerUnavailableError } from "../../../lib/base/errors.ts";
import { applied, notApplied, unknown } from "../../../lib/base/outcome.ts";
import { recordsOf } from "../../record_rows.ts";
import { at, fence, metadata, PlayedRun } from "./fixtures_test.ts";
import { Outcomes } from "./outcomes.ts";
import { SeamHandles } from "./seam_handles.ts";

const position = { ...at(), offset: 4n, leaderEpoch: -1, metadata: metadata(1) };
const commit = { kind: "consumer", method: "commit", args: [[position], fence()] } as const;
const refused = notApplied(new BrokerUnavailableError("try again"));
const lost = unknown(new BrokerTimeoutError("no answer"));

function played(): PlayedRun {
  const run = new PlayedRun();
  const handles = new SeamHandles();
  run.watch(handles, new Outcomes(run, handles));
  run.join(0);
  return run;
}

function ask(run: PlayedRun): void {
  run.seam(0, commit);
  run.call(0, { call: "commit", phase: "sent", id: 7 });
  run.afterEvent();
}

function land(run: PlayedRun, isTaken: boolean): void {
  run.call(0, { call: "commit", phase: "landed", id: 7 });
  if (isTaken) run.commit({ offset: 4, metadata: metadata(1) });
  run.afterEvent();
}

Deno.test("I-31 is kept by outcomes that agree with what has happened", () => {
  for (const [isTaken, value] of [[true, applied()], [false, refused], [true, lost], [false, lost]] as const) {
    const run = played();
    ask(run);
    land(run, isTaken);
    run.settled(0, { ...commit, value });
    assertEquals(run.violations, []);
  }
});

Deno.test("I-31: an effect that is told to be applied and was not, or the other way round, is found", () => {
  const imagined = played();
  ask(imagined);
  land(imagined, false);
  imagined.settled(0, { ...commit, value: applied() });
  assertEquals(imagined.violations, [
    "I-31 'commit' of consumer 1 of process 0.1 was told to be applied: expected that to be so, found that it has not " +
    "happened",
  ]);
  const denied = played();
  ask(denied);
  land(denied, true);
  denied.settled(0, { ...commit, value: refused });
  assertStringIncludes(denied.violations[0]!, "was told to be not-applied (BrokerUnavailableError: try again)");
});

Deno.test("I-31: what is told not to be applied and happens later is found; what was unknown may", () => {
  for (const [value, count] of [[refused, 1], [lost, 0]] as const) {
    const run = played();
    ask(run);
    run.settled(0, { ...commit, value });
    land(run, true);
    assertEquals(run.violations.length, count);
  }
});

Deno.test("I-31: the end of a transaction by the coordinator is not taken for the producer's own", () => {
  const run = played();
  run.openProducer(0);
  const end = { kind: "transactional", method: "commit", handle: 2, args: [] } as const;
  run.seam(0, end);
  run.call(0, { call: "endTransaction", phase: "sent", id: 9 });
  run.call(0, { call: "endTransaction", phase: "landed", id: 9 });
  const prepared = { isFenced: true, markerEpoch: 1, producerId: 1, producerEpoch: 1, transactionalId: "another" };
  run.change({ kind: "transaction-prepared", isCommit: false, ...prepared });
  run.settled(0, { ...end, value: applied() });
  assertEquals(run.violations.length, 1);
});

Deno.test("I-31: of two calls at a time each is judged by its own requests", () => {
  const run = played();
  const calls = ["output", "side"].map((topic, index) => ({
    kind: "producer",
    method: "produce",
    handle: 5,
    args: [{ topic, records: recordsOf(["x"]) }],
    id: 20 + index,
  } as const));
  for (const { id, ...call } of calls) {
    run.seam(0, call);
    run.call(0, { call: "produce", phase: "sent", id });
  }
  run.call(0, { call: "produce", phase: "landed", id: 21 });
  run.broker.createTopic("side", 1);
  run.broker.put("side", ["x"], 0);
  run.afterEvent();
  run.settled(0, { ...calls[1]!, value: applied([]) });
  assertEquals(run.violations, []);
  run.settled(0, { ...calls[0]!, value: applied([]) });
  assertEquals(run.violations.length, 1);
});
