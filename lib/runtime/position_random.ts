/**
 * Randomness that depends on the input position only, so that a replay sees the same values: 32-bit mixing of a counter
 * (the finaliser of MurmurHash3) over a seed of partition and offset.
 */
export class PositionRandom {
  #state = 0;

  /**
   * Starts the sequence of one batch.
   *
   * @param partition Partition number of the input.
   * @param from Position of the batch's first record.
   */
  seed(partition: number, from: bigint): void {
    const low = Number(BigInt.asUintN(32, from));
    const high = Number(BigInt.asUintN(32, from >> 32n));
    this.#state = mix(low ^ mix(high ^ mix(partition + 0x9e3779b9)));
  }

  /** The next 32 random bits as an integer in [0, 2^32). */
  uint32(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    return mix(this.#state) >>> 0;
  }
}

function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
