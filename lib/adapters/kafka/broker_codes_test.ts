import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import {
  AssignmentLostError,
  AuthorizationError,
  BrokerTimeoutError,
  BrokerUnavailableError,
  FencedError,
  NotModelledError,
  OffsetOutOfRangeError,
  RecordTooLargeError,
  SerializationError,
  StreamError,
  TransactionAbortedError,
  UnknownTopicError,
} from "../../base/errors.ts";
import { codeError, isStaleCoordinator, isStaleLeader, lostReply, outcomeOfError } from "./broker_codes.ts";

const CLASSES = [
  [1, OffsetOutOfRangeError],
  [3, UnknownTopicError],
  [6, BrokerUnavailableError],
  [7, BrokerTimeoutError],
  [10, RecordTooLargeError],
  [16, BrokerUnavailableError],
  [19, BrokerUnavailableError],
  [20, BrokerTimeoutError],
  [22, AssignmentLostError],
  [25, AssignmentLostError],
  [27, AssignmentLostError],
  [29, AuthorizationError],
  [30, AuthorizationError],
  [32, SerializationError],
  [45, TransactionAbortedError],
  [47, FencedError],
  [48, TransactionAbortedError],
  [49, FencedError],
  [50, RangeError],
  [51, BrokerUnavailableError],
  [53, AuthorizationError],
  [38, BrokerUnavailableError],
  [58, AuthorizationError],
  [59, TransactionAbortedError],
  [82, FencedError],
  [87, SerializationError],
  [90, FencedError],
  [120, TransactionAbortedError],
  [23, NotModelledError],
  [35, NotModelledError],
  [12, RangeError],
  [17, RangeError],
  [26, RangeError],
  [9_999, BrokerUnavailableError],
] as const;

for (const [code, errorClass] of CLASSES) {
  Deno.test(`codeError() of code ${code} is ${errorClass.name}, names what was tried, and a next step`, () => {
    const error = codeError("do this", code, { context: { topic: "t" }, message: "the broker's words" });
    assertInstanceOf(error, errorClass);
    assertStringIncludes(error.message, "Cannot do this: ");
    assertStringIncludes(error.message, "(the broker's words)");
    if (error instanceof StreamError) {
      assertEquals(error.context, { topic: "t", code });
      assertEquals(error.message.split(", ").length > 1, true);
    }
  });
}

Deno.test("an UnknownTopicError names the command that creates the topic", () => {
  assertStringIncludes(codeError("use 't'", 3).message, "kafka-topics.sh --create");
});

Deno.test("outcomeOfError() knows nothing about an effect whose reply was lost", () => {
  assertEquals(outcomeOfError(codeError("commit", 25)).kind, "not-applied");
  assertEquals(outcomeOfError(codeError("produce", 20)).kind, "unknown");
  assertEquals(outcomeOfError(new RangeError("wrong")).kind, "not-applied");
  const lost = new BrokerUnavailableError("gone", { outcome: "unknown", context: { address: "a:1" } });
  assertEquals(outcomeOfError(lost).kind, "unknown");
  const told = lostReply("commit", lost);
  assertEquals([told.outcome, told.context, told.cause], ["unknown", { address: "a:1" }, lost]);
  assertThrows(() => outcomeOfError(new TypeError("a bug")), TypeError);
});

Deno.test("leaders and coordinators that move are known by their codes", () => {
  assertEquals([3, 5, 6, 1, 10].map(isStaleLeader), [true, true, true, false, false]);
  assertEquals([14, 15, 16, 25, 27].map(isStaleCoordinator), [true, true, true, false, false]);
});
