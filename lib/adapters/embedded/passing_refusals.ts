import type { RefusalCode } from "../../embedded/reply.ts";

/** Refusals of a broker that is not ready: nothing happened, and the same request may be taken in a moment. */
export const PASSING_REFUSALS: ReadonlySet<RefusalCode> = new Set<RefusalCode>([
  "concurrent-transactions",
  "not-coordinator",
  "not-leader",
  "not-enough-replicas",
]);
