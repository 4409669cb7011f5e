import type { CommittedPosition } from "../seams/broker.ts";
import { decodeCommitMetadata } from "./commit_metadata.ts";

/**
 * What identifies a commit in the group: lineage and commit sequence when it is one of ours, else what else is there. Not
 * the offset: a commit in which only time moved ends where it began.
 */
export type CommitWitness =
  | { readonly kind: "ours"; readonly lineage: string; readonly commitSequence: number }
  | { readonly kind: "other"; readonly offset: bigint | null; readonly text: string };

/**
 * The witness of what a group committed.
 *
 * @param committed What was read, or `undefined` when the group has no offset for the partition.
 */
export function witnessOf(committed: Pick<CommittedPosition, "offset" | "metadata"> | undefined): CommitWitness {
  if (committed === undefined) return { kind: "other", offset: null, text: "" };
  const metadata = decodeCommitMetadata(committed.metadata);
  if (metadata.kind !== "ours") return { kind: "other", offset: committed.offset, text: committed.metadata };
  return { kind: "ours", lineage: metadata.lineage, commitSequence: metadata.commitSequence };
}

/** Whether two witnesses are of the same commit. */
export function isSameWitness(a: CommitWitness, b: CommitWitness): boolean {
  if (a.kind === "ours") {
    return b.kind === "ours" && a.lineage === b.lineage && a.commitSequence === b.commitSequence;
  }
  return b.kind === "other" && a.offset === b.offset && a.text === b.text;
}
