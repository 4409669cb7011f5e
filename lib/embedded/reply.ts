/** Why a request was refused; a refused request changed nothing. Named after what a Kafka broker answers. */
export type RefusalCode =
  | "unknown-topic"
  | "topic-exists"
  | "invalid-topic"
  | "offset-out-of-range"
  | "record-too-large"
  | "out-of-order-sequence"
  | "invalid-producer-epoch"
  | "producer-fenced"
  | "unknown-producer"
  | "invalid-transaction-state"
  | "invalid-transaction-timeout"
  | "concurrent-transactions"
  | "unstable-offsets"
  | "metadata-too-large"
  | "unknown-member"
  | "illegal-generation"
  | "fenced-instance"
  | "group-not-empty"
  | "log-truncated"
  | "unknown-leader-epoch"
  | "not-coordinator"
  | "not-leader"
  | "not-enough-replicas"
  | "not-modelled";

/** A refusal, with what was found in words. */
export interface Refusal {
  /** Discriminator. */
  readonly kind: "refused";
  /** Why. */
  readonly code: RefusalCode;
  /** What was tried and found: one sentence without a final period. */
  readonly message: string;
  /** Plain values that place it. */
  readonly context: Readonly<Record<string, unknown>>;
}

/** Answer of a machine to one request. */
export type Reply<T> = { readonly kind: "done"; readonly value: T } | Refusal;

/** The request was carried out. */
export function done<T>(value: T): Reply<T> {
  return { kind: "done", value };
}

/**
 * The request was refused and changed nothing.
 *
 * @param code Why.
 * @param message What was tried and found.
 * @param context Plain values that place it.
 */
export function refused(code: RefusalCode, message: string, context: Readonly<Record<string, unknown>> = {}): Refusal {
  return { kind: "refused", code, message, context };
}
