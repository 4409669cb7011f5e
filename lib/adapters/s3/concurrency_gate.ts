/** Lets a bounded number of callers in at once; the others wait in the order in which they came. */
export class ConcurrencyGate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param size How many may be inside at once. */
  constructor(size: number) {
    this.#free = size;
  }

  /** Runs something once there is room. */
  async run<T>(inside: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await inside();
    } finally {
      // The place goes to the next one directly, so that nobody who comes just now gets in before.
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
