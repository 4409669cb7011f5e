import type { CommitWitness } from "../core/commit_witness.ts";
import type { OpenCommit } from "../core/open_commits.ts";
import type { CommittedPosition } from "../seams/broker.ts";
import type { CommitOutputs } from "./commit_outputs.ts";
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
  /** Offset and metadata for the group. */
  readonly position: CommittedPosition;
  /** What is produced. */
  readonly outputs: CommitOutputs;
}
