import type { CommittedPosition, PartitionOffsets } from "../seams/broker.ts";
import type { CommitWitness } from "./commit_witness.ts";
import type { DecisionJournal } from "./decision_journal.ts";
import type { GroupReading } from "./commit_commands.ts";
import type { TaskPosition } from "./position.ts";

/** What to do when neither local state nor a usable checkpoint reaches the committed offset. */
export type CrashRecovery = "fail" | "rebuild-from-earliest" | "resume-empty";

/** An intact, compatible checkpoint. */
export interface CheckpointCandidate {
  /** Its name. */
  readonly id: string;
  /** The position it was taken at, with its lineage and owner token. */
  readonly position: TaskPosition;
}

/** What a recovery is decided by. */
export interface RecoveryInput {
  /** Names the task, for messages. */
  readonly task: string;
  /** The guarantee. */
  readonly guarantee: "at-least-once" | "exactly-once";
  /** What the group holds (stable), or `undefined` when it has no offset. */
  readonly committed: (NonNullable<GroupReading> & Partial<Pick<CommittedPosition, "leaderEpoch">>) | undefined;
  /** First and last reachable offset of the input. */
  readonly log: PartitionOffsets;
  /** Id of the input topic as it is now. */
  readonly topicId: string;
  /** Position of the local store; a locked or damaged store counts as absent. */
  readonly local: TaskPosition | "absent" | "corrupt";
  /** Intact checkpoints, in any order, of any lineage. */
  readonly checkpoints: readonly CheckpointCandidate[];
  /** How many checkpoints were found that are damaged: no candidates, but a sign of state. */
  readonly damagedCheckpoints: number;
  /** A subscription without state needs no restore. */
  readonly hasState: boolean;
  /** The option. */
  readonly onCrashRecovery: CrashRecovery;
  /** Where a fresh task starts (`startFrom`, resolved to an offset). */
  readonly startOffset: bigint;
  /** Name for a lineage, should a new one begin. */
  readonly newLineage: string;
  /** Token that this owner has claimed. */
  readonly ownerToken: number;
}

/** Which state is taken. */
export type StateCandidate =
  | { readonly kind: "local" }
  | { readonly kind: "checkpoint"; readonly id: string }
  | { readonly kind: "empty" };

/** Where and how to go on. */
export interface RecoveryPlan {
  /** Which state is taken; a local store that is not the candidate is deleted. */
  readonly candidate: StateCandidate;
  /** Position of that state: silent replay is [replayFrom, liveFrom). */
  readonly replayFrom: bigint;
  /** First offset whose outputs are produced. */
  readonly liveFrom: bigint;
  /** Leader epoch known at `liveFrom`, or -1. */
  readonly leaderEpoch: number;
  /** Task time of the candidate, where replay begins; `null`: none yet (never 0). */
  readonly taskTimeMs: number | null;
  /** Task time that the replay must end with, or `undefined` when it is not known. */
  readonly taskTimeAtLiveMs: number | null | undefined;
  /**
   * Decisions to repeat, and to carry on: those from `replayFrom` to `liveFrom`, and also those at `liveFrom` itself, before
   * the first live record.
   */
  readonly journal: DecisionJournal;
  /** Lineage from now on. */
  readonly lineage: string;
  /** Whether that lineage begins here. */
  readonly isLineageNew: boolean;
  /** Position at which the lineage began with empty state. */
  readonly origin: bigint;
  /** Number of commits of the lineage so far: the next one has this + 1. */
  readonly commitSequence: number;
  /** Token of this owner. */
  readonly ownerToken: number;
  /** What the group holds now: the witness before the next commit. */
  readonly witness: CommitWitness;
  /** Whether to commit `liveFrom` at once, before any record: the group holds something else, or not this lineage. */
  readonly isCommitNeeded: boolean;
  /** Sentences for the log, loud. */
  readonly warnings: readonly string[];
}
