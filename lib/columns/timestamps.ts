import { hasBit } from "./bitmap.ts";
import { columnData, float64Values, int32Values, int64Words, validityOf } from "./column_data.ts";
import type { Batch } from "./schema.ts";

const TWO_32 = 4_294_967_296;

/**
 * A column of instants as doubles in epoch milliseconds, without a BigInt per row. Null rows give NaN.
 *
 * @param batch The batch; slices are honoured.
 * @param column Name of a `timestampMs()` column, or of a numeric one that holds epoch milliseconds (columns of JSON with
 * an inferred schema have no other).
 * @returns One double for each row.
 * @throws {TypeError} when there is no such column, or it is of another type.
 */
export function timestampsOf(batch: Batch, column: string): Float64Array<ArrayBuffer> {
  const data = columnData(batch, column);
  const count = batch.numRows;
  const out = new Float64Array(count);
  const kind = String(data.type);
  if (kind === "Timestamp<MILLISECOND>" || kind === "Int64") {
    const words = int64Words(data);
    for (let row = 0; row < count; row++) out[row] = words[2 * row + 1]! * TWO_32 + (words[2 * row]! >>> 0);
  } else if (kind === "Float64") {
    out.set(float64Values(data).subarray(0, count));
  } else if (kind === "Int32") {
    out.set(int32Values(data).subarray(0, count));
  } else {
    throw new TypeError(
      `Cannot read timestamps as column '${column}' must be timestampMs(), or a number of epoch milliseconds: current value is ${kind}`,
    );
  }
  const validity = validityOf(data);
  if (validity === null) return out;
  for (let row = 0, bit = data.offset; row < count; row++, bit++) if (!hasBit(validity, bit)) out[row] = NaN;
  return out;
}
