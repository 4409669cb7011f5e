/**
 * Step labels: each is a log line, a coverage mark and a crash or pause point in one. A closed union, so that a label
 * without a test is a type error in the coverage table.
 */
export const STEP_LABELS = [
  "task:assigned",
  "task:closing",
  "task:closed-clean",
  "task:closed-dirty",
  "restore:begin",
  "restore:candidate-chosen",
  "restore:segment-loaded",
  "restore:checkpoint-loaded",
  "restore:silent-replay-begin",
  "restore:silent-replay-done",
  "restore:live",
  "batch:fetched",
  "batch:decoded",
  "batch:rejected",
  "batch:processed",
  "time:jumped",
  "commit:sealed",
  "produce:before",
  "produce:after",
  "produce:unknown",
  "transaction:begin",
  "offsets:before",
  "offsets:after",
  "commit:before",
  "commit:after",
  "commit:unknown",
  "commit:resolved-committed",
  "commit:resolved-aborted",
  "commit:foreign",
  "commit:aborted",
  "producer:closed",
  "producer:initialized",
  "apply:before",
  "apply:after",
  "flush:before",
  "flush:after",
  "checkpoint:begin",
  "checkpoint:snapshot",
  "checkpoint:segment-uploaded",
  "checkpoint:verified",
  "checkpoint:manifest-before",
  "checkpoint:manifest-after",
  "retention:begin",
  "retention:manifest-deleted",
  "retention:file-deleted",
  "group:assigned",
  "group:revoked",
  "group:lost",
  "close:begin",
  "close:end",
] as const;

/** One labelled step of the runtime. */
export type StepLabel = typeof STEP_LABELS[number];

/** Plain values that describe a step. */
export type StepDetail = Readonly<Record<string, unknown>>;

/** Severity of a log line. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Sees what the runtime does. In production a log; in tests also the trace, the coverage and the crash points. */
export interface Observer {
  /**
   * Called at each labelled step, before the code after it runs. Must not throw.
   *
   * @param label Which step.
   * @param detail Plain values that describe it.
   */
  step(label: StepLabel, detail?: StepDetail): void;
  /**
   * A line for people.
   *
   * @param level Severity.
   * @param message One sentence.
   * @param detail Plain values.
   */
  log(level: LogLevel, message: string, detail?: StepDetail): void;
}
