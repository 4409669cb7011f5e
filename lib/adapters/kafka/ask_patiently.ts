import { backoffMs } from "../../base/backoff.ts";
import type { KafkaClient } from "./kafka_client.ts";

/** Longest wait between two attempts, in milliseconds. */
const WAIT_MS_MAX = 100;

/** How a broker is asked until it is ready. */
export interface Asking<T> {
  /** Asks once. */
  send(): Promise<T>;
  /** Whether a reply says that nothing happened, and that the same request may be taken in a moment. */
  isPassing(reply: T): boolean;
  /** Whether nobody waits for it any more. */
  isClosed(): boolean;
}

/**
 * Asks again and again while a broker is not ready, for as long as the client waits for replies. The first waits are short:
 * the markers of a transaction are written a few milliseconds after its end.
 *
 * @param client Time and randomness.
 * @param asking What to ask.
 * @returns The last reply; it is a passing one when the time is over.
 */
export async function askPatiently<T>(client: KafkaClient, asking: Asking<T>): Promise<T> {
  const { clock } = client.environment;
  const endMs = clock.monotonicMs() + client.options.requestTimeoutMs;
  for (let attempt = 0;; attempt++) {
    const reply = await asking.send();
    if (!asking.isPassing(reply) || asking.isClosed() || clock.monotonicMs() >= endMs) return reply;
    await client.sleep(waitMs(client, attempt));
    if (asking.isClosed()) return reply;
  }
}

/** Attempts that follow the one before as soon as timers allow, which takes a millisecond or two. */
const QUICK_ATTEMPTS = 3;

/** The wait before another attempt: 0 or 1 milliseconds at first, then growing, with jitter. */
export function waitMs(client: KafkaClient, attempt: number): number {
  const random = client.environment.random.uint32();
  return backoffMs(Math.max(0, attempt - QUICK_ATTEMPTS), random, { baseMs: 1, capMs: WAIT_MS_MAX });
}
