import type { Batch } from "../columns/schema.ts";
import type { Operator, StateTables, Topic } from "../operator/operator.ts";

/** What happens to rows that cannot be decoded, encoded, or that a handler rejects. */
export type RecordErrorPolicy = "fail" | "skip" | "dead-letter";

/** One published batch of a commit whose outcome is known. */
export interface CommittedOutput {
  /** Topic it went to. */
  readonly topic: string;
  /** The rows. */
  readonly batch: Batch;
}

/** Subscription options with defaults filled in: frozen. */
export interface SubscriptionSettings {
  /** Name of the subscription. */
  readonly name: string;
  /** Tables by name. */
  readonly state: StateTables;
  /** The guarantee. */
  readonly processingGuarantee: "at-least-once" | "exactly-once";
  /** Rows of a batch. */
  readonly batchRows: number;
  /** Bytes of a batch. */
  readonly batchBytes: number;
  /** Wait of a batch. */
  readonly batchTimeoutMs: number;
  /** Wait of a commit. */
  readonly commitIntervalMs: number;
  /** Policy for rejected rows. */
  readonly onRecordError: RecordErrorPolicy;
  /** Dead-letter topic. */
  readonly deadLetter: string;
  /** Policy for lost state. */
  readonly onCrashRecovery: "fail" | "rebuild-from-earliest" | "resume-empty";
  /** Idle time-out, or `undefined`. */
  readonly idleTimeoutMs: number | undefined;
  /** Flush bound in bytes. */
  readonly stateFlushBytes: number;
  /** Replay bound in rows. */
  readonly replayRowsMax: number;
  /** Replay bound in milliseconds. */
  readonly replayMsMax: number;
  /** Version of the handler. */
  readonly handlerVersion: number;
  /** Effects after a commit. */
  readonly onCommitted: ((outputs: readonly CommittedOutput[]) => void | Promise<void>) | undefined;
}

/** One subscription of an app, ready to run. */
export interface SubscriptionSpec {
  /** Name of the app. */
  readonly application: string;
  /** Name of the subscription: identity of group, state, checkpoints and transactional id. */
  readonly name: string;
  /** What is read. */
  readonly input: Topic;
  /** Where returned batches go; `null`: a returned batch is an error. */
  readonly publishTo: Topic | null;
  /** What is done. */
  readonly operator: Operator;
  /** Settings with defaults filled in. */
  readonly settings: SubscriptionSettings;
}

/** The consumer group of a subscription. */
export function groupIdOf(spec: { readonly application: string; readonly name: string }): string {
  return `${spec.application}.${spec.name}`;
}
