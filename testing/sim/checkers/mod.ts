/** Every invariant, and who keeps it. */
import type { Checker, InvariantId, RunView } from "../contracts.ts";
import { INVARIANT_SENTENCES } from "../invariant_sentences.ts";

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
export function allCheckers(_view: RunView): readonly Checker[] {
  return [];
}
