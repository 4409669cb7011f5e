import type { RunView } from "../contracts.ts";
import { TimeJumps } from "./time_jumps.ts";
import { type ClosedWindow, WindowFold, type WindowLengths, type WindowRecord } from "./window_fold.ts";

/** A window as it is in the output. */
export interface WindowRow extends ClosedWindow {
  /** Where it is, for messages. */
  readonly where: string;
}

/** What is known of one window. */
interface Known {
  readonly key: string;
  readonly startMs: number;
  /** What the reference has counted, once it has closed the window. */
  expected: number | undefined;
  /** Counts in the output, by how often they are there. */
  readonly seen: Map<number, number>;
  /** Where it was seen last. */
  where: string;
}

/** What {@linkcode PartitionWindows} is made of. */
export interface PartitionWindowsParts {
  /** The run. */
  readonly view: RunView;
  /** Input partition. */
  readonly partition: number;
  /** Output topic. */
  readonly output: string;
  /** Size, lateness and disorder. */
  readonly lengths: WindowLengths;
}

/**
 * The windows of one input partition: those of the reference and those of the output.
 *
 * - Time that never jumps makes windows a function of the records: each output is judged when it is seen.
 * - Exactly-once, jumps are known for good once they are committed: the reference follows the commits.
 * - At-least-once, an attempt that was never committed may have published a window that another jump of time has closed
 *   earlier or later; such a row counts as a repeated one. What is committed may be taken back by a late commit, so the
 *   reference is made anew each time that everything is looked at.
 */
export class PartitionWindows {
  readonly #parts: PartitionWindowsParts;
  readonly #mode: "records" | "commits" | "end";
  readonly #records: WindowRecord[] = [];
  readonly #jumps = new TimeJumps();
  readonly #windows = new Map<string, Known>();
  #fold: WindowFold;
  /** Records that the reference has taken. */
  #folded = 0;
  #isJumping = false;
  #rows = 0;

  /** @param parts The run and the lengths of the windows. */
  constructor(parts: PartitionWindowsParts) {
    this.#parts = parts;
    const { idleTimeoutMs, guarantee } = parts.view.options;
    this.#mode = idleTimeoutMs === null ? "records" : guarantee === "exactly-once" ? "commits" : "end";
    this.#fold = this.#newFold();
  }

  /** Records that came too late, as far as the reference has come. */
  get lateRows(): number {
    return this.#fold.lateRows;
  }

  /** A record that readers see. */
  record(record: WindowRecord): void {
    if (this.#mode === "records") this.#fold.record(record);
    this.#records.push(record);
  }

  /** A commit: up to where, and the metadata that tells what was decided so far. */
  commit(offset: number, metadata: string): void {
    if (this.#mode === "records") return;
    this.#jumps.commit(metadata);
    if (this.#mode === "commits") this.#foldTo(offset);
  }

  /** A window in the output. */
  see({ key, startMs, count, where }: WindowRow): void {
    const known = this.#known(key, startMs);
    const before = known.seen.get(count) ?? 0;
    known.seen.set(count, before + 1);
    known.where = where;
    this.#rows += 1;
    if (this.#mode === "records" && known.expected === undefined) {
      return this.#violate("I-01", `${where} is a window that is not over, or has no rows: ${describe(known, count)}`);
    }
    if (known.expected !== undefined && this.#mode !== "end" && known.expected !== count) {
      return this.#wrong(known, count);
    }
    if (this.#parts.view.options.guarantee === "exactly-once" && this.#timesOf(known) > 1) {
      this.#violate("I-05", `${where} is there a second time: ${describe(known, count)}`);
    }
  }

  /**
   * All of what is committed must be there.
   *
   * @param committed The committed offset.
   */
  checkAll(committed: number): void {
    if (this.#mode === "end") this.#foldAnew();
    if (this.#mode !== "records") this.#foldTo(committed);
    let needed = 0;
    for (const known of this.#windows.values()) {
      if (known.expected !== undefined && known.seen.has(known.expected)) {
        needed += 1;
        continue;
      }
      if (known.expected !== undefined) {
        const instead = known.seen.size === 0 ? "it is not there" : `there is ${[...known.seen.keys()].join(", ")}`;
        const what = `the output lacks ${describe(known, known.expected)}`;
        return this.#violate("I-04", `${what}: ${instead}; ${committed} is committed`);
      }
      if (this.#mode === "commits") {
        return this.#violate("I-05", `${known.where} is a window that no commit closes: ${describe(known)}`);
      }
    }
    for (const known of this.#windows.values()) this.#checkAttempts(known);
    const { view, output } = this.#parts;
    if (this.#fold.lateRows > 0) view.mark("a row came too late for its window");
    const more = this.#rows - needed;
    if (more === 0 || view.fired.length > 0 || view.phase === "end") return;
    this.#violate("I-06", `${more} windows are in topic '${output}' without need, and nothing has gone wrong`);
  }

  /** A row of an attempt that was dropped cannot count more than there is. */
  #checkAttempts(known: Known): void {
    const { sizeMs } = this.#parts.lengths;
    for (const count of known.seen.keys()) {
      if (count === known.expected) continue;
      this.#parts.view.mark("an attempt that was dropped had published a window");
      const rows = this.#records.filter(({ key, eventTimeMs }) =>
        key === known.key && Math.floor(eventTimeMs / sizeMs) * sizeMs === known.startMs
      );
      if (count < 1 || count > rows.length) this.#wrong(known, count);
    }
  }

  #newFold(): WindowFold {
    return new WindowFold(this.#parts.lengths, ({ key, startMs, count }) => {
      const known = this.#known(key, startMs);
      known.expected = count;
      if (this.#isJumping) this.#parts.view.mark("a jump of time closed a window");
      if (this.#mode !== "commits") return;
      for (const seen of known.seen.keys()) if (seen !== count) this.#wrong(known, seen);
    });
  }

  #foldAnew(): void {
    for (const known of this.#windows.values()) known.expected = undefined;
    this.#fold = this.#newFold();
    this.#folded = 0;
    this.#jumps.rewind();
  }

  /** Lets the reference take what lies before a position, and the jumps at it. */
  #foldTo(position: number): void {
    for (;;) {
      const record = this.#records[this.#folded];
      const jump = this.#jumps.next;
      if (jump !== undefined && jump.offset <= position && (record === undefined || jump.offset <= record.offset)) {
        this.#isJumping = true;
        this.#fold.jump(jump.taskTimeMs);
        this.#isJumping = false;
        this.#jumps.take();
      } else if (record !== undefined && record.offset < position) {
        this.#fold.record(record);
        this.#folded += 1;
      } else return;
    }
  }

  #known(key: string, startMs: number): Known {
    const place = `${startMs}/${key}`;
    let known = this.#windows.get(place);
    if (known === undefined) {
      this.#windows.set(place, known = { key, startMs, expected: undefined, seen: new Map(), where: "" });
    }
    return known;
  }

  #timesOf(known: Known): number {
    let times = 0;
    for (const each of known.seen.values()) times += each;
    return times;
  }

  #wrong(known: Known, count: number): void {
    const must = known.expected === undefined ? "it has fewer rows" : `it must be ${known.expected}`;
    this.#violate("I-01", `${known.where} has a wrong count, ${must}: ${describe(known, count)}`);
  }

  #violate(invariant: "I-01" | "I-04" | "I-05" | "I-06", message: string): void {
    this.#parts.view.violate(invariant, `${message} (input partition ${this.#parts.partition})`);
  }
}

function describe({ key, startMs, seen }: Known, count?: number): string {
  return `key '${key}', window from ${startMs}, count ${count ?? [...seen.keys()].join(", ")}`;
}
