/** How waits between attempts grow. */
export interface BackoffOptions {
  /** Upper bound of the first wait, in milliseconds. @default {100} */
  baseMs?: number;
  /** Upper bound of every wait, in milliseconds. @default {10_000} */
  capMs?: number;
}

const BASE_MS = 100;
const CAP_MS = 10_000;
const RANDOM_RANGE = 2 ** 32;

/**
 * The wait before another attempt: exponential with full jitter, so that many clients that failed together do not come
 * back together. Uniform over the integers [0, min(capMs, baseMs * 2^attempt)].
 *
 * @param attempt Failed attempts so far minus one: 0 after the first failure.
 * @param random 32 random bits, an integer in [0, 2^32).
 * @param options How waits grow.
 * @returns Milliseconds to wait, an integer.
 * @throws {RangeError} when an argument is out of range.
 */
export function backoffMs(attempt: number, random: number, options: BackoffOptions = {}): number {
  const { baseMs = BASE_MS, capMs = CAP_MS } = options;
  checkInteger("attempt", attempt, 0);
  checkInteger("random", random, 0);
  checkInteger("baseMs", baseMs, 1);
  checkInteger("capMs", capMs, baseMs);
  if (random >= RANDOM_RANGE) throw outOfRange("random", "below 2^32", random);
  // 2^attempt grows into Infinity, which the cap cuts.
  const bound = Math.min(capMs, baseMs * 2 ** attempt);
  return Math.floor((random / RANDOM_RANGE) * (bound + 1));
}

function checkInteger(name: string, value: number, min: number): void {
  if (!Number.isSafeInteger(value) || value < min) throw outOfRange(name, `an integer >= ${min}`, value);
}

function outOfRange(name: string, rule: string, value: number): RangeError {
  return new RangeError(`Cannot compute backoff as '${name}' must be ${rule}: current value is ${value}`);
}
