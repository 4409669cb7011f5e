import type { BoundNode } from "./json_encoder_nodes.ts";
import type { JsonOutput } from "./json_encoder_output.ts";

/**
 * Writes all rows of a batch: compiled by json_encoder_jit.ts, or built of closures by json_encoder_closures.ts.
 *
 * @param nodes The batch's arrays by node of the plan.
 * @param count Number of rows.
 * @param out Takes bytes, accepted and refused rows.
 * @param hints Number formatting hints by node, kept from batch to batch.
 */
export type EncodeRows = (nodes: readonly BoundNode[], count: number, out: JsonOutput, hints: Int32Array) => void;
