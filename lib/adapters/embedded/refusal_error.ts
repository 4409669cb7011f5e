import {
  AssignmentLostError,
  BrokerUnavailableError,
  FencedError,
  NotModelledError,
  OffsetOutOfRangeError,
  RecordTooLargeError,
  StreamError,
  TransactionAbortedError,
  UnknownTopicError,
} from "../../base/errors.ts";
import { notApplied, type Outcome, unknown } from "../../base/outcome.ts";
import type { Refusal, Reply } from "../../embedded/reply.ts";

/**
 * The error that a refusal is for users.
 *
 * @param tried What was tried, as it stands after "Cannot ".
 * @param refusal Why not.
 * @returns An error of the library, or a `RangeError` for a wrong argument.
 */
export function refusalError(tried: string, refusal: Refusal): Error {
  const message = `Cannot ${tried}: ${refusal.message}, ${NEXT_STEP[refusal.code]}`;
  const options = { context: { ...refusal.context, code: refusal.code } };
  switch (refusal.code) {
    case "unknown-topic":
      return new UnknownTopicError(message, options);
    case "offset-out-of-range":
    case "log-truncated":
    case "unknown-leader-epoch":
      return new OffsetOutOfRangeError(message, options);
    case "record-too-large":
      return new RecordTooLargeError(message, options);
    case "invalid-producer-epoch":
    case "producer-fenced":
    case "unknown-producer":
    case "fenced-instance":
      return new FencedError(message, options);
    case "unknown-member":
    case "illegal-generation":
      return new AssignmentLostError(message, options);
    // Not a takeover: a request before this one was not taken, so what was sent behind it has to be sent again too.
    case "out-of-order-sequence":
    case "invalid-transaction-state":
      return new TransactionAbortedError(message, options);
    case "concurrent-transactions":
    case "unstable-offsets":
    case "group-not-empty":
    case "not-coordinator":
    case "not-leader":
    case "not-enough-replicas":
      return new BrokerUnavailableError(message, options);
    case "not-modelled":
      return new NotModelledError(message, options);
    case "topic-exists":
    case "invalid-topic":
    case "invalid-transaction-timeout":
    case "metadata-too-large":
      return new RangeError(`Cannot ${tried}: ${refusal.message}`);
  }
}

const NEXT_STEP: Readonly<Record<Refusal["code"], string>> = {
  "unknown-topic": "create it first",
  "offset-out-of-range": "restore a checkpoint inside the range or choose where to go on",
  "record-too-large": "split it or raise 'recordBytesMax' of the broker",
  "out-of-order-sequence": "process again from the committed offsets",
  "invalid-producer-epoch": "close this producer and open a new one",
  "producer-fenced": "close this producer, a newer one has taken over or its transaction timed out",
  "unknown-producer": "initialize the producer first",
  "fenced-instance": "stop this member, a newer one has the same instance id",
  "unknown-member": "join the group again",
  "illegal-generation": "join the group again",
  "invalid-transaction-state": "close this producer and process again from the committed offsets",
  "concurrent-transactions": "try again",
  "unstable-offsets": "try again",
  "group-not-empty": "stop its members first",
  "log-truncated": "restore a checkpoint from before the point where the logs part, or choose where to go on",
  "unknown-leader-epoch": "stop what reads the old topic and choose where to begin in the new one",
  "not-coordinator": "try again",
  "not-leader": "try again",
  "not-enough-replicas": "try again",
  "not-modelled": "ask for something that it models",
  "topic-exists": "use it as it is",
  "invalid-topic": "choose another name or count",
  "invalid-transaction-timeout": "choose a shorter timeout",
  "metadata-too-large": "shorten it",
};

/** The value of a reply. @throws {Error} the refusal's error. */
export function valueOf<T>(tried: string, reply: Reply<T>): T {
  if (reply.kind === "refused") throw refusalError(tried, reply);
  return reply.value;
}

/** The outcome that an error of a call stands for; anything but an operational error is thrown on. */
export function outcomeOfError(error: unknown): Outcome<never> {
  if (!(error instanceof StreamError)) throw error;
  return error.outcome === "unknown" ? unknown(error) : notApplied(error);
}
