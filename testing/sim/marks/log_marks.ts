import type { LogLevel, StepDetail } from "../../../lib/seams/observer.ts";
import type { Checker, SimProcess } from "../contracts.ts";
import type { Mark, TellMark } from "./mark_names.ts";

/** Lines that tell of something rare, by a part of their text. */
const LINES: readonly (readonly [part: string, mark: Mark])[] = [
  ["is damaged and is not used", "a damaged local store was not used"],
  ["and is not used", "a local store ahead of the committed offset was not used"],
  ["as after a late offset commit", "state ahead of the committed offset was gone on with"],
  ["was set by somebody else", "a lineage began after an operator's reset"],
  ["has no committed offset for", "state was gone on with though offsets had expired"],
  ["Checkpoint failed, earlier ones stay in use", "a checkpoint failed and earlier ones stay in use"],
  ["A checkpoint is forced: the decision journal is full", "journal full forced a checkpoint"],
  ["Commits are held until a checkpoint succeeds", "commits were held until a checkpoint succeeded"],
  ["Checkpoint retention deletes nothing as owner", "retention was held back by a newer owner"],
  ["Blob store:", "a call of the object store was tried again"],
  ["State could not be made safe and will be tried again", "state could not be made safe and was tried again"],
  ["Rows were refused and skipped", "a rejected row was skipped"],
  ["Rows were refused and sent to topic", "a rejected row went to the dead-letter topic"],
  ["Late rows were not counted", "late rows were not counted"],
];

/** Errors that a line names. */
const ERRORS: Readonly<Record<string, Mark>> = {
  RecoveryImpossibleError: "a recovery was impossible and said so",
  OffsetOutOfRangeError: "the log no longer held a position",
  ProcessingError: "a handler failed",
};

/** Recognises what the library says about itself. */
export class LogMarks implements Checker {
  readonly invariants = [] as const;
  readonly #tell: TellMark;

  /** @param tell Tells a mark. */
  constructor(tell: TellMark) {
    this.#tell = tell;
  }

  /** A line of the log. */
  log(_process: SimProcess, level: LogLevel, message: string, detail: StepDetail): void {
    if (level === "info") return;
    const line = LINES.find(([part]) => message.includes(part));
    if (line !== undefined) this.#tell(line[1]);
    const ofError = typeof detail.error === "string" ? ERRORS[detail.error] : undefined;
    if (ofError !== undefined) this.#tell(ofError);
  }

  /** A process ended by itself. */
  process(_process: SimProcess, what: string, error?: Error): void {
    if (what === "failed" && error?.message.includes("another process runs with 'instanceId'")) {
      this.#tell("a member was fenced by another one of its instance id");
    }
  }
}
