/**
 * The owner token of a task: claimed by put-if-absent, greater than any before it. Names of checkpoints carry it, and
 * nobody deletes what a higher token wrote (I-21). A task without state never claims one: token 0 in commit metadata says
 * that there is no state to restore.
 */
export class Ownership {
  #token = 0;
  readonly #claim: (above: number) => Promise<number>;

  /** @param claim Claims the next token above one. */
  constructor(claim: (above: number) => Promise<number>) {
    this.#claim = claim;
  }

  /** The token, or 0 before one is claimed. */
  get token(): number {
    return this.#token;
  }

  /** Whether a token has been claimed. */
  get isClaimed(): boolean {
    return this.#token > 0;
  }

  /** Claims a token unless there is one: before the first commit that has state behind it. */
  async claim(): Promise<void> {
    if (this.#token === 0) this.#token = await this.#claim(0);
  }

  /** Claims a greater token than ours: a process that is not the owner any more has claimed one since. */
  async claimAgain(): Promise<void> {
    this.#token = await this.#claim(this.#token);
  }
}
