import { invariant } from "../base/assert.ts";
import type { DecisionEntry } from "./decision_entry.ts";
import { encodeDecisions } from "./decision_codec.ts";
import { digestBelow } from "./decision_digest.ts";

/** A half-open range of offsets. */
export interface OffsetRange {
  /** First offset. */
  readonly from: bigint;
  /** One past the last offset. */
  readonly to: bigint;
}

/** Bytes that a journal may take in the commit's metadata; the rest is for everything else that travels there. */
export const JOURNAL_BYTES_MAX = 3_072;

/**
 * Every decision of a task since `from`, in input order; immutable, so that an aborted commit takes its decisions with it
 * by forgetting the newer journal.
 *
 * - Entries never go back in offset; a position that was passed takes no decision.
 * - Jumps at one offset collapse to the last: with no record between them, one jump to the last leaves the same state.
 * - Complete from `from` on: silent replay may begin at `from` or above, never below. Of what was decided before, a digest
 *   remains, by which histories are told apart.
 */
export class DecisionJournal {
  /** Position from which the journal holds every decision. */
  readonly from: bigint;
  /** The decisions, oldest first. */
  readonly entries: readonly DecisionEntry[];
  /** Digest of the decisions below `from`, 0 for none. */
  readonly digest: bigint;

  /**
   * @param from Position from which the journal holds every decision.
   * @param entries Decisions at or above `from`, oldest first.
   * @param digest Digest of the decisions below `from`. @default {0n}
   */
  constructor(from: bigint, entries: readonly DecisionEntry[] = [], digest = 0n) {
    let before = from;
    for (const entry of entries) {
      checkEntry(entry);
      invariant(entry.offset >= before, `a decision journal never goes back: ${entry.offset} after ${before}`);
      before = entry.offset;
    }
    this.from = from;
    this.entries = Object.freeze(entries.slice());
    this.digest = digest;
  }

  /** Bytes of the encoded entries. */
  get bytes(): number {
    return encodeDecisions(this.from, this.entries).length;
  }

  /**
   * Whether an entry still fits. When it does not, a jump is held (time stands still, loudly) and any other decision waits,
   * until a forced checkpoint allows {@linkcode DecisionJournal.trimmed} to make room.
   *
   * @param entry The decision about to be taken.
   * @param bytesMax Bound of the encoded entries. @default {JOURNAL_BYTES_MAX}
   */
  canHold(entry: DecisionEntry, bytesMax: number = JOURNAL_BYTES_MAX): boolean {
    return encodeDecisions(this.from, this.#entriesWith(entry)).length <= bytesMax;
  }

  /**
   * The journal with one more decision.
   *
   * @param entry At or above the last entry's offset.
   */
  with(entry: DecisionEntry): DecisionJournal {
    return new DecisionJournal(this.from, this.#entriesWith(entry), this.digest);
  }

  /**
   * Digest of all decisions of the lineage below a position: the same in every journal of one history.
   *
   * @param position A position at or above `from`.
   */
  digestAt(position: bigint): bigint {
    invariant(position >= this.from, `the decision journal reaches back to ${this.from} only, not to ${position}`);
    return digestBelow(this.digest, this.entries, position);
  }

  /**
   * Decisions to take before the record at `offset` is processed (`jump`, `skip-range`) or instead of it (`drop`).
   *
   * @param offset A position at or above `from`.
   */
  entriesAt(offset: bigint): readonly DecisionEntry[] {
    return this.entries.filter((entry) => entry.offset === offset);
  }

  /**
   * Decisions that a replay from `position` has still to take. A jump at `position` itself may already be in the state;
   * taking it again changes nothing, since task time never goes back.
   *
   * @param position Position of the restored state, at or above `from`.
   */
  entriesFrom(position: bigint): readonly DecisionEntry[] {
    invariant(position >= this.from, `the decision journal reaches back to ${this.from} only, not to ${position}`);
    return this.entries.filter((entry) => entry.offset + spanOf(entry) > position);
  }

  /**
   * The next position above `position` at which something was decided, or `undefined`: a replayed batch must be cut there.
   *
   * @param position Position of the replay.
   */
  nextOffset(position: bigint): bigint | undefined {
    return this.entries.find((entry) => entry.offset > position)?.offset;
  }

  /**
   * Ranges of offsets in [`from`, `to`) whose rows were dropped or skipped when the input was processed first.
   *
   * @param from First position.
   * @param to One past the last.
   */
  omittedIn(from: bigint, to: bigint): readonly OffsetRange[] {
    const ranges: OffsetRange[] = [];
    for (const entry of this.entries) {
      if (entry.kind === "jump") continue;
      const end = entry.offset + BigInt(entry.value);
      if (entry.offset < to && end > from) {
        ranges.push({ from: entry.offset > from ? entry.offset : from, to: end < to ? end : to });
      }
    }
    return ranges;
  }

  /**
   * Forgets what no retained checkpoint needs any more.
   *
   * @param position Position of the oldest retained checkpoint.
   */
  trimmed(position: bigint): DecisionJournal {
    if (position <= this.from) return this;
    // An entry whose rows reach over the new start is kept whole by moving its start up to it.
    const entries = this.entries.filter((entry) => entry.offset + spanOf(entry) > position).map((entry) =>
      entry.offset >= position
        ? entry
        : { ...entry, offset: position, value: entry.value - Number(position - entry.offset) }
    );
    return new DecisionJournal(position, entries, this.digestAt(position));
  }

  /** The entries with one more, the last one replaced or extended where the rules say so. */
  #entriesWith(entry: DecisionEntry): readonly DecisionEntry[] {
    checkEntry(entry);
    const last = this.entries.at(-1);
    const before = last === undefined ? this.from : last.offset + (last.kind === "jump" ? 0n : BigInt(last.value));
    invariant(entry.offset >= before, `a decision journal never goes back: ${entry.offset} after ${before}`);
    if (last?.kind === "jump" && entry.kind === "jump") {
      invariant(entry.value >= last.value, `task time never goes back: ${entry.value} after ${last.value}`);
      if (last.offset === entry.offset) return [...this.entries.slice(0, -1), entry];
    }
    if (last?.kind === "drop" && entry.kind === "drop" && entry.offset === before) {
      return [...this.entries.slice(0, -1), { ...last, value: last.value + entry.value }];
    }
    return [...this.entries, entry];
  }
}

/** How many offsets an entry stands for: a jump for the record before which it is taken. */
function spanOf(entry: DecisionEntry): bigint {
  return entry.kind === "jump" ? 1n : BigInt(entry.value);
}

function checkEntry(entry: DecisionEntry): void {
  const isLegal = entry.kind === "jump"
    ? Number.isFinite(entry.value)
    : Number.isSafeInteger(entry.value) && entry.value > 0;
  invariant(isLegal, `a decision of kind '${entry.kind}' cannot have the value ${entry.value}`);
}
