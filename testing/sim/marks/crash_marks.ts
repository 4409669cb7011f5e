import type { StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, SimProcess } from "../contracts.ts";
import type { Mark, TellMark } from "./mark_names.ts";

/** What a process is in the middle of, by the step that began it. */
const BEGINS: Readonly<Partial<Record<StepLabel, readonly [what: string, mark: Mark]>>> = {
  "transaction:begin": ["transaction", "crash in the middle of a transaction"],
  "produce:after": ["produced", "crash between produce and commit"],
  "commit:after": ["committed", "crash between commit and apply"],
  "restore:begin": ["restore", "crash while state was restored"],
  "restore:silent-replay-begin": ["replay", "crash in a silent replay"],
  "flush:before": ["flush", "crash in a flush"],
  "checkpoint:begin": ["checkpoint", "crash before a checkpoint had a file"],
  "checkpoint:segment-uploaded": ["uploaded", "crash between the upload of a file and its manifest"],
  "retention:begin": ["retention", "crash in a retention round"],
};

/** What is over at a step. */
const ENDS: Readonly<Partial<Record<StepLabel, readonly string[]>>> = {
  "commit:after": ["transaction", "produced"],
  "commit:aborted": ["transaction", "produced"],
  "commit:unknown": ["produced"],
  "commit:foreign": ["transaction", "produced"],
  "commit:resolved-committed": ["transaction"],
  "commit:resolved-aborted": ["transaction"],
  "apply:before": ["committed"],
  "restore:live": ["restore", "replay"],
  "restore:silent-replay-begin": ["restore"],
  "restore:silent-replay-done": ["replay"],
  "task:closed-dirty": ["restore", "replay"],
  "flush:after": ["flush"],
  "checkpoint:segment-uploaded": ["checkpoint"],
  "checkpoint:verified": ["checkpoint"],
  "checkpoint:manifest-after": ["checkpoint", "uploaded"],
};

/** What each process is in the middle of, so that a crash tells what it cut off. */
export class CrashMarks implements Checker {
  readonly invariants = [] as const;
  readonly #tell: TellMark;
  readonly #open = new Map<number, Map<string, Mark>>();
  readonly #closing = new Set<number>();

  /** @param tell Tells a mark. */
  constructor(tell: TellMark) {
    this.#tell = tell;
  }

  /** A labelled step. */
  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    const begins = BEGINS[label];
    const ends = ENDS[label];
    const isRetentionOver = label.startsWith("checkpoint:") || label === "flush:before";
    if (begins === undefined && ends === undefined && !isRetentionOver) return;
    const open = this.#openOf(process);
    for (const what of ends ?? []) open.delete(placed(what, detail));
    if (isRetentionOver) open.delete(placed("retention", detail));
    if (begins !== undefined) open.set(placed(begins[0], detail), begins[1]);
  }

  /** Something became of a process. */
  process(process: SimProcess, what: string): void {
    if (what === "closing") this.#closing.add(process.number);
    if (what === "crashed") {
      for (const mark of new Set(this.#open.get(process.number)?.values())) this.#tell(mark);
      if (this.#closing.has(process.number)) this.#tell("crash while closing");
    }
    if (what === "crashed" || what === "starting" || what === "closed" || what === "failed") {
      this.#open.delete(process.number);
      this.#closing.delete(process.number);
    }
  }

  #openOf({ number }: SimProcess): Map<string, Mark> {
    let open = this.#open.get(number);
    if (open === undefined) this.#open.set(number, open = new Map());
    return open;
  }
}

/** Work of one task is kept apart from that of another; a commit is of several. */
function placed(what: string, { partition }: StepDetail): string {
  return what === "restore" || what === "replay" || what === "flush" ? `${what} ${partition}` : what;
}
