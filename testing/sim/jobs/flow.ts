import type { SimOptions } from "../contracts.ts";

/** Share of the rows of one batch for each way to the broker that a process is expected to keep up with, faults and all. */
const SUSTAINED_SHARE = 0.15;
/** Larger bursts would make runs long and show nothing new. */
const BURST_ROWS_MAX = 600;

/**
 * The steady flow that the options of a run can keep up with: a batch takes some ways to the broker and back, so that small
 * batches over slow links move few rows. More than that would pile up until the run ends, whatever the job does.
 *
 * @param options What was drawn.
 * @returns Rows per second, at most those that were drawn.
 */
export function sustainedFlow(
  { rowsPerSecond, batchRows, latencyMs }: Pick<SimOptions, "rowsPerSecond" | "batchRows" | "latencyMs">,
): number {
  return Math.min(rowsPerSecond, SUSTAINED_SHARE * batchRows * 1_000 / Math.max(1, latencyMs));
}

/**
 * Rows of a burst of many batches.
 *
 * @param options What was drawn.
 * @returns Rows for one partition; 0 when there are no such bursts.
 */
export function burstRows({ burstBatches, batchRows }: Pick<SimOptions, "burstBatches" | "batchRows">): number {
  const rows = burstBatches * batchRows;
  return rows <= BURST_ROWS_MAX ? rows : 0;
}
