import { InvariantError } from "../base/assert.ts";
import { type ErrorCode, StreamError } from "../base/errors.ts";

/**
 * What the supervisor does about an error.
 *
 * | action | meaning |
 * | --- | --- |
 * | `record-policy` | `onRecordError`: fail (default), skip (counted), dead-letter |
 * | `retry` | again with backoff until `taskTimeoutMs`, then stop the task |
 * | `resolve-outcome` | the effect may have happened: replace the producer, read the group offset, decide by it; a read or an upload is tried again |
 * | `process-again` | nothing happened: drop the open commits, process again |
 * | `close-dirty` | drop staged state, close without commit, rejoin; a fenced producer never aborts or commits |
 * | `restore` | close dirty, delete the local store, restore the newest intact checkpoint |
 * | `next-candidate` | this checkpoint or name is of no use: take the next one |
 * | `stop-task` | stop that task loudly, keep the others, delete nothing, reset nothing |
 * | `stop-process` | a bug of the library: stop the process |
 */
export type ErrorAction =
  | "record-policy"
  | "retry"
  | "resolve-outcome"
  | "process-again"
  | "close-dirty"
  | "restore"
  | "next-candidate"
  | "stop-task"
  | "stop-process";

/** The one table: every error code has exactly one action. */
export const ERROR_POLICY: Readonly<Record<ErrorCode, ErrorAction>> = Object.freeze(
  {
    Deserialization: "record-policy",
    Serialization: "record-policy",
    Processing: "record-policy",
    RecordTooLarge: "record-policy",
    BrokerTimeout: "resolve-outcome",
    BrokerUnavailable: "retry",
    Fenced: "close-dirty",
    AssignmentLost: "close-dirty",
    OffsetOutOfRange: "stop-task",
    TransactionAborted: "process-again",
    Authorization: "stop-task",
    UnknownTopic: "stop-task",
    NotModelled: "stop-task",
    JournalCorrupt: "stop-task",
    StateCorrupt: "restore",
    StateLocked: "stop-task",
    DiskFull: "stop-task",
    DiskUnavailable: "stop-task",
    StateStoreClosed: "close-dirty",
    CheckpointCorrupt: "restore",
    CheckpointTorn: "next-candidate",
    CheckpointConflict: "next-candidate",
    CheckpointIncompatible: "stop-task",
    BlobTimeout: "resolve-outcome",
    BlobThrottled: "retry",
    BlobPrecondition: "next-candidate",
    BlobDenied: "stop-task",
    BlobUnavailable: "retry",
    RecoveryImpossible: "stop-task",
  } satisfies Record<ErrorCode, ErrorAction>,
);

/**
 * What to do about anything that was thrown.
 *
 * @param error What was thrown or reported.
 * @returns The action of its code; `stop-process` for an `InvariantError`; `stop-task` for anything that is none of ours.
 */
export function errorAction(error: unknown): ErrorAction {
  if (error instanceof InvariantError) return "stop-process";
  return error instanceof StreamError ? ERROR_POLICY[error.code] : "stop-task";
}

/** Whether somebody else has taken over: after such an error nothing is called but to close. */
export function isTakeover(error: unknown): boolean {
  return error instanceof StreamError && (error.code === "Fenced" || error.code === "AssignmentLost");
}
