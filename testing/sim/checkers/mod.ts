/** Every invariant, and who keeps it. */
import type { Checker, InvariantId, RunView } from "../contracts.ts";
import { INVARIANT_SENTENCES } from "../invariant_sentences.ts";
import { Bounds } from "./bounds.ts";
import { CheckpointBook } from "./checkpoint_book.ts";
import { CheckpointJournals } from "./checkpoint_journals.ts";
import { CheckpointObjects } from "./checkpoint_objects.ts";
import { CheckpointOwners } from "./checkpoint_owners.ts";
import { Closings } from "./closing.ts";
import { CommitHistory } from "./commit_history.ts";
import { CommittedOffsets } from "./committed_offsets.ts";
import { Drains } from "./drains.ts";
import { FairShare } from "./fair_share.ts";
import { FlushedState } from "./flushed_state.ts";
import { InflightLedger } from "./inflight_ledger.ts";
import { LocalStores } from "./local_stores.ts";
import { Outcomes } from "./outcomes.ts";
import { Owners } from "./owners.ts";
import { Polls } from "./polls.ts";
import { ProducersInDoubt } from "./producers_in_doubt.ts";
import { Progress } from "./progress.ts";
import { Restores } from "./restores.ts";
import { RetentionRules } from "./retention.ts";
import { Revocations } from "./revocations.ts";
import { SeamHandles } from "./seam_handles.ts";
import { SurfacedErrors } from "./surfaced_errors.ts";
import { Takeovers } from "./takeovers.ts";
import { Transactions } from "./transactions.ts";
import { WaitingRows } from "./waiting_rows.ts";
import { WallClock } from "./wall_clock.ts";

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

const JOB = "jobs/job_checkers.ts";

const ROWS: readonly Row[] = [
  ["I-01", ["point", "end"], [JOB]],
  ["I-02", ["point"], ["checkers/local_stores.ts"]],
  ["I-03", ["step"], ["checkers/flushed_state.ts", "checkers/committed_offsets.ts", "checkers/polls.ts"]],
  ["I-04", ["end"], [JOB]],
  ["I-05", ["step"], ["checkers/transactions.ts", JOB]],
  ["I-06", ["end"], ["checkers/inflight_ledger.ts", JOB]],
  ["I-07", ["end"], [JOB]],
  ["I-08", ["step"], ["checkers/committed_offsets.ts"]],
  ["I-09", ["end"], [JOB]],
  ["I-10", ["step"], ["checkers/polls.ts"]],
  ["I-11", ["step"], ["checkers/owners.ts"]],
  ["I-12", ["point"], ["checkers/takeovers.ts"]],
  ["I-13", ["point"], ["checkers/revocations.ts"]],
  ["I-14", ["step"], ["checkers/producers_in_doubt.ts"]],
  ["I-15", ["step"], ["checkers/checkpoint_objects.ts"]],
  ["I-16", ["step"], ["checkers/checkpoint_objects.ts"]],
  ["I-17", ["point"], ["checkers/restores.ts"]],
  ["I-18", ["point"], ["checkers/restores.ts", "checkers/checkpoint_journals.ts"]],
  ["I-19", ["step"], ["checkers/retention.ts"]],
  ["I-20", ["end"], ["checkers/retention.ts"]],
  ["I-21", ["step"], ["checkers/checkpoint_owners.ts", "checkers/local_stores.ts"]],
  ["I-22", ["point"], ["checkers/restores.ts"]],
  ["I-23", ["point"], ["checkers/restores.ts"]],
  ["I-24", ["end"], ["checkers/progress.ts", "run.ts"]],
  ["I-25", ["step"], ["checkers/bounds.ts", "checkers/waiting_rows.ts", "checkers/closing.ts"]],
  ["I-26", ["step", "end"], ["checkers/fair_share.ts", "checkers/waiting_rows.ts", "checkers/drains.ts"]],
  ["I-27", ["point"], ["checkers/closing.ts"]],
  ["I-28", ["point"], ["checkers/local_stores.ts", "checkers/progress.ts"]],
  ["I-29", ["end"], [JOB]],
  ["I-30", ["step", "end"], ["checkers/wall_clock.ts"]],
  ["I-31", ["step"], ["checkers/outcomes.ts", "checkers/surfaced_errors.ts", "run.ts"]],
  ["I-32", ["end"], ["run.ts"]],
];

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
    new CheckpointJournals(view, { book, history }),
    new RetentionRules(view, book),
    new CheckpointOwners(view, book),
    new Restores(view, { book, history, handles }),
    new Progress(view, { history, handles }),
    new FairShare(view, handles),
    new InflightLedger(view, { history, handles }),
    new Bounds(view, handles),
    new WaitingRows(view, handles),
    new Closings(view, handles),
    new Drains(view),
    new WallClock(view, history),
    new Outcomes(view, handles),
    new SurfacedErrors(view),
  ];
}
