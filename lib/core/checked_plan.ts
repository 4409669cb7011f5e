import { invariant } from "../base/assert.ts";
import type { RecoveryInput, RecoveryPlan } from "./recovery_input.ts";

/**
 * What holds of every plan of a recovery, whichever way it was chosen.
 *
 * @param input What was found.
 * @param plan What was chosen.
 * @returns The same plan.
 * @throws {InvariantError} when the plan would lose or repeat something.
 */
export function checkedPlan(input: RecoveryInput, plan: RecoveryPlan): RecoveryPlan {
  const { committed, guarantee, log } = input;
  const { replayFrom, liveFrom, journal } = plan;
  invariant(
    replayFrom <= liveFrom,
    `I-03: state at ${replayFrom} leads the position ${liveFrom} that output begins at`,
  );
  if (committed !== undefined && guarantee === "exactly-once") {
    invariant(liveFrom === committed.offset, `I-03: exactly-once goes on at ${committed.offset}, not at ${liveFrom}`);
  }
  if (replayFrom < liveFrom) {
    invariant(
      replayFrom >= log.logStart,
      `a replay from ${replayFrom} is not in the log, which begins at ${log.logStart}`,
    );
    invariant(replayFrom >= journal.from, `a replay from ${replayFrom} has no decisions before ${journal.from}`);
  }
  return plan;
}
