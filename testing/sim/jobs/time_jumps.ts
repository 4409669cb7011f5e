import { decodeCommitMetadata } from "../../../lib/core/commit_metadata.ts";

/** A jump of task time in the input of a partition. */
export interface TimeJump {
  /** It is taken before the record of this offset. */
  readonly offset: number;
  /** Task time after it, epoch milliseconds. */
  readonly taskTimeMs: number;
}

/**
 * Every jump of time that a partition's commits have told of. Their journals reach back to the oldest checkpoint only, so
 * what lies before is remembered here; from there on the newest journal counts, as it may have taken back what a commit
 * before it said.
 */
export class TimeJumps {
  readonly #jumps: TimeJump[] = [];
  #text: string | undefined;
  #taken = 0;
  #last: TimeJump = { offset: -1, taskTimeMs: -Infinity };

  /**
   * Takes in the journal of a commit.
   *
   * @param metadata Of the commit; that of an operator or a tool says nothing.
   */
  commit(metadata: string): void {
    // The journal stands at the end. Most commits have that of the one before, and decoding checks a hash.
    const text = metadata.slice(metadata.lastIndexOf(":", metadata.lastIndexOf(":") - 1));
    if (text === this.#text) return;
    const read = decodeCommitMetadata(metadata);
    if (read.kind !== "ours") return;
    this.#text = text;
    const { journal } = read;
    const jumps = this.#jumps;
    while (jumps.length > 0 && jumps.at(-1)!.offset >= Number(journal.from)) jumps.pop();
    for (const { kind, offset, value } of journal.entries) {
      if (kind === "jump") jumps.push({ offset: Number(offset), taskTimeMs: value });
    }
    // Jumps at one offset collapse to the last: one that was taken may have become another one.
    this.#taken = Math.min(this.#taken, jumps.length);
    while (this.#taken > 0 && isAfter(jumps[this.#taken - 1]!, this.#last)) this.#taken -= 1;
  }

  /** The next jump to take. */
  get next(): TimeJump | undefined {
    return this.#jumps[this.#taken];
  }

  /** Takes the next jump. */
  take(): void {
    this.#last = this.#jumps[this.#taken++]!;
  }

  /** Begins with the first jump again. */
  rewind(): void {
    this.#taken = 0;
    this.#last = { offset: -1, taskTimeMs: -Infinity };
  }
}

function isAfter(a: TimeJump, b: TimeJump): boolean {
  return a.offset > b.offset || (a.offset === b.offset && a.taskTimeMs > b.taskTimeMs);
}
