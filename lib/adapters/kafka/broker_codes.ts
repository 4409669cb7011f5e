import {
  AssignmentLostError,
  AuthorizationError,
  BrokerTimeoutError,
  BrokerUnavailableError,
  type ErrorContext,
  FencedError,
  NotModelledError,
  OffsetOutOfRangeError,
  RecordTooLargeError,
  SerializationError,
  StreamError,
  TransactionAbortedError,
  UnknownTopicError,
} from "../../base/errors.ts";
import type { Outcome } from "../../base/outcome.ts";

/** Error codes of Kafka's protocol that are acted on. */
export const CODE = {
  offsetOutOfRange: 1,
  unknownTopic: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  requestTimedOut: 7,
  coordinatorLoading: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  notEnoughReplicas: 19,
  notEnoughReplicasAfterAppend: 20,
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  topicExists: 36,
  outOfOrderSequence: 45,
  invalidTransactionState: 48,
  concurrentTransactions: 51,
  storageError: 56,
  groupNotFound: 69,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 75,
  memberIdRequired: 79,
  fencedInstance: 82,
  unstableOffsets: 88,
  unknownTopicId: 100,
  inconsistentTopicId: 103,
  fencedMemberEpoch: 110,
  unreleasedInstance: 111,
  staleMemberEpoch: 113,
} as const;

type ErrorClass = new (
  message: string,
  options?: { readonly context?: ErrorContext; readonly cause?: unknown },
) => Error;

type Entry = readonly [name: string, errorClass: ErrorClass, nextStep: string];

const TAKEN_OVER = "close this producer, a newer one has taken over or its transaction timed out";
const PROCESS_AGAIN = "abort the transaction and process again from the committed offsets";
const REJOIN = "join the group again";
/** What to do about something that the client may not use. */
function grant(access: string): string {
  return `grant the client's principal ${access} with kafka-acls.sh, or use other credentials`;
}

const RETRY = "try again";
const CREATE =
  "create it: kafka-topics.sh --create --bootstrap-server HOST:PORT --topic TOPIC, or createTopics() of the broker's admin";

const ENTRIES: Readonly<Record<number, Entry>> = {
  1: ["OFFSET_OUT_OF_RANGE", OffsetOutOfRangeError, "restore a checkpoint inside the range or choose where to go on"],
  2: ["CORRUPT_MESSAGE", BrokerUnavailableError, RETRY],
  3: ["UNKNOWN_TOPIC_OR_PARTITION", UnknownTopicError, CREATE],
  5: ["LEADER_NOT_AVAILABLE", BrokerUnavailableError, RETRY],
  6: ["NOT_LEADER_OR_FOLLOWER", BrokerUnavailableError, RETRY],
  7: ["REQUEST_TIMED_OUT", BrokerTimeoutError, "look at the broker's replicas"],
  10: ["MESSAGE_TOO_LARGE", RecordTooLargeError, "lower 'batchBytesMax', or raise the topic's max.message.bytes"],
  14: ["COORDINATOR_LOAD_IN_PROGRESS", BrokerUnavailableError, RETRY],
  15: ["COORDINATOR_NOT_AVAILABLE", BrokerUnavailableError, RETRY],
  16: ["NOT_COORDINATOR", BrokerUnavailableError, RETRY],
  18: ["RECORD_LIST_TOO_LARGE", RecordTooLargeError, "lower 'batchBytesMax' or raise the topic's segment.bytes"],
  19: ["NOT_ENOUGH_REPLICAS", BrokerUnavailableError, "wait for replicas to come back in sync"],
  20: ["NOT_ENOUGH_REPLICAS_AFTER_APPEND", BrokerTimeoutError, "wait for replicas to come back in sync"],
  22: ["ILLEGAL_GENERATION", AssignmentLostError, REJOIN],
  25: ["UNKNOWN_MEMBER_ID", AssignmentLostError, REJOIN],
  27: ["REBALANCE_IN_PROGRESS", AssignmentLostError, REJOIN],
  29: ["TOPIC_AUTHORIZATION_FAILED", AuthorizationError, grant("Read of the topic (Write, to publish)")],
  30: ["GROUP_AUTHORIZATION_FAILED", AuthorizationError, grant("Read of the group")],
  31: ["CLUSTER_AUTHORIZATION_FAILED", AuthorizationError, grant("IdempotentWrite or Create on the cluster")],
  32: ["INVALID_TIMESTAMP", SerializationError, "see the topic's message.timestamp.before.max.ms and .after.max.ms"],
  87: ["INVALID_RECORD", SerializationError, "see what the topic demands: one that is compacted takes no null keys"],
  // Topics are created with the cluster's own factor.
  38: [
    "INVALID_REPLICATION_FACTOR",
    BrokerUnavailableError,
    "wait until enough brokers are up, or lower the cluster's default.replication.factor",
  ],
  // Not a takeover: a batch before this one is not in the log, so what was sent behind it has to be sent again too.
  45: ["OUT_OF_ORDER_SEQUENCE_NUMBER", TransactionAbortedError, PROCESS_AGAIN],
  47: ["INVALID_PRODUCER_EPOCH", FencedError, TAKEN_OVER],
  48: ["INVALID_TXN_STATE", TransactionAbortedError, PROCESS_AGAIN],
  49: ["INVALID_PRODUCER_ID_MAPPING", FencedError, TAKEN_OVER],
  51: ["CONCURRENT_TRANSACTIONS", BrokerUnavailableError, RETRY],
  53: ["TRANSACTIONAL_ID_AUTHORIZATION_FAILED", AuthorizationError, grant("Write on the transactional id")],
  58: ["SASL_AUTHENTICATION_FAILED", AuthorizationError, "check user and password"],
  56: ["KAFKA_STORAGE_ERROR", BrokerUnavailableError, RETRY],
  59: ["UNKNOWN_PRODUCER_ID", TransactionAbortedError, PROCESS_AGAIN],
  82: ["FENCED_INSTANCE_ID", FencedError, "stop this member, a newer one has the same instance id"],
  88: ["UNSTABLE_OFFSET_COMMIT", BrokerUnavailableError, RETRY],
  90: ["PRODUCER_FENCED", FencedError, TAKEN_OVER],
  100: ["UNKNOWN_TOPIC_ID", BrokerUnavailableError, RETRY],
  103: ["INCONSISTENT_TOPIC_ID", BrokerUnavailableError, RETRY],
  110: ["FENCED_MEMBER_EPOCH", AssignmentLostError, REJOIN],
  111: ["UNRELEASED_INSTANCE_ID", BrokerUnavailableError, "wait until the session of the member that has it is over"],
  113: ["STALE_MEMBER_EPOCH", AssignmentLostError, REJOIN],
  120: ["TRANSACTION_ABORTABLE", TransactionAbortedError, PROCESS_AGAIN],
};

const NOT_MODELLED: Readonly<Record<number, readonly [name: string, nextStep: string]>> = {
  23: [
    "INCONSISTENT_GROUP_PROTOCOL",
    "stop the group's members that assign neither by range nor sticky, or use another group",
  ],
  35: ["UNSUPPORTED_VERSION", "use Kafka 2.8 or newer"],
  43: ["UNSUPPORTED_FOR_MESSAGE_FORMAT", "use the topic's message format 2"],
};

const WRONG_ARGUMENT: Readonly<Record<number, string>> = {
  12: "its commit metadata are longer than the broker takes",
  17: "the topic's name is not allowed",
  24: "the group's name is not allowed",
  26: "the session timeout is outside of the broker's group.min.session.timeout.ms and group.max.session.timeout.ms",
  37: "the number of partitions is not allowed",
  44: "a policy of the cluster forbids it",
  50: "the transaction timeout is longer than the broker's transaction.max.timeout.ms",
};

/**
 * The error that an error code of a broker is for users.
 *
 * @param tried What was tried, as it stands after "Cannot ".
 * @param code Error code.
 * @param more What the broker said, and where.
 * @returns An error of the library, or a `RangeError` for a wrong argument.
 */
export function codeError(
  tried: string,
  code: number,
  more: { readonly message?: string | null; readonly context?: ErrorContext } = {},
): Error {
  const context = { ...more.context, code };
  const said = more.message === null || more.message === undefined || more.message === ""
    ? ""
    : ` (${more.message.replace(/\.$/, "")})`;
  const wrong = WRONG_ARGUMENT[code];
  if (wrong !== undefined) return new RangeError(`Cannot ${tried}: ${wrong}${said}`);
  const unmodelled = NOT_MODELLED[code];
  if (unmodelled !== undefined) {
    const [name, nextStep] = unmodelled;
    return new NotModelledError(`Cannot ${tried}: the broker answered ${name}${said}, ${nextStep}`, { context });
  }
  const [name, errorClass, nextStep] = ENTRIES[code] ?? [`error code ${code}`, BrokerUnavailableError, RETRY];
  return new errorClass(`Cannot ${tried}: the broker answered ${name}${said}, ${nextStep}`, { context });
}

/** Whether a code means that the metadata we hold are out of date. */
export function isStaleLeader(code: number): boolean {
  return code === CODE.notLeader || code === CODE.leaderNotAvailable || code === CODE.unknownTopic ||
    code === CODE.fencedLeaderEpoch || code === CODE.unknownLeaderEpoch || code === CODE.unknownTopicId ||
    code === CODE.inconsistentTopicId || code === 9 || code === 56;
}

/** Whether a code means that another broker coordinates the group, now or soon. */
export function isStaleCoordinator(code: number): boolean {
  return code === CODE.coordinatorLoading || code === CODE.coordinatorNotAvailable || code === CODE.notCoordinator;
}

/** An outcome other than `applied`. */
export type FailedOutcome = Exclude<Outcome<never>, { readonly kind: "applied" }>;

/** The outcome that an error of a call stands for; anything but an operational error is thrown on. */
export function outcomeOfError(error: unknown): FailedOutcome {
  if (error instanceof RangeError) return { kind: "not-applied", error };
  if (!(error instanceof StreamError)) throw error;
  return { kind: error.outcome === "unknown" ? "unknown" : "not-applied", error };
}

/** The error of an effect whose reply was lost. */
export function lostReply(tried: string, cause: Error): BrokerTimeoutError {
  return new BrokerTimeoutError(`Cannot tell what became of an attempt to ${tried}: ${cause.message}`, {
    cause,
    context: cause instanceof StreamError ? cause.context : {},
  });
}
