import type { DecisionJournal } from "./decision_journal.ts";

/** A point that a task has reached. */
export interface HistoryPoint {
  /** Next offset. */
  readonly offset: bigint;
  /** Decisions up to here. */
  readonly journal: DecisionJournal;
}

/**
 * Whether a history of a lineage has gone through a state. State is a function of the records and of what was decided, so
 * it has when all decisions below the state's offset are the same; whoever took them, and in how many commits.
 *
 * Neither lineage nor owner token tell that: after an operator has put a group back to an older export, the owner after
 * that goes on in the same lineage, and where the owners before it had got to is a future that never came to be. Once the
 * committed offset has passed it, it looks like the past.
 *
 * @param history Where the history stands now, in the same lineage.
 * @param state What may be a state on the way there.
 * @returns `false` also when the state lies ahead, or where the history's journal does not reach back to.
 */
export function hasGoneThrough(history: HistoryPoint, state: HistoryPoint): boolean {
  const { offset } = state;
  if (offset > history.offset || offset < history.journal.from) return false;
  if (history.journal.digestAt(offset) !== state.journal.digestAt(offset)) return false;
  // Jumps at the offset itself were taken one after the other: the state may have seen the first of them.
  return timeAt(state.journal, offset) <= timeAt(history.journal, offset);
}

/** Task time that was jumped to at an offset. */
function timeAt(journal: DecisionJournal, offset: bigint): number {
  const jump = journal.entriesAt(offset).find((entry) => entry.kind === "jump");
  return jump?.value ?? -Infinity;
}
