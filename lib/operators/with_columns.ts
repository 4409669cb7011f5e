import { batchFromData } from "../columns/batch.ts";
import { compileExpressions, mergeColumns, mergeSchemas } from "../columns/compile_expressions.ts";
import { columnsAsExpressions } from "../columns/expression.ts";
import type { ColumnsAsExpressions, Expressions, ExpressionsOf } from "../columns/expression_types.ts";
import { rowOrigins, withRowOrigins } from "../columns/row_origins.ts";
import type { Batch, Columns, Simplify } from "../columns/schema.ts";
import type { Operator } from "../operator/operator.ts";
import { stateless } from "./stateless.ts";

/** The output of {@linkcode withColumns}. */
export type WithColumns<S extends Columns, E> = Simplify<Omit<S, keyof E> & ExpressionsOf<E>>;

/**
 * Adds computed columns, or replaces columns of the same name in their place. Every expression sees the input's columns,
 * not those that are being computed.
 *
 * @example Degrees Fahrenheit beside degrees Celsius
 * ```ts
 * import { float64, from, json, topic, withColumns } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const readings = topic("readings", { value: json({ celsius: float64() }) });
 * const both = from(readings, withColumns((c) => ({ fahrenheit: c.celsius.times(1.8).plus(32) })));
 * assertEquals(Object.keys(both.schema(readings.schema)), ["celsius", "fahrenheit"]);
 * ```
 *
 * @param columns Makes the expressions from the columns; called once for each task, never per row.
 * @returns The operator.
 * @throws {TypeError} from `schema()` when an expression names an unknown column or its operands do not fit.
 */
export function withColumns<S extends Columns, E extends Expressions>(
  columns: (column: ColumnsAsExpressions<S>) => E,
): Operator<S, WithColumns<S, E>> {
  const compile = (input: Columns) =>
    compileExpressions(input, columns(columnsAsExpressions(input as S)), { where: "withColumns()" });
  return stateless<S, WithColumns<S, E>>({
    schema: (input) => mergeSchemas(input, compile(input).columns),
    open(input) {
      const compiled = compile(input);
      const merged = mergeSchemas(input, compiled.columns);
      return (batch: Batch<S>) => {
        const { children } = mergeColumns(batch, input, { columns: compiled.columns, data: compiled.evaluate(batch) });
        const result = batchFromData(merged, children, batch.numRows);
        return withRowOrigins(result, rowOrigins(batch)) as unknown as Batch<WithColumns<S, E>>;
      };
    },
  });
}
