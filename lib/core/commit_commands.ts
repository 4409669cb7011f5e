import type { Outcome } from "../base/outcome.ts";
import type { CommittedPosition, GroupMetadata } from "../seams/broker.ts";
import type { CommitWitness } from "./commit_witness.ts";

/** Effects of one commit, in some order. */
export type CommitEffect = "begin" | "produce" | "send-offsets" | "end-transaction" | "commit-offsets" | "apply";

/** How the offsets of a commit reach the group. */
export type CommitMode = "plain" | "transactional";

/** The one good order of effects for each mode. `SAFETY: I-03`: `apply` stands behind the commit. */
export const COMMIT_ORDER: Readonly<Record<CommitMode, readonly CommitEffect[]>> = Object.freeze({
  plain: Object.freeze(["begin", "produce", "commit-offsets", "apply"] as const),
  transactional: Object.freeze(["begin", "produce", "send-offsets", "end-transaction", "apply"] as const),
});

/**
 * How a subscription commits. A changelog is state: its records and the offsets must become visible together, also when
 * the outputs are at-least-once; written before a plain commit, it could be compacted past the committed offset.
 *
 * @param guarantee The processing guarantee.
 * @param durability Where state is durable.
 */
export function commitMode(
  guarantee: "at-least-once" | "exactly-once",
  durability: "checkpoint" | "changelog",
): CommitMode {
  return guarantee === "exactly-once" || durability === "changelog" ? "transactional" : "plain";
}

/** One task's share of a commit. */
export interface CommittingTask {
  /** Names the task, for messages. */
  readonly id: string;
  /** Lineage of the task. */
  readonly lineage: string;
  /** Sequence of this commit. */
  readonly sequence: number;
  /** Position before its first row. */
  readonly from: bigint;
  /** Position after its last row. */
  readonly to: bigint;
  /** What the group holds before this commit. */
  readonly before: CommitWitness;
  /** What it holds when this commit has happened. */
  readonly after: CommitWitness;
}

/** How the outcome of a commit became known. */
export type CommitResult =
  /** All its tasks' commits happened; `isWitnessed`: the reply was lost and the group was asked. */
  | { readonly kind: "committed"; readonly isWitnessed: boolean }
  /** Nothing happened: the tasks were rewound and process again. */
  | { readonly kind: "aborted"; readonly isWitnessed: boolean; readonly error: Error }
  /** Closed dirty: nothing more may be done with this producer and membership. */
  | { readonly kind: "closed"; readonly error: Error };

/**
 * What the shell is to do next. `attempt` counts from 1; the shell waits (backoff) before a later attempt.
 *
 * | command | what the shell does | reply |
 * | --- | --- | --- |
 * | `begin` | capture the group metadata; `producer.begin()` when transactional | the captured fence |
 * | `produce` | produce the outputs of all tasks, wait for all acknowledgements | |
 * | `send-offsets` | `producer.sendOffsets(positions, fence)` | |
 * | `end-transaction` | `producer.commit()` | |
 * | `commit-offsets` | `consumer.commit(positions, fence)` | |
 * | `apply` | each task's oldest open commit joins the committed overlay | |
 * | `abort-transaction` | `producer.abort()` | |
 * | `close-producer` | `producer.close()`; any reply will do | |
 * | `initialize-producer` | open a new producer; `initialize()` when transactional | |
 * | `read-group-offset` | stable committed positions of all tasks | one for each task, in order |
 * | `undo` | each task drops its open commits and rewinds to its committed point | |
 * | `close-dirty` | close all tasks of the group without commit, then rejoin | |
 * | `done` | nothing; not to be reported | |
 */
export type CommitCommand =
  | { readonly kind: "begin" }
  | { readonly kind: "produce"; readonly attempt: number }
  | { readonly kind: "send-offsets"; readonly fence: GroupMetadata }
  | { readonly kind: "end-transaction" }
  | { readonly kind: "commit-offsets"; readonly fence: GroupMetadata; readonly attempt: number }
  | { readonly kind: "apply" }
  | { readonly kind: "abort-transaction" }
  | { readonly kind: "close-producer" }
  | { readonly kind: "initialize-producer"; readonly attempt: number }
  | { readonly kind: "read-group-offset"; readonly attempt: number }
  | { readonly kind: "undo"; readonly error: Error }
  | { readonly kind: "close-dirty"; readonly error: Error }
  | { readonly kind: "done"; readonly result: CommitResult };

/** What the group holds for one task, or `undefined` when it has no offset. */
export type GroupReading = Pick<CommittedPosition, "offset" | "metadata"> | undefined;

/** What the outcome of each command carries when it was applied. */
export interface CommitReplies {
  /** The fence. */
  "begin": GroupMetadata;
  /** Without meaning. */
  "produce": unknown;
  /** Without meaning. */
  "send-offsets": unknown;
  /** Without meaning. */
  "end-transaction": unknown;
  /** Without meaning. */
  "commit-offsets": unknown;
  /** Without meaning. */
  "apply": unknown;
  /** Without meaning. */
  "abort-transaction": unknown;
  /** Without meaning. */
  "close-producer": unknown;
  /** Without meaning. */
  "initialize-producer": unknown;
  /** One for each task, in the order of the tasks. */
  "read-group-offset": readonly GroupReading[];
  /** Without meaning. */
  "undo": unknown;
  /** Without meaning. */
  "close-dirty": unknown;
}

/** Outcome of a command of kind `K`. */
export type CommitOutcome<K extends keyof CommitReplies> = Outcome<CommitReplies[K]>;
