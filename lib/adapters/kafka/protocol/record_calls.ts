/** A transaction of which the reply holds records that are not to be seen. */
export interface AbortedTransaction {
  /** Its producer. */
  readonly producerId: bigint;
  /** Its first offset in this partition. */
  readonly firstOffset: bigint;
}
