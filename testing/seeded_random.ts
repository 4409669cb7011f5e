import type { Random } from "../lib/seams/random.ts";

const UINT32 = 0x1_0000_0000;

/**
 * Reproducible randomness: the generator sfc32 (small fast counter, 128 bits of state, period of at least 2^32), seeded
 * through splitmix32 so that neighbouring seeds give unrelated streams. The stream of a seed never changes between
 * releases: failure reports name seeds.
 *
 * @example The same seed gives the same numbers
 * ```ts
 * import { SeededRandom } from "@turbine/turbine/testing";
 *
 * const one = new SeededRandom(42), two = new SeededRandom(42);
 * if (one.uint32() !== two.uint32()) throw new Error("not reproducible");
 * ```
 */
export class SeededRandom implements Random {
  /** What this stream started from. */
  readonly seed: number | bigint;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /**
   * The stream of a seed.
   *
   * @param seed Any integer; its low 64 bits count.
   * @throws {RangeError} when `seed` is not an integer.
   */
  constructor(seed: number | bigint) {
    if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
      throw new RangeError(`Cannot create random stream as 'seed' must be a safe integer: current value is ${seed}`);
    }
    this.seed = seed;
    const bits = BigInt.asUintN(64, BigInt(seed));
    const mix = splitmix32(Number(bits & 0xffff_ffffn));
    this.#a = mix();
    this.#b = (mix() ^ Number(bits >> 32n)) | 0;
    this.#c = mix();
    for (let round = 0; round < 12; round++) this.uint32();
  }

  /** The next 32 random bits as an integer in [0, 2^32). */
  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number in [0, 1) with 53 random bits. */
  float(): number {
    return ((this.uint32() >>> 5) * 0x400_0000 + (this.uint32() >>> 6)) / 0x20_0000_0000_0000;
  }

  /**
   * An integer in [`low`, `high`], both included, without bias for spans below 2^32.
   *
   * @param low Smallest value.
   * @param high Greatest value.
   * @throws {RangeError} when the span is empty or not of safe integers.
   */
  integer(low: number, high: number): number {
    if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || high < low) {
      throw new RangeError(`Cannot draw integer as the range must hold an integer: current value is [${low}, ${high}]`);
    }
    const span = high - low + 1;
    if (span > UINT32) return low + Math.floor(this.float() * span);
    const limit = UINT32 - (UINT32 % span);
    for (;;) {
      const bits = this.uint32();
      if (bits < limit) return low + (bits % span);
    }
  }

  /** `true` with the given probability. @param probability In [0, 1]. */
  isHit(probability: number): boolean {
    return this.float() < probability;
  }

  /**
   * One of the items.
   *
   * @param items What to choose from.
   * @throws {RangeError} when there is none.
   */
  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length - 1)]!;
  }

  /** A copy of `items` in random order. @param items What to shuffle. */
  shuffle<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let at = result.length - 1; at > 0; at--) {
      const other = this.integer(0, at);
      const item = result[at]!;
      result[at] = result[other]!;
      result[other] = item;
    }
    return result;
  }

  /** Random bytes. @param length How many. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const result = new Uint8Array(length);
    for (let at = 0; at < length; at++) result[at] = this.uint32() >>> 24;
    return result;
  }

  /** A number in [`low`, `high`] whose logarithm is uniform: rates and sizes. @param low Above 0. @param high At least `low`. */
  logUniform(low: number, high: number): number {
    return Math.exp(Math.log(low) + this.float() * (Math.log(high) - Math.log(low)));
  }

  /** A stream of its own that depends on this one's next value only: what it draws does not move this stream on. */
  fork(): SeededRandom {
    return new SeededRandom((BigInt(this.uint32()) << 32n) | BigInt(this.uint32()));
  }
}

function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e37_79b9) | 0;
    let bits = state ^ (state >>> 16);
    bits = Math.imul(bits, 0x21f0_aaad);
    bits ^= bits >>> 15;
    bits = Math.imul(bits, 0x735a_2d97);
    return (bits ^ (bits >>> 15)) | 0;
  };
}
