import type { RecordBatch } from "apache-arrow";

/**
 * Row origins: which input row of the task each row of a derived batch came from. Operators that keep, drop or reorder
 * rows hand them on, so that time (which advances per input row, also over rows that a filter drops) can be looked up
 * after a filter.
 */
const ORIGINS = new WeakMap<RecordBatch, Int32Array>();

/**
 * Input row of each row of a batch, or `undefined` when a step in between did not keep track.
 *
 * @param batch A batch inside a chain of operators.
 */
export function rowOrigins(batch: RecordBatch): Int32Array | undefined {
  return ORIGINS.get(batch);
}

/**
 * Notes where the rows of a batch came from.
 *
 * @param batch The derived batch.
 * @param origins Input row of each of its rows.
 * @returns The same batch.
 */
export function withRowOrigins<B extends RecordBatch>(batch: B, origins: Int32Array | undefined): B {
  if (origins !== undefined) ORIGINS.set(batch, origins);
  return batch;
}

let identity = new Int32Array(0);

/**
 * The rows 0, 1, 2 ... as origins of an input batch itself; the array is shared and must not be written.
 *
 * @param count Number of rows.
 */
export function identityRows(count: number): Int32Array {
  if (identity.length < count) {
    identity = new Int32Array(Math.max(count, 16_384));
    for (let row = 0; row < identity.length; row++) identity[row] = row;
  }
  return identity.subarray(0, count);
}
