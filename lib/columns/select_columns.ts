import { batchFromData, childrenByName, columnFromInput, type ColumnInput } from "./batch.ts";
import { columnsOf, columnTypeOf } from "./columns_of.ts";
import { typeOfColumn } from "./column_data.ts";
import { compileExpressions, mergeColumns } from "./compile_expressions.ts";
import { columnsAsExpressions } from "./expression.ts";
import type { ColumnsAsExpressions, Expression } from "./expression_types.ts";
import { rowOrigins, withRowOrigins } from "./row_origins.ts";
import type { Batch, Column, Columns, ColumnType, Simplify } from "./schema.ts";

/**
 * Some columns of a batch, in the order of `names`, without a copy. (`RecordBatch.select()` of Arrow gives nulls for
 * columns that are not the first ones; use this instead.)
 *
 * @example One column out of two
 * ```ts
 * import { batchOf, float64, rows, selectColumns, utf8 } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const batch = batchOf({ device_id: utf8(), temperature: float64() }, [{ device_id: "d-1", temperature: 20 }]);
 * assertEquals([...rows(selectColumns(batch, "temperature"))], [{ temperature: 20 }]);
 * ```
 *
 * @param batch A batch.
 * @param names Columns to keep.
 * @returns A batch with these columns.
 * @throws {TypeError} when there is no such column; the message names those that exist.
 */
export function selectColumns<S extends Columns, K extends keyof S & string>(
  batch: Batch<S>,
  ...names: K[]
): Batch<Simplify<Pick<S, K>>> {
  const columns = pickColumns(columnsOf(batch), names);
  const result = batchFromData(columns, childrenByName(batch, columns), batch.numRows);
  return withRowOrigins(result, rowOrigins(batch)) as Batch<Simplify<Pick<S, K>>>;
}

/** Some columns of a schema, in the order of `names`. */
export function pickColumns(columns: Columns, names: readonly string[]): Columns {
  return Object.freeze(Object.fromEntries(names.map((name) => [name, typeOfColumn(columns, name)])));
}

/** A batch with one more column, computed or given. */
export function withColumn<S extends Columns, N extends string, C extends ColumnType>(
  batch: Batch<S>,
  name: N,
  column: (column: ColumnsAsExpressions<S>) => Expression<C>,
): Batch<Simplify<Omit<S, N> & { readonly [P in N]: C }>>;
/** A batch with one more column, given as a column of as many rows. */
export function withColumn<S extends Columns, N extends string, C extends ColumnType>(
  batch: Batch<S>,
  name: N,
  column: Column<C>,
): Batch<Simplify<Omit<S, N> & { readonly [P in N]: C }>>;
/**
 * A batch with one more column, or with one replaced; the other columns are not copied.
 *
 * @example Degrees Fahrenheit beside degrees Celsius
 * ```ts
 * import { batchOf, float64, rows, withColumn } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const batch = batchOf({ celsius: float64() }, [{ celsius: 100 }]);
 * const both = withColumn(batch, "fahrenheit", (c) => c.celsius.times(1.8).plus(32));
 * assertEquals([...rows(both)], [{ celsius: 100, fahrenheit: 212 }]);
 * ```
 *
 * @param batch A batch.
 * @param name Name of the column; an existing one is replaced in its place, a new one is appended.
 * @param column A callback that makes an expression from the columns, or a column of as many rows.
 * @returns A batch with that column.
 * @throws {TypeError} when the callback names an unknown column, or a given column has another number of rows.
 */
export function withColumn(
  batch: Batch,
  name: string,
  column: ((column: ColumnsAsExpressions<Columns>) => Expression) | Column,
): Batch {
  const columns = columnsOf(batch);
  if (typeof column === "function") {
    const expressions = { [name]: column(columnsAsExpressions(columns)) };
    const compiled = compileExpressions(columns, expressions, { where: "withColumn()" });
    return merged(batch, columns, { columns: compiled.columns, data: compiled.evaluate(batch) });
  }
  const type = typeOfVector(name, column);
  const data = columnFromInput(name, type, { input: column as ColumnInput, count: batch.numRows });
  return merged(batch, columns, { columns: { [name]: type }, data: [data] });
}

function merged(batch: Batch, columns: Columns, more: Parameters<typeof mergeColumns>[2]): Batch {
  const { children, columns: all } = mergeColumns(batch, columns, more);
  return withRowOrigins(batchFromData(all, children, batch.numRows), rowOrigins(batch));
}

/** The type of a vector: nullable when it holds a null. */
function typeOfVector(name: string, column: Column): ColumnType {
  const type = columnTypeOf(name, column.type, column.nullCount > 0);
  if (type === undefined) {
    throw new TypeError(
      `Cannot add column '${name}' as no column has its Arrow type: current value is ${column.type}`,
    );
  }
  return type;
}
