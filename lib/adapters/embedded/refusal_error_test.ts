import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { StreamError } from "../../base/errors.ts";
import { type RefusalCode, refused } from "../../embedded/reply.ts";
import { PASSING_REFUSALS } from "./passing_refusals.ts";
import { outcomeOfError, refusalError, valueOf } from "./refusal_error.ts";

const NAMES: Readonly<Record<RefusalCode, string>> = {
  "unknown-topic": "UnknownTopicError",
  "topic-exists": "RangeError",
  "invalid-topic": "RangeError",
  "offset-out-of-range": "OffsetOutOfRangeError",
  "record-too-large": "RecordTooLargeError",
  "out-of-order-sequence": "TransactionAbortedError",
  "invalid-producer-epoch": "FencedError",
  "producer-fenced": "FencedError",
  "unknown-producer": "FencedError",
  "invalid-transaction-state": "TransactionAbortedError",
  "invalid-transaction-timeout": "RangeError",
  "concurrent-transactions": "BrokerUnavailableError",
  "unstable-offsets": "BrokerUnavailableError",
  "metadata-too-large": "RangeError",
  "unknown-member": "AssignmentLostError",
  "illegal-generation": "AssignmentLostError",
  "fenced-instance": "FencedError",
  "group-not-empty": "BrokerUnavailableError",
  "log-truncated": "OffsetOutOfRangeError",
  "unknown-leader-epoch": "OffsetOutOfRangeError",
  "not-coordinator": "BrokerUnavailableError",
  "not-leader": "BrokerUnavailableError",
  "not-enough-replicas": "BrokerUnavailableError",
  "not-modelled": "NotModelledError",
};

Deno.test("refusalError(): every refusal is one error of the library, known not to be applied", () => {
  for (const [code, name] of Object.entries(NAMES) as [RefusalCode, string][]) {
    const error = refusalError("do it", refused(code, "this was found", { place: 1 }));
    assertEquals(error.name, name, code);
    assertStringIncludes(error.message, "Cannot do it: this was found");
    if (!(error instanceof StreamError)) continue;
    assertEquals([error.outcome, error.context], ["not-applied", { place: 1, code }], code);
    assertEquals(outcomeOfError(error).kind, "not-applied");
  }
});

Deno.test("refusals that pass are those of a broker that is not ready", () => {
  for (const code of PASSING_REFUSALS) assertEquals(NAMES[code], "BrokerUnavailableError");
});

Deno.test("valueOf() throws a refusal, outcomeOfError() throws on what is no operational error", () => {
  assertThrows(() => valueOf("do it", refused("invalid-topic", "no")), RangeError, "Cannot do it: no");
  assertThrows(() => outcomeOfError(new SyntaxError("a bug")), SyntaxError, "a bug");
});
