/**
 * One change of state that is not a function of the records, so that silent replay can repeat it.
 *
 * | kind | `offset` | `value` |
 * | --- | --- | --- |
 * | `jump` | position at which task time jumped, before the record of that offset | task time after it, epoch ms |
 * | `skip-range` | first offset that was skipped | number of offsets skipped, from 1 |
 * | `drop` | first of consecutive rows that were dropped | number of consecutive offsets dropped, from 1 |
 */
export interface DecisionEntry {
  /** Where in the input the decision was taken. */
  readonly offset: bigint;
  /** What was decided. */
  readonly kind: DecisionKind;
  /** Its value, see the table above. */
  readonly value: number;
}

/** What was decided. */
export type DecisionKind = "jump" | "skip-range" | "drop";
