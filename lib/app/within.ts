import type { Clock } from "../seams/clock.ts";

/**
 * Waits for work, but not for ever; what takes longer is left to itself.
 *
 * @param work What is waited for.
 * @param bound `ms`: how long at most, in milliseconds of that clock.
 * @returns Whether it ended in time.
 */
export async function within(
  work: Promise<unknown>,
  { ms, clock }: { readonly ms: number; readonly clock: Clock },
): Promise<boolean> {
  const finished = new AbortController();
  const timeout = clock.sleep(ms, finished.signal).then(() => false);
  try {
    return await Promise.race([work.then(() => true), timeout]);
  } finally {
    finished.abort();
  }
}
