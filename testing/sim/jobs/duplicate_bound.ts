/** Says how many rows may be there twice. */
export interface DuplicateBound {
  /** Rows of an input partition that failures so far may have repeated. */
  duplicatesMax(partition: number): number;
}
