import type { Columns } from "../columns/schema.ts";
import { checkTopicName } from "../operator/topic.ts";
import type { StateTables, Topic } from "../operator/operator.ts";
import type { CommittedOutput, RecordErrorPolicy, SubscriptionSettings } from "../runtime/subscription_spec.ts";
import { checkName } from "./app_options.ts";
import { checkOptions, type OptionRule, type PlannedOptions, show } from "./option_rules.ts";

/** Options of one subscription. */
export interface SubscribeOptions<O extends Columns = Columns, T extends StateTables = StateTables> {
  /** Topic the handler's batches go to; a handler that returns batches needs it. @default none */
  publishTo?: Topic<O> | string;
  /** Identity of group, state, checkpoints and transactional id. @default the input topic's name */
  name?: string;
  /** Tables of this subscription by name. @default {{}} */
  state?: T;
  /** `exactly-once` needs a broker with transactions. @default {"at-least-once"} */
  processingGuarantee?: "at-least-once" | "exactly-once";
  /** Rows a batch is filled up to. @default {8_192} */
  batchRows?: number;
  /** Bytes a batch is filled up to. @default {1_048_576} */
  batchBytes?: number;
  /** How long a batch may wait to fill up, in milliseconds: an upper bound. @default {10} */
  batchTimeoutMs?: number;
  /** Time between two commits, in milliseconds: an upper bound. @default {100} */
  commitIntervalMs?: number;
  /** What happens to rejected rows. @default {"fail"} */
  onRecordError?: RecordErrorPolicy;
  /** Topic for rejected rows under `dead-letter`. @default `<input topic>.dead-letter` */
  deadLetter?: string;
  /** When neither local state nor a usable checkpoint reaches the committed offset. @default {"fail"} */
  onCrashRecovery?: "fail" | "rebuild-from-earliest" | "resume-empty";
  /** Lets task time advance by elapsed time after so long without records, in milliseconds. @default never */
  idleTimeoutMs?: number;
  /** Committed state that is not flushed yet, in bytes, before a flush is forced. @default {67_108_864} */
  stateFlushBytes?: number;
  /** Rows that a recovery may have to replay before a checkpoint is forced. @default {10_000_000} */
  replayRowsMax?: number;
  /** Time since the last checkpoint before one is forced, in milliseconds. @default {600_000} */
  replayMsMax?: number;
  /** Version of the handler; a checkpoint of another version is refused unless the handler says it may be replayed. @default {1} */
  handlerVersion?: number;
  /** Called after the outcome of a commit is known: the one place for effects on other systems (at least once). */
  onCommitted?: (outputs: readonly CommittedOutput[]) => void | Promise<void>;
}

const RULES: Readonly<Record<keyof SubscribeOptions, OptionRule>> = {
  publishTo: { kind: "any" },
  name: { kind: "any" },
  state: { kind: "any" },
  processingGuarantee: { kind: "choice", choices: ["at-least-once", "exactly-once"] },
  batchRows: { kind: "integer", min: 1, max: 1_000_000 },
  batchBytes: { kind: "integer", min: 1, max: 1_073_741_824 },
  batchTimeoutMs: { kind: "integer", min: 0, max: 60_000 },
  commitIntervalMs: { kind: "integer", min: 0, max: 3_600_000 },
  onRecordError: { kind: "choice", choices: ["fail", "skip", "dead-letter"] },
  deadLetter: { kind: "any" },
  onCrashRecovery: { kind: "choice", choices: ["fail", "rebuild-from-earliest", "resume-empty"] },
  idleTimeoutMs: { kind: "integer", min: 1 },
  stateFlushBytes: { kind: "integer", min: 1 },
  replayRowsMax: { kind: "integer", min: 1 },
  replayMsMax: { kind: "integer", min: 1 },
  handlerVersion: { kind: "integer", min: 1 },
  onCommitted: { kind: "any" },
};

const PLANNED: PlannedOptions = {
  keyBy: "tables route by their leading key columns, see stateTable({ routing })",
  durability: "state is kept by checkpoints",
  onLate: "late rows are counted and dropped",
  standbyReplicas: "a task's state is restored from its checkpoints",
  targetLatencyMs: "set batchRows, batchTimeoutMs and commitIntervalMs instead",
  maxLagMs: "a job reads every record",
};

/** Names that the free form of state already has. */
const STATE_NAMES = new Set(["get", "getMany", "getBytes", "put", "putBytes", "delete", "scan"]);

/**
 * Checks a subscription's options and fills in the defaults.
 *
 * @param inputTopic Name of the input topic.
 * @param options What the user passed.
 * @returns Frozen values.
 * @throws {TypeError} when an option is unknown or of another type.
 * @throws {RangeError} when a number is out of range.
 */
export function resolveSubscribeOptions<O extends Columns, T extends StateTables>(
  inputTopic: string,
  options: SubscribeOptions<O, T>,
): SubscriptionSettings {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot create subscription to topic '${inputTopic}' as its options must be an object, {} for none: current value is ${
        show(options)
      }`,
    );
  }
  const { name = inputTopic.replaceAll(".", "-"), state = {}, deadLetter = `${inputTopic}.dead-letter` } = options;
  const subject = `subscription '${name}'`;
  checkOptions(options, { subject, rules: RULES, planned: PLANNED });
  checkName("subscription", name);
  checkTopicName(deadLetter);
  if (deadLetter === inputTopic) {
    throw new TypeError(
      `Cannot create ${subject} as 'deadLetter' must not be its own input, which would be read again and again: current value is '${deadLetter}'`,
    );
  }
  for (const [table, definition] of Object.entries(state as StateTables)) {
    checkName(`${subject} 'state'`, table);
    if (STATE_NAMES.has(table)) {
      throw new TypeError(
        `Cannot create ${subject} as a table must not be named like a method of state: current value is '${table}'`,
      );
    }
    if (typeof definition?.key?.kind !== "string" || typeof definition.value !== "object") {
      throw new TypeError(
        `Cannot create ${subject} as '${table}' must be a stateTable({ key, value }): current value is ${
          show(definition)
        }`,
      );
    }
  }
  return Object.freeze({
    name,
    state,
    processingGuarantee: options.processingGuarantee ?? "at-least-once",
    batchRows: options.batchRows ?? 8_192,
    batchBytes: options.batchBytes ?? 1_048_576,
    batchTimeoutMs: options.batchTimeoutMs ?? 10,
    commitIntervalMs: options.commitIntervalMs ?? 100,
    onRecordError: options.onRecordError ?? "fail",
    deadLetter,
    onCrashRecovery: options.onCrashRecovery ?? "fail",
    idleTimeoutMs: options.idleTimeoutMs,
    stateFlushBytes: options.stateFlushBytes ?? 67_108_864,
    replayRowsMax: options.replayRowsMax ?? 10_000_000,
    replayMsMax: options.replayMsMax ?? 600_000,
    handlerVersion: options.handlerVersion ?? 1,
    onCommitted: options.onCommitted,
  });
}
