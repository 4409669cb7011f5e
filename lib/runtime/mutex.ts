/** Runs one asynchronous section at a time, in the order of the calls. */
export class Mutex {
  #tail: Promise<void> = Promise.resolve();

  /**
   * Runs `section` when all sections before it have ended.
   *
   * @param section What to run alone.
   * @returns What the section returns; a failure does not keep later sections from running.
   */
  run<T>(section: () => T | Promise<T>): Promise<T> {
    const result = this.#tail.then(section);
    this.#tail = result.then(() => undefined, () => undefined);
    return result;
  }
}
