import { randomFillSync } from "node:crypto";
import { performance } from "node:perf_hooks";
import { clearTimeout, setTimeout } from "node:timers";
import type { Environment } from "../../seams/adapter.ts";

/** Longest time that a timer takes, in milliseconds. */
const TIMER_MS_MAX = 0x7fff_ffff;

/** Time and randomness of the process, and no log: for stores that are made without an app's environment. */
export function processEnvironment(): Environment {
  return {
    clock: { wallMs: () => Date.now(), monotonicMs: () => performance.now(), sleep },
    random: { uint32: () => randomFillSync(new Uint32Array(1))[0]! },
    observer: { step: () => {}, log: () => {} },
  };
}

/** Holds the process: a call that waits for its next attempt is not to be the end of a script. */
function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(Math.max(0, Math.ceil(ms)), TIMER_MS_MAX));
    signal?.addEventListener("abort", done, { once: true });
  });
}
