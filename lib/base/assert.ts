/**
 * A broken invariant of the library itself: a bug, never bad input. It is not caught by the library and stops the worker.
 */
export class InvariantError extends Error {
  /** Always `"InvariantError"`. */
  override readonly name = "InvariantError";
}

/**
 * Throws an {@linkcode InvariantError} unless `condition` holds.
 *
 * @param condition What must be true here.
 * @param message Names the invariant that is broken, for example `I-03: the store must not lead the committed offset`.
 * @throws {InvariantError} when the condition is false.
 */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
