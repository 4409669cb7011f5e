import { assert, assertEquals, assertFalse } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import * as errors from "../base/errors.ts";
import { ERROR_POLICY, errorAction, isTakeover } from "./error_policy.ts";

/** One error of each class, made by the class itself. */
const ALL = Object.values(errors as Record<string, unknown>)
  .filter((one) => typeof one === "function" && one.prototype instanceof errors.StreamError)
  .map((one) => new (one as new (message: string) => errors.StreamError)("Cannot do it"))
  // The bases of a family take the code first.
  .filter((error) => error.message === "Cannot do it");

Deno.test("ERROR_POLICY has an action for every error class, and for nothing else", () => {
  const codes = ALL.map((error) => error.code).sort();
  assertEquals(new Set(codes).size, codes.length);
  assertEquals(codes, Object.keys(ERROR_POLICY).sort());
  for (const error of ALL) assertEquals(errorAction(error), ERROR_POLICY[error.code]);
});

Deno.test("errorAction(): an error whose outcome is unknown is resolved, never taken for a failure", () => {
  for (const error of ALL) {
    assertEquals(error.outcome === "unknown", errorAction(error) === "resolve-outcome", error.code);
  }
});

Deno.test("errorAction(): nothing that needs a person is retried or reset", () => {
  for (
    const code of [
      "OffsetOutOfRange",
      "CheckpointIncompatible",
      "Authorization",
      "DiskFull",
      "RecoveryImpossible",
    ] as const
  ) {
    assertEquals(ERROR_POLICY[code], "stop-task");
  }
});

Deno.test("errorAction(): record errors are a matter of the record policy", () => {
  for (const error of ALL) assertEquals(error instanceof errors.RecordError, errorAction(error) === "record-policy");
});

Deno.test("errorAction() stops the process for a broken invariant, and the task for what is none of ours", () => {
  assertEquals(errorAction(new InvariantError("I-03")), "stop-process");
  assertEquals(errorAction(new TypeError("x")), "stop-task");
  assertEquals(errorAction("thrown text"), "stop-task");
});

Deno.test("isTakeover() is about Fenced and AssignmentLost only, and both close dirty", () => {
  const takeovers = ALL.filter(isTakeover);
  assertEquals(takeovers.map((error) => error.code).sort(), ["AssignmentLost", "Fenced"]);
  assert(takeovers.every((error) => errorAction(error) === "close-dirty"));
  assertFalse(isTakeover(new Error("x")));
});
