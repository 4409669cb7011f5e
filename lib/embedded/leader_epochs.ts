/** An epoch and the offset of the first record that was appended under it. */
export type EpochStart = readonly [epoch: number, startOffset: number];

/**
 * Which leader epoch wrote which part of a log (KIP-101, KIP-320): tells a reader that was ahead of an unclean election
 * that what it has read is not what the log holds.
 */
export class LeaderEpochs {
  #starts: EpochStart[] = [];

  /** Epochs with the offset at which each began, oldest first. */
  starts(): readonly EpochStart[] {
    return this.#starts;
  }

  /** Something was appended at `offset` under `epoch`. */
  note(epoch: number, offset: number): void {
    const last = this.#starts.at(-1);
    if (last === undefined || epoch > last[0]) this.#starts.push([epoch, offset]);
  }

  /** The log ends at `logEnd` now. */
  truncate(logEnd: number): void {
    this.#starts = this.#starts.filter(([, start]) => start < logEnd);
  }

  /** The log begins at `logStart` now: of the epochs up to there, the last one counts. */
  moveStart(logStart: number): void {
    while (this.#starts.length > 1 && this.#starts[1]![1] <= logStart) this.#starts.shift();
  }

  /** Puts back what a snapshot tells. */
  restore(starts: readonly EpochStart[]): void {
    this.#starts = starts.map(([epoch, start]) => [epoch, start]);
  }

  /** Epoch under which the record at `offset` was, or would have been, appended; -1 when nothing was before it. */
  epochAt(offset: number): number {
    let found = -1;
    for (const [epoch, start] of this.#starts) if (start <= offset) found = epoch;
    return found;
  }

  /**
   * Where the records of an epoch, and of all before it, end.
   *
   * @returns The first offset of a later epoch, or `Infinity` when there is none.
   */
  endOf(epoch: number): number {
    for (const [later, start] of this.#starts) if (later > epoch) return start;
    return Infinity;
  }
}
