import { boolBits, soleData, validityOf } from "./column_data.ts";
import { columnsOf } from "./columns_of.ts";
import { compileCondition } from "./compile_expressions.ts";
import { columnsAsExpressions } from "./expression.ts";
import type { ColumnsAsExpressions, Expression } from "./expression_types.ts";
import { hasBit } from "./bitmap.ts";
import type { Batch, Bool, Column, Columns } from "./schema.ts";
import { shownValue } from "./shown_value.ts";
import { takeRows } from "./take.ts";

/** Arrow's number of the type bool, the same in every version of the library. */
const BOOL = 6;

/** What {@linkcode filter} takes: a condition over columns, a bool column, or one byte per row (0 drops it). */
export type FilterCondition<S extends Columns> =
  | ((column: ColumnsAsExpressions<S>) => Expression<Bool<boolean>>)
  | Column<Bool<boolean>>
  | Uint8Array;

/**
 * The rows of a batch where a condition is true; rows where it is false or null are dropped, as in SQL.
 *
 * @example Readings above a threshold
 * ```ts
 * import { batchOf, filter, float64, rows, utf8 } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const batch = batchOf({ device_id: utf8(), temperature: float64({ nullable: true }) }, [
 *   { device_id: "d-1", temperature: 20 },
 *   { device_id: "d-2", temperature: 35 },
 *   { device_id: "d-3", temperature: null },
 * ]);
 * const hot = filter(batch, (c) => c.temperature.greaterThan(30));
 * assertEquals([...rows(hot)], [{ device_id: "d-2", temperature: 35 }]);
 * ```
 *
 * @param batch A batch.
 * @param condition A callback that makes a condition from the columns, a bool column of as many rows, or a mask.
 * @returns The batch itself when every row is kept, else a fresh one.
 * @throws {TypeError} when the callback names an unknown column or does not return a condition, or `condition` is of another kind.
 * @throws {RangeError} when the mask has another length than the batch, or a row breaks a rule of integer arithmetic.
 */
export function filter<S extends Columns>(batch: Batch<S>, condition: FilterCondition<S>): Batch<S> {
  const rows = new Int32Array(batch.numRows);
  let count: number;
  if (typeof condition === "function") {
    const columns = columnsOf(batch);
    const expression = condition(columnsAsExpressions(columns));
    count = compileCondition(columns, expression, { where: "filter()" }).select(batch, rows);
  } else if (condition instanceof Uint8Array) {
    checkLength(condition.length, batch.numRows);
    count = 0;
    for (let i = 0; i < rows.length; i++) {
      rows[count] = i;
      count += condition[i] === 0 ? 0 : 1;
    }
  } else if (condition?.type?.typeId === BOOL) {
    count = selectTrue(condition, rows);
  } else {
    throw new TypeError(
      `Cannot filter batch as its condition must be a callback, a bool column or a Uint8Array: current value is ${
        shownValue(condition)
      }`,
    );
  }
  return count === batch.numRows ? batch : takeRows(batch, rows, count);
}

function selectTrue(column: Column<Bool<boolean>>, rows: Int32Array): number {
  checkLength(column.length, rows.length);
  const data = soleData(column);
  let count = 0;
  if (data === undefined) {
    for (let i = 0; i < rows.length; i++) if (column.get(i) === true) rows[count++] = i;
    return count;
  }
  const bits = boolBits(data);
  const validity = validityOf(data);
  for (let i = 0; i < rows.length; i++) {
    const at = data.offset + i;
    if (hasBit(bits, at) && (validity === null || hasBit(validity, at))) rows[count++] = i;
  }
  return count;
}

function checkLength(length: number, rows: number): void {
  if (length !== rows) {
    throw new RangeError(`Cannot filter batch as the mask must have ${rows} rows: current value is ${length}`);
  }
}
