import type { Data } from "apache-arrow";
import type { Batch } from "./schema.ts";

const TWO_32 = 4_294_967_296;

/**
 * A timestamp column as doubles in epoch milliseconds, read through 32-bit halves (no BigInt per row). Null rows give
 * NaN.
 *
 * @param batch The batch; slices are honoured.
 * @param column Name of a `timestampMs()` column.
 * @returns One double for each row.
 * @throws {TypeError} when there is no such column.
 */
export function timestampsOf(batch: Batch, column: string): Float64Array<ArrayBuffer> {
  const index = batch.schema.fields.findIndex((field) => field.name === column);
  const data = batch.data.children[index] as Data | undefined;
  if (data === undefined) {
    const names = batch.schema.fields.map((field) => field.name).join(", ");
    throw new TypeError(
      `Cannot read timestamps as the batch has no such column, only ${names}: current value is '${column}'`,
    );
  }
  const values = data.values as BigInt64Array;
  const halves = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  const count = batch.numRows;
  const out = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    out[row] = halves[2 * row + 1]! * TWO_32 + (halves[2 * row]! >>> 0);
  }
  if (data.nullCount > 0) {
    const bitmap = data.nullBitmap;
    for (let row = 0; row < count; row++) {
      const bit = row + data.offset;
      if ((bitmap[bit >> 3]! & (1 << (bit & 7))) === 0) out[row] = NaN;
    }
  }
  return out;
}
