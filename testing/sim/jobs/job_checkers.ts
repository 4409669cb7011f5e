import { inflightLedgerOf } from "../checkers/inflight_ledger.ts";
import type { Checker, RunView } from "../contracts.ts";
import { DeadLetterChecker } from "./dead_letter_checker.ts";
import type { DuplicateBound } from "./duplicate_bound.ts";
import { DEAD_LETTERS, GROUP_ID, INPUT, OUTPUT } from "./job_app.ts";
import { RowChecker } from "./row_checker.ts";
import type { RowReference } from "./row_reference.ts";

/** What differs between the jobs that make at most one row of each record. */
export interface JobCheckersOptions {
  /** Column of the output that names the record. */
  readonly place: string;
  /** What must come out. */
  readonly reference: RowReference;
}

/**
 * The checkers of a job that makes at most one row of each record.
 *
 * @param view The run.
 * @param options The job's reference.
 */
export function jobCheckers(view: RunView, options: JobCheckersOptions): Checker[] {
  const letters = deadLetterChecker(view);
  const rows = new RowChecker(view, {
    groupId: GROUP_ID,
    input: INPUT,
    output: OUTPUT,
    place: options.place,
    reference: options.reference,
    onRefused: (record) => letters.refuse(record),
    bound: boundOf(view),
  });
  return [rows, letters];
}

/** Watches what becomes of refused records. @param view The run. */
export function deadLetterChecker(view: RunView): DeadLetterChecker {
  const bound = boundOf(view);
  return new DeadLetterChecker(view, { groupId: GROUP_ID, input: INPUT, deadLetter: DEAD_LETTERS, bound });
}

/** What failures of a run may have repeated; nothing is bounded when nobody keeps a ledger. @param view The run. */
export function boundOf(view: RunView): DuplicateBound {
  return { duplicatesMax: (partition) => inflightLedgerOf(view)?.duplicatesMax(partition, INPUT) ?? Infinity };
}
