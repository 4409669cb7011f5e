/**
 * A law does not hold for a handler. The message says what is wrong in plain words, shows the smallest input that was
 * found, and how to run it again.
 */
export class LawError extends Error {
  /** The law: name of the function that checks it. */
  readonly law: string;
  /** Seed of the cases; pass it to the law to run them again. */
  readonly seed: number;
  /** Path to the smallest case that was found; pass it together with `seed` to run that case alone. */
  readonly path: string;
  /** The smallest case that was found. */
  readonly counterexample: unknown;

  /**
   * Made by the laws.
   *
   * @param message What is wrong.
   * @param found Where it was found.
   */
  constructor(
    message: string,
    found: {
      readonly law: string;
      readonly seed: number;
      readonly path: string;
      readonly counterexample: unknown;
      readonly cause?: unknown;
    },
  ) {
    super(message, { cause: found.cause });
    this.name = "LawError";
    this.law = found.law;
    this.seed = found.seed;
    this.path = found.path;
    this.counterexample = found.counterexample;
  }
}
