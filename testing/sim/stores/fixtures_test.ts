import type { FaultKind, PlannedFault } from "../fault_kinds.ts";
import type { StoreClock } from "./sim_blob_store.ts";

/** What the tests of this folder share; holds no test of its own. */

/** Time that passes when somebody sleeps. */
export class SleepyClock implements StoreClock {
  atMs = 0;

  nowMs(): number {
    return this.atMs;
  }

  // deno-lint-ignore require-await
  async sleep(ms: number): Promise<void> {
    this.atMs += ms;
  }
}

/** A fault that may strike at once. */
export function fault(kind: FaultKind, more: Partial<PlannedFault> = {}): PlannedFault {
  return { kind, atMs: 0, process: 0, durationMs: 1_000, draw: 0, ...more };
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** What a call rejects with; fails when it does not. */
export async function rejection(call: Promise<unknown>): Promise<Error> {
  try {
    await call;
  } catch (error) {
    return error as Error;
  }
  throw new Error("the call has succeeded");
}
