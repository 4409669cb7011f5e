/**
 * Every operational error of the library by name. Programmer errors are `InvariantError` (assert.ts); wrong arguments are
 * `TypeError` / `RangeError`.
 */
import { StreamError, type StreamErrorOptions } from "./stream_error.ts";

export * from "./stream_error.ts";

/** Errors of single records: bad bytes, values that cannot be written, a handler that throws. */
export class RecordError extends StreamError {}
/** A record's bytes do not decode. */
export class DeserializationError extends RecordError {
  /**
   * Makes the error.
   *
   * @param message What was found.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("Deserialization", message, options);
  }
}
/** A value cannot be written by the topic's codec (NaN in JSON, a lone surrogate ...). */
export class SerializationError extends RecordError {
  /**
   * Makes the error.
   *
   * @param message What was found.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("Serialization", message, options);
  }
}
/** The handler threw. */
export class ProcessingError extends RecordError {
  /**
   * Makes the error.
   *
   * @param message What was found.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("Processing", message, options);
  }
}
/** One record is larger than the broker takes. */
export class RecordTooLargeError extends RecordError {
  /**
   * Makes the error.
   *
   * @param message What was found.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("RecordTooLarge", message, options);
  }
}

/** Errors of the broker and of the group. */
export class BrokerError extends StreamError {}
/** No answer in time: the effect may have happened. Its outcome is always `unknown`. */
export class BrokerTimeoutError extends BrokerError {
  /**
   * Makes the error.
   *
   * @param message What was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("BrokerTimeout", message, { ...options, outcome: "unknown" });
  }
}
/** The broker cannot be reached or is not ready; to be tried again. */
export class BrokerUnavailableError extends BrokerError {
  /**
   * Makes the error.
   *
   * @param message What was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("BrokerUnavailable", message, options);
  }
}
/** Another producer or member with our identity has taken over. */
export class FencedError extends BrokerError {
  /**
   * Makes the error.
   *
   * @param message What was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("Fenced", message, options);
  }
}
/** The group gave our partitions to somebody else (stale generation, unknown member, session expired). */
export class AssignmentLostError extends BrokerError {
  /**
   * Makes the error.
   *
   * @param message What was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("AssignmentLost", message, options);
  }
}
/** The position we need is no longer (or not yet) in the log. Never a silent reset. */
export class OffsetOutOfRangeError extends BrokerError {
  /**
   * Makes the error.
   *
   * @param message What was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("OffsetOutOfRange", message, options);
  }
}
/** The transaction is known to have been aborted. */
export class TransactionAbortedError extends BrokerError {
  /**
   * Makes the error.
   *
   * @param message What was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("TransactionAborted", message, options);
  }
}
/** The broker refuses us. */
export class AuthorizationError extends BrokerError {
  /**
   * Makes the error.
   *
   * @param message What was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("Authorization", message, options);
  }
}
/** The topic or partition does not exist. */
export class UnknownTopicError extends BrokerError {
  /**
   * Makes the error.
   *
   * @param message What was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("UnknownTopic", message, options);
  }
}
/** The embedded broker was asked for something that it does not model. */
export class NotModelledError extends BrokerError {
  /**
   * Makes the error.
   *
   * @param message What was asked.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("NotModelled", message, options);
  }
}
/** A file of the embedded broker is damaged in a place where a torn tail cannot explain it. */
export class JournalCorruptError extends BrokerError {
  /**
   * Makes the error.
   *
   * @param message File, position and what was found.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("JournalCorrupt", message, options);
  }
}

/** Errors of the local state store. */
export class StateError extends StreamError {}
/** The local store is damaged; it is deleted and restored from a checkpoint. */
export class StateCorruptError extends StateError {
  /**
   * Makes the error.
   *
   * @param message Path and what was found.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("StateCorrupt", message, options);
  }
}
/** A directory is in use by another process; the message names the holder. */
export class StateLockedError extends StateError {
  /**
   * Makes the error.
   *
   * @param message Path and holder.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("StateLocked", message, options);
  }
}
/** No space left on the device. */
export class DiskFullError extends StateError {
  /**
   * Makes the error.
   *
   * @param message Path.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("DiskFull", message, options);
  }
}
/** A local file or directory cannot be used: permission, input/output error, read-only file system, no file handles. */
export class DiskUnavailableError extends StateError {
  /**
   * Makes the error.
   *
   * @param message Path and what was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("DiskUnavailable", message, options);
  }
}
/** A call after `close()`. */
export class StateStoreClosedError extends StateError {
  /**
   * Makes the error.
   *
   * @param message Path and call.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("StateStoreClosed", message, options);
  }
}
/** Neither local state nor a usable checkpoint reaches the committed offset. */
export class RecoveryImpossibleError extends StateError {
  /**
   * Makes the error.
   *
   * @param message What was looked at and which option decides.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("RecoveryImpossible", message, options);
  }
}

/** Errors of checkpoints. */
export class CheckpointError extends StreamError {}
/** A checkpoint's bytes do not match its checksums. */
export class CheckpointCorruptError extends CheckpointError {
  /**
   * Makes the error.
   *
   * @param message Name and what was found.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("CheckpointCorrupt", message, options);
  }
}
/** An upload did not finish. */
export class CheckpointTornError extends CheckpointError {
  /**
   * Makes the error.
   *
   * @param message Name and what was found.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("CheckpointTorn", message, options);
  }
}
/** Another owner wrote the same name. */
export class CheckpointConflictError extends CheckpointError {
  /**
   * Makes the error.
   *
   * @param message Name and owner.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("CheckpointConflict", message, options);
  }
}
/** A checkpoint of another topic, partition count, schema or of a newer format. */
export class CheckpointIncompatibleError extends CheckpointError {
  /**
   * Makes the error.
   *
   * @param message Name, field, expected and found.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("CheckpointIncompatible", message, options);
  }
}

/** Errors of blob stores. */
export class BlobError extends StreamError {}
/** No answer in time: the effect may have happened. */
export class BlobTimeoutError extends BlobError {
  /**
   * Makes the error.
   *
   * @param message What was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("BlobTimeout", message, { ...options, outcome: "unknown" });
  }
}
/** The store asks us to slow down. */
export class BlobThrottledError extends BlobError {
  /**
   * Makes the error.
   *
   * @param message What was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("BlobThrottled", message, options);
  }
}
/** A condition (put-if-absent) did not hold. */
export class BlobPreconditionError extends BlobError {
  /**
   * Makes the error.
   *
   * @param message Name and condition.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("BlobPrecondition", message, options);
  }
}
/** The store refuses us. */
export class BlobDeniedError extends BlobError {
  /**
   * Makes the error.
   *
   * @param message What was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("BlobDenied", message, options);
  }
}
/** The store cannot be reached or used. */
export class BlobUnavailableError extends BlobError {
  /**
   * Makes the error.
   *
   * @param message What was tried.
   * @param options Context and cause.
   */
  constructor(message: string, options?: StreamErrorOptions) {
    super("BlobUnavailable", message, options);
  }
}
