import type { LogLevel, StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, RunView, SimProcess } from "../contracts.ts";
import type { TellMark } from "./mark_names.ts";

/** What is known of a task. */
interface Known {
  /** Process and node where it was last. */
  node: string | undefined;
  process: number | undefined;
  /** Last flush on that node. */
  flushed: number | undefined;
  /** Offsets at which its time has jumped. */
  readonly jumps: Set<number>;
  /** Checkpoints that turned out to be damaged since its restore began. */
  readonly damaged: Set<string>;
}

/** Recognises where tasks get their state from. */
export class RestoreMarks implements Checker {
  readonly invariants = [] as const;
  readonly #view: RunView;
  readonly #tell: TellMark;
  readonly #tasks = new Map<string, Known>();

  /** @param view The run. @param tell Tells a mark. */
  constructor(view: RunView, tell: TellMark) {
    this.#view = view;
    this.#tell = tell;
  }

  /** A labelled step. */
  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    switch (label) {
      case "task:assigned":
        this.#taskOf(detail).damaged.clear();
        return;
      case "restore:candidate-chosen":
        // The restorer tells of a file by its name.
        if (detail.candidate !== undefined) this.#chosen(process, detail);
        return;
      case "restore:checkpoint-loaded":
        return this.#loaded(String(detail.name));
      case "restore:silent-replay-done":
        if (Number(detail.rows) > this.#view.options.batchRows) this.#tell("silent replay of more than one batch");
        return;
      case "restore:live":
        return this.#live(process, detail);
      case "time:jumped":
        this.#taskOf(detail).jumps.add(Number(detail.offset));
        return this.#tell("task time jumped on an idle input");
      case "flush:after":
        this.#taskOf(detail).flushed = Number(detail.offset);
        return;
    }
  }

  /** A line of the log. */
  log(_process: SimProcess, level: LogLevel, message: string): void {
    const name = level === "error" ? MANIFEST.exec(message)?.[0] : undefined;
    if (name !== undefined) this.#taskOf(taskIn(name)).damaged.add(name);
  }

  /** Those that are newer than the one that was loaded would have been taken before it. */
  #loaded(name: string): void {
    const { damaged } = this.#taskOf(taskIn(name));
    const folder = name.slice(0, name.lastIndexOf("/", name.lastIndexOf("/") - 1));
    const newer = [...damaged].filter((each) => each.startsWith(`${folder}/`) && each > name).length;
    if (newer >= 1) this.#tell("fallback to an older checkpoint");
    if (newer >= 2) this.#tell("fallback to the third checkpoint");
  }

  #chosen(process: SimProcess, detail: StepDetail): void {
    const task = this.#taskOf(detail);
    const node = `${process.number}.${process.node}`;
    const from = Number(detail.from), live = Number(detail.live);
    if (detail.candidate === "local") {
      this.#tell("task restored from local store");
      const isOlder = task.node === node && task.flushed !== undefined && from < task.flushed;
      if (isOlder) this.#tell("a local store came back older than its last flush");
    } else if (detail.candidate === "checkpoint") {
      this.#tell("task restored from a checkpoint");
      if (task.node !== undefined && task.node !== node) this.#tell("task restored from a checkpoint on another node");
    } else if (detail.isLineageNew !== true && from < live) {
      this.#tell("task rebuilt from the origin of its lineage");
    }
    if (detail.isLineageNew === true) task.jumps.clear();
    const repeated = [...task.jumps].filter((offset) => offset >= from && offset < live);
    if (repeated.length > 0) this.#tell("a jump of idle time was repeated in a replay");
    if (repeated.some((offset) => offset > from)) this.#tell("a replay was cut at a decision");
    task.flushed = undefined;
  }

  #live(process: SimProcess, detail: StepDetail): void {
    const task = this.#taskOf(detail);
    if (task.process !== undefined && task.process !== process.number) {
      this.#tell("a partition moved to another process");
    }
    task.process = process.number;
    task.node = `${process.number}.${process.node}`;
  }

  #taskOf({ subscription, partition }: StepDetail): Known {
    const key = `${subscription}/${partition}`;
    let task = this.#tasks.get(key);
    if (task === undefined) {
      task = { node: undefined, process: undefined, flushed: undefined, jumps: new Set(), damaged: new Set() };
      this.#tasks.set(key, task);
    }
    return task;
  }
}

/** Name of a manifest in a message. */
const MANIFEST = /[^\s']+-manifest\.json/;

/** The task that the name of a checkpoint object is of. */
function taskIn(name: string): StepDetail {
  const [, subscription, partition] = name.split("/");
  return { subscription, partition };
}
