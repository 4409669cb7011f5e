import type { SubscribeOptions } from "../../../lib/app/subscribe_options.ts";
import { Turbine } from "../../../lib/app/turbine.ts";
import type { SimOptions } from "../contracts.ts";

/** Input topic of every job. */
export const INPUT = "input";
/** Output topic of every job. */
export const OUTPUT = "output";
/** Where refused records go. */
export const DEAD_LETTERS = "input.dead-letter";
/** Consumer group of every job. */
export const GROUP_ID = "sim.input";

/** Settings of a subscription that are drawn. */
export type DrawnSettings =
  & Required<
    Pick<
      SubscribeOptions,
      "processingGuarantee" | "batchRows" | "commitIntervalMs" | "onRecordError" | "deadLetter" | "name"
    >
  >
  & { idleTimeoutMs?: number; replayRowsMax?: number };

/**
 * An app with the drawn options, and without places: these are given when it is started.
 *
 * @param options What was drawn.
 * @param subscribe Adds the subscription.
 */
export function jobApp(
  options: SimOptions,
  subscribe: (app: Turbine, settings: DrawnSettings) => void,
): Turbine {
  const app = new Turbine("sim", {
    checkpointIntervalMs: options.checkpointIntervalMs,
    retainedCheckpoints: options.retainedCheckpoints,
    stateFlushIntervalMs: options.stateFlushIntervalMs,
    failoverGraceMs: options.failoverGraceMs,
  });
  subscribe(app, {
    name: "input",
    deadLetter: DEAD_LETTERS,
    processingGuarantee: options.guarantee,
    batchRows: options.batchRows,
    commitIntervalMs: options.commitIntervalMs,
    onRecordError: options.onRecordError,
    ...(options.idleTimeoutMs === null ? {} : { idleTimeoutMs: options.idleTimeoutMs }),
    ...(options.replayRowsMax === null ? {} : { replayRowsMax: options.replayRowsMax }),
  });
  return app;
}

/** Topics of every job: as many partitions as were drawn for the input, the others have their own number. */
export function jobTopics(options: SimOptions, ...more: readonly string[]): Readonly<Record<string, number>> {
  const topics: Record<string, number> = { [INPUT]: options.partitions, [DEAD_LETTERS]: 1 };
  for (const [at, topic] of [OUTPUT, ...more].entries()) topics[topic] = 1 + (options.partitions + at) % 3;
  return topics;
}

/** Whether a value is a whole number of 32 bits. */
export function isInt32(value: unknown): value is number {
  return Number.isInteger(value) && Math.abs(value as number + 0.5) < 2_147_483_648;
}
