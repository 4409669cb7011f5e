/** Every invariant, and who keeps it. */
import type { Checker, InvariantId, RunView } from "../contracts.ts";
import { INVARIANT_SENTENCES } from "../invariant_sentences.ts";
import { CheckpointBook } from "./checkpoint_book.ts";
import { CheckpointObjects } from "./checkpoint_objects.ts";
import { CheckpointOwners } from "./checkpoint_owners.ts";
import { CommitHistory } from "./commit_history.ts";
import { CommittedOffsets } from "./committed_offsets.ts";
import { FairShare } from "./fair_share.ts";
import { FlushedState } from "./flushed_state.ts";
import { LocalStores } from "./local_stores.ts";
import { Owners } from "./owners.ts";
import { Polls } from "./polls.ts";
import { ProducersInDoubt } from "./producers_in_doubt.ts";
import { Progress } from "./progress.ts";
import { Restores } from "./restores.ts";
import { RetentionRules } from "./retention.ts";
import { Revocations } from "./revocations.ts";
import { SeamHandles } from "./seam_handles.ts";
import { Takeovers } from "./takeovers.ts";
import { Transactions } from "./transactions.ts";

/** When an invariant is looked at: after each step, at points of the protocol, or at the end of a run. */
export type CheckTime = "step" | "point" | "end";

/** One invariant of the design. */
export interface InvariantRule {
  /** Its number. */
  readonly id: InvariantId;
  /** What must hold. */
  readonly sentence: string;
  /** When it is looked at. */
  readonly when: readonly CheckTime[];
  /** Files below `testing/sim` that look at it. */
  readonly where: readonly string[];
}

type Row = readonly [id: InvariantId, when: readonly CheckTime[], where: readonly string[]];

const ROWS: readonly Row[] = [];

/** All invariants in their order. */
export const INVARIANT_RULES: readonly InvariantRule[] = Object.freeze(
  ROWS.map(([id, when, where]) => ({ id, sentence: INVARIANT_SENTENCES[id]!, when, where })),
);

/**
 * The checkers that need not know what the job computes. Those of the job come with the job.
 *
 * @param view The run.
 * @returns New checkers, for this run alone.
 */
export function allCheckers(view: RunView): readonly Checker[] {
  const history = new CommitHistory(view);
  const handles = new SeamHandles();
  const book = new CheckpointBook(view);
  return [
    // These three first: the others ask them.
    history,
    handles,
    book,
    new CommittedOffsets(view, history),
    new FlushedState(view, history),
    new LocalStores(view),
    new Transactions(view, handles),
    new Polls(view),
    new Owners(view, history),
    new Takeovers(view),
    new Revocations(view, handles),
    new ProducersInDoubt(view),
    new CheckpointObjects(view, book),
    new RetentionRules(view, book),
    new CheckpointOwners(view, book),
    new Restores(view, { book, history, handles }),
    new Progress(view, { history, handles }),
    new FairShare(view, handles),
  ];
}
