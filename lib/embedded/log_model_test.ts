/** A record, or a control record, as the simplest possible log keeps it. */
export interface Entry {
  /** Tells it from whatever was at the same offset before a truncation. */
  readonly id: number;
  readonly batch: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly sequence: number;
  readonly isTransactional: boolean;
  /** What a control record decides, or `null` for records. */
  readonly isCommit: boolean | null;
  /** Whether compaction took it. */
  isGone: boolean;
  /** Whether nothing can open its transaction again: all of its batch was gone when the log was truncated. */
  isSettled?: boolean;
}

/** One partition as a plain list; whatever is asked is found by going through all of it. */
export class LogModel {
  readonly entries: Entry[] = [];
  start = 0;

  get end(): number {
    return this.entries.length;
  }

  /** For each entry whether its transaction is open, or was aborted. */
  fates(): ("open" | "aborted" | "shown")[] {
    const fates = this.entries.map((): "open" | "aborted" | "shown" => "shown");
    const open = new Map<number, number[]>();
    for (const [offset, { producerId, isTransactional, isCommit, isSettled }] of this.entries.entries()) {
      if (isCommit === null) {
        if (isTransactional && isSettled !== true) open.set(producerId, [...open.get(producerId) ?? [], offset]);
        continue;
      }
      if (!isCommit) { for (const of of open.get(producerId) ?? []) fates[of] = "aborted"; }
      open.delete(producerId);
    }
    for (const offsets of open.values()) for (const offset of offsets) fates[offset] = "open";
    return fates;
  }

  /** Offset up to which everything is decided. */
  stable(): number {
    const first = this.fates().indexOf("open");
    return first < 0 ? this.end : Math.max(first, this.start);
  }

  /** Offsets and values that a reader sees in [from, to). */
  shown(from: number, to: number, isCommitted: boolean): [number, string | null][] {
    const fates = this.fates();
    const rows: [number, string | null][] = [];
    for (let offset = from; offset < to; offset++) {
      const { value, isCommit, isGone } = this.entries[offset]!;
      if (isCommit !== null || isGone || (isCommitted && fates[offset] !== "shown")) continue;
      rows.push([offset, value]);
    }
    return rows;
  }

  /** Loses all from `end` on. */
  truncate(end: number): void {
    const reached = new Set(this.entries.slice(this.start).map(({ batch }) => batch));
    const cut = this.entries[end]?.batch;
    if (cut !== undefined) reached.delete(cut);
    const held = new Set(this.entries.filter(({ isGone }) => !isGone).map(({ batch }) => batch));
    for (const entry of this.entries) {
      if (!held.has(entry.batch) || !reached.has(entry.batch)) entry.isSettled = true;
    }
    this.entries.length = end;
  }

  /** Keeps the newest record of each key, and no aborted one, below a clean point. */
  compact(upTo: number): void {
    const newest = this.entries.at(-1)?.batch;
    const base = this.entries.findIndex(({ batch }) => batch === newest);
    const cleanPoint = Math.min(upTo, this.stable(), base);
    const fates = this.fates();
    const last = new Map<string | null, number>();
    for (let offset = this.start; offset < cleanPoint; offset++) {
      if (fates[offset] === "shown" && !this.entries[offset]!.isGone) last.set(this.entries[offset]!.key, offset);
    }
    for (let offset = this.start; offset < cleanPoint; offset++) {
      const entry = this.entries[offset]!;
      if (entry.isCommit !== null) continue;
      if (entry.key === null || fates[offset] === "aborted" || last.get(entry.key) !== offset) entry.isGone = true;
    }
  }

  /** Whether the batch of an entry lies in the log, or in it and before it, and is not all gone. */
  isHeld({ batch, isSettled }: Entry): boolean {
    const rest = this.entries.filter((entry) => entry.batch === batch);
    return isSettled !== true && rest.some(({ isGone }) => !isGone) &&
      this.entries.slice(this.start).includes(rest.at(-1)!);
  }
}
