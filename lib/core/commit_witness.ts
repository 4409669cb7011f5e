import type { CommittedPosition } from "../seams/broker.ts";

/**
 * What identifies a commit in the group: all that it put there. Neither the offset alone (a commit in which only time moved
 * ends where it began), nor lineage and sequence alone: after a takeover the other owner's commit has the same sequence as
 * the one of ours that it has fenced off, and another owner token, or transactional id, or offset.
 */
export interface CommitWitness {
  /** The committed offset; `null` when there is none. */
  readonly offset: bigint | null;
  /** The metadata, as they are. */
  readonly text: string;
}

/**
 * The witness of what a group committed, or will have when a commit has happened.
 *
 * @param committed What was read or is sent, or `undefined` when the group has no offset for the partition.
 */
export function witnessOf(committed: Pick<CommittedPosition, "offset" | "metadata"> | undefined): CommitWitness {
  return committed === undefined ? { offset: null, text: "" } : { offset: committed.offset, text: committed.metadata };
}

/** Whether two witnesses are of the same commit. */
export function isSameWitness(a: CommitWitness, b: CommitWitness): boolean {
  return a.offset === b.offset && a.text === b.text;
}
