import { randomFillSync } from "node:crypto";
import type { Random } from "../../seams/random.ts";

const POOL_SIZE = 256;

/** Randomness of the operating system, drawn in blocks. */
export class SystemRandom implements Random {
  readonly #pool = new Uint32Array(POOL_SIZE);
  #used = POOL_SIZE;

  /** The next 32 random bits as an integer in [0, 2^32). */
  uint32(): number {
    if (this.#used === POOL_SIZE) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    return this.#pool[this.#used++]!;
  }
}
