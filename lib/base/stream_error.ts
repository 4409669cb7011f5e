/** What is known about the effect that failed: a lost reply is not a failure. */
export type EffectOutcome = "applied" | "not-applied" | "unknown";

/** Closed list of error codes, one for each class below. */
export type ErrorCode =
  | "Deserialization"
  | "Serialization"
  | "Processing"
  | "RecordTooLarge"
  | "BrokerTimeout"
  | "BrokerUnavailable"
  | "Fenced"
  | "AssignmentLost"
  | "OffsetOutOfRange"
  | "TransactionAborted"
  | "Authorization"
  | "UnknownTopic"
  | "NotModelled"
  | "JournalCorrupt"
  | "StateCorrupt"
  | "StateLocked"
  | "DiskFull"
  | "DiskUnavailable"
  | "StateStoreClosed"
  | "CheckpointCorrupt"
  | "CheckpointTorn"
  | "CheckpointConflict"
  | "CheckpointIncompatible"
  | "BlobTimeout"
  | "BlobThrottled"
  | "BlobPrecondition"
  | "BlobDenied"
  | "BlobUnavailable"
  | "RecoveryImpossible";

/** Details of an error: plain values, fit for a structured log line. */
export type ErrorContext = Readonly<Record<string, unknown>>;

/** Options of {@linkcode StreamError}. */
export interface StreamErrorOptions {
  /** What is known about the effect. @default {"not-applied"} */
  outcome?: EffectOutcome;
  /** Names and values that place the error (topic, partition, offset, path ...). @default {{}} */
  context?: ErrorContext;
  /** The error underneath, if any. */
  cause?: unknown;
}

/** Base of all operational errors: a code, the outcome of the effect, and where it happened. */
export class StreamError extends Error {
  /** Which error this is. */
  readonly code: ErrorCode;
  /** What is known about the effect that failed. */
  readonly outcome: EffectOutcome;
  /** Plain values that place the error. */
  readonly context: ErrorContext;

  /**
   * Makes the error.
   *
   * @param code Which error this is.
   * @param message What was tried, what was found and the next step to take.
   * @param options Outcome, context and cause.
   */
  constructor(code: ErrorCode, message: string, options: StreamErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = `${code}Error`;
    this.code = code;
    this.outcome = options.outcome ?? "not-applied";
    this.context = Object.freeze({ ...options.context });
  }
}
