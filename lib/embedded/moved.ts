import type { Change } from "./change.ts";

/** What moved in a cluster, for those who wait: readers of a topic, members of a group, or everybody. */
export interface Moved {
  /** Topic whose logs moved. */
  readonly topic?: string;
  /** Group whose members, or what is asked of them, moved. */
  readonly groupId?: string;
  /** Whether it may concern readers and members of all. */
  readonly isEverything?: boolean;
}

/** It may concern everybody. */
export const EVERYTHING: Moved = { isEverything: true };

/** Neither readers nor members see it; who waits for the end of a transaction does. */
const NEITHER: Moved = {};

/**
 * What a change moves. Offsets and transactions move no log by themselves: markers do.
 *
 * @param change What happened.
 */
export function movedBy(change: Change): Moved {
  switch (change.kind) {
    case "cluster-named":
    case "transaction-version-set":
    case "offsets-committed":
    case "offsets-deleted":
    case "producer-allocated":
    case "transaction-initialized":
    case "transaction-partitions-added":
    case "transaction-offsets-staged":
    case "transaction-prepared":
    case "transaction-epochs-exhausted":
    case "transaction-offsets-resolved":
    case "transaction-completed":
    case "transaction-expired":
      return NEITHER;
    default:
      return change;
  }
}
