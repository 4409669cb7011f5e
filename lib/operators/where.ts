import { emptyBatch } from "../columns/batch.ts";
import { compileCondition } from "../columns/compile_expressions.ts";
import { columnsAsExpressions } from "../columns/expression.ts";
import type { ColumnsAsExpressions, Expression } from "../columns/expression_types.ts";
import type { Batch, Bool, Columns } from "../columns/schema.ts";
import { takeRows } from "../columns/take.ts";
import type { Operator } from "../operator/operator.ts";
import { stateless } from "./stateless.ts";

/**
 * Keeps the rows where a condition is true and drops those where it is false or null, as SQL's WHERE does.
 *
 * @example Only warm readings
 * ```ts
 * import { float64, from, json, topic, where } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const readings = topic("readings", { value: json({ temperature: float64() }) });
 * const warm = from(readings, where((c) => c.temperature.greaterThan(20)));
 * assertEquals(Object.keys(warm.schema(readings.schema)), ["temperature"]);
 * ```
 *
 * @param condition Makes the condition from the columns; called once for each task, never per row.
 * @returns The operator; its output has the columns of its input.
 * @throws {TypeError} from `schema()` when the condition names an unknown column or is not a condition.
 */
export function where<S extends Columns>(
  condition: (column: ColumnsAsExpressions<S>) => Expression<Bool<boolean>>,
): Operator<S, S> {
  const compile = (input: Columns) =>
    compileCondition(input, condition(columnsAsExpressions(input as S)), { where: "where()" });
  return stateless<S, S>({
    schema(input) {
      compile(input);
      return input;
    },
    open(input) {
      const compiled = compile(input);
      return (batch: Batch<S>): Batch<S> => {
        const rows = new Int32Array(batch.numRows);
        const count = compiled.select(batch, rows);
        if (count === batch.numRows) return batch;
        return count === 0 ? emptyBatch(input) : takeRows(batch, rows, count);
      };
    },
  });
}
