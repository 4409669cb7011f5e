import type { SeenRecord } from "./record_texts.ts";

/** A row of JSON. */
export type JsonRow = Readonly<Record<string, unknown>>;

/** What becomes of one input record. */
export type Verdict =
  /** A row comes out. */
  | {
    readonly kind: "row";
    /** What an output names its record by: unique in the partition unless a record is there twice. */
    readonly place: number;
    /** The row. */
    readonly row: JsonRow;
    /** Rows of one key come out in input order. @default {no order is asked for} */
    readonly key?: string;
  }
  /** Nothing comes out. */
  | { readonly kind: "nothing" }
  /** The record is handed to the policy for refused records. */
  | {
    readonly kind: "refused";
    /** What an output would name the record by. @default its offset */
    readonly place?: number;
  };

/** Nothing comes out. */
export const NOTHING: Verdict = { kind: "nothing" };
/** The record is handed to the policy for refused records. */
export const REFUSED: Verdict = { kind: "refused" };

/**
 * What a job must do, in the simplest code there is: plain maps, one record after the other, no columns and no batches, so
 * that it cannot depend on where batches are cut.
 */
export interface RowReference {
  /** Takes in the next record of its partition and says what must come of it. */
  fold(record: SeenRecord): Verdict;
}
