import { batchFromData, childrenByName } from "../columns/batch.ts";
import { rowOrigins, withRowOrigins } from "../columns/row_origins.ts";
import type { Batch, Columns } from "../columns/schema.ts";
import { pickColumns } from "../columns/select_columns.ts";
import type { Operator } from "../operator/operator.ts";
import { stateless } from "./stateless.ts";

/**
 * Keeps some columns, in the order of `names`, and drops the others. Nothing is copied.
 *
 * @example Dropping what is not needed downstream
 * ```ts
 * import { float64, from, json, project, topic, utf8 } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const readings = topic("readings", { value: json({ device_id: utf8(), temperature: float64() }) });
 * const narrow = from(readings, project("temperature"));
 * assertEquals(Object.keys(narrow.schema(readings.schema)), ["temperature"]);
 * ```
 *
 * @param names Names of the columns to keep.
 * @returns The operator.
 * @throws {TypeError} from `schema()` when the input lacks one of the columns.
 */
export function project<S extends Columns, K extends keyof S & string>(...names: K[]): Operator<S, Pick<S, K>> {
  return stateless<S, Pick<S, K>>({
    schema: (input) => pickColumns(input, names),
    open(input) {
      const columns = pickColumns(input, names);
      return (batch: Batch<S>) => {
        const result = batchFromData(columns, childrenByName(batch, columns), batch.numRows);
        return withRowOrigins(result, rowOrigins(batch)) as Batch<Pick<S, K>>;
      };
    },
  });
}
