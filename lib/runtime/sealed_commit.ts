import { encodeCommitMetadata } from "../core/commit_metadata.ts";
import { type CommitWitness, witnessOf } from "../core/commit_witness.ts";
import type { OpenCommit } from "../core/open_commits.ts";
import type { CommittedPosition } from "../seams/broker.ts";
import type { CommitOutputs } from "./commit_outputs.ts";
import type { RecoveredTask } from "./recover_task.ts";
import type { Task } from "./task.ts";

/** A commit of one task on its way. */
export interface SealedCommit {
  /** Whose commit it is. */
  readonly task: Task;
  /** What is in it. */
  readonly commit: OpenCommit;
  /** Lineage of the task. */
  readonly lineage: string;
  /** What the group holds before this commit. */
  readonly before: CommitWitness;
  /** What it holds when this commit has happened. */
  readonly after: CommitWitness;
  /** Offset and metadata for the group. */
  readonly position: CommittedPosition;
  /** What is produced. */
  readonly outputs: CommitOutputs;
}

/**
 * What a sealed commit sends to the group.
 *
 * @param task Whose commit it is.
 * @param parts The commit, what the group holds before it, and what is produced.
 */
export function sealCommit(
  task: Task,
  parts: Pick<SealedCommit, "commit" | "before" | "outputs"> & {
    readonly recovered: RecoveredTask;
    readonly transactionalId: string | null;
  },
): SealedCommit {
  const { commit, before, outputs, recovered, transactionalId } = parts;
  const { lineage, origin, ownership } = recovered;
  const { offset, leaderEpoch, sequence: commitSequence, taskTimeMs, journal } = commit.after;
  const metadata = encodeCommitMetadata({
    lineage,
    origin,
    ownerToken: ownership.token,
    commitSequence,
    taskTimeMs,
    journal,
    transactionalId,
  });
  const position = { ...task.source, offset, leaderEpoch, metadata };
  return { task, commit, lineage, before, after: witnessOf(position), outputs, position };
}
