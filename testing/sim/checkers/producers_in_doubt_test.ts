import { assertEquals } from "@std/assert";
import { BrokerTimeoutError, BrokerUnavailableError } from "../../../lib/base/errors.ts";
import { applied, notApplied, unknown } from "../../../lib/base/outcome.ts";
import { PlayedRun } from "./fixtures_test.ts";
import { ProducersInDoubt } from "./producers_in_doubt.ts";

const lostReply = new BrokerTimeoutError("no answer");

function played(method: string, outcome: { value?: unknown; error?: unknown }): PlayedRun {
  const run = new PlayedRun();
  run.watch(new ProducersInDoubt(run));
  run.seam(0, { kind: "transactional", method: "begin", handle: 3 });
  run.settled(0, { kind: "transactional", method, handle: 3, ...outcome });
  return run;
}

Deno.test("I-14: a transaction that begins with a producer in doubt is found", () => {
  for (const method of ["produce", "sendOffsets", "commit", "abort"]) {
    for (const outcome of [{ value: unknown(lostReply) }, { error: lostReply }]) {
      const run = played(method, outcome);
      run.seam(0, { kind: "transactional", method: "begin", handle: 3 });
      assertEquals(run.violations, [
        `I-14 process 0.1 began a transaction with producer 3, whose '${method}' has an unknown outcome: expected a new ` +
        `producer, as what is still on its way could land in this transaction`,
      ]);
    }
  }
});

Deno.test("I-14 is kept by a new producer, by a new epoch, and when the outcome is known", () => {
  const other = played("commit", { value: unknown(lostReply) });
  other.seam(0, { kind: "transactional", method: "begin", handle: 4 });
  const bumped = played("commit", { value: unknown(lostReply) });
  bumped.settled(0, { kind: "transactional", method: "initialize", handle: 3, value: applied() });
  bumped.seam(0, { kind: "transactional", method: "begin", handle: 3 });
  const known = played("produce", { value: notApplied(new BrokerUnavailableError("refused")) });
  known.seam(0, { kind: "transactional", method: "begin", handle: 3 });
  for (const run of [other, bumped, known]) assertEquals(run.violations, []);
});
