import type { RecordBatch } from "apache-arrow";
import { batchFromData } from "./batch.ts";
import { adoptData, isOurs, Unfit } from "./adopt_data.ts";
import { type ArrowData, unknownColumn } from "./column_data.ts";
import { rowOrigins, withRowOrigins } from "./row_origins.ts";
import type { Batch, Columns } from "./schema.ts";
import { shownValue } from "./shown_value.ts";

/**
 * Takes a RecordBatch of any Arrow library as a batch of these columns, found by name. It is judged by structure, never
 * by class: two versions of Arrow in one program do not know each other. Buffers are shared, not copied, where the types
 * are the same.
 *
 * Types are widened where every value stays exact: smaller integers to int32, int64 or float64, float32 to float64,
 * seconds to milliseconds, LargeUtf8 and dictionary-encoded text to utf8, all nulls to any nullable column. Further
 * columns are dropped.
 *
 * @example A batch made with Arrow itself
 * ```ts
 * import { asBatch, float64, rows } from "@turbine/turbine";
 * import { Float32, RecordBatch, vectorFromArray } from "apache-arrow";
 * import { assertEquals } from "@std/assert";
 *
 * const foreign = new RecordBatch({ celsius: vectorFromArray([20.5], new Float32()).data[0]! });
 * assertEquals([...rows(asBatch({ celsius: float64() }, foreign))], [{ celsius: 20.5 }]);
 * ```
 *
 * @param schema The columns.
 * @param recordBatch A RecordBatch, perhaps a slice.
 * @returns A batch of exactly these columns; `recordBatch` itself when it already is one.
 * @throws {TypeError} when it is no RecordBatch, a column is missing, cannot be widened exactly, or has a null though it is not nullable; the
 * message names the column, what was expected and what was found.
 */
export function asBatch<S extends Columns>(schema: S, recordBatch: RecordBatch | Batch<Columns>): Batch<S> {
  if (!isRecordBatch(recordBatch)) {
    throw new TypeError(
      `Cannot adopt batch as it must be a RecordBatch, such as batchOf() makes of rows: current value is ${
        shownValue(recordBatch)
      }`,
    );
  }
  const { fields } = recordBatch.schema;
  const names = fields.map((field) => field.name);
  const wanted = Object.keys(schema);
  const count = recordBatch.numRows;
  let isSame = wanted.length === fields.length && isOurs(recordBatch);
  const children = wanted.map((name, i) => {
    const index = names[i] === name ? i : names.indexOf(name);
    if (index < 0) throw unknownColumn(name, names);
    const data = recordBatch.data.children[index] as ArrowData;
    try {
      const adopted = adoptData(schema[name]!, data);
      const field = fields[index]!;
      isSame = isSame && adopted === data && index === i && field.nullable === schema[name]!.nullable;
      return adopted;
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      throw new TypeError(
        `Cannot adopt batch as column '${name}${error.path}' must be ${error.expected}: current value is ${error.found}`,
      );
    }
  });
  if (isSame) return recordBatch as unknown as Batch<S>;
  return withRowOrigins(batchFromData(schema, children, count), rowOrigins(recordBatch as RecordBatch));
}

function isRecordBatch(value: RecordBatch | Batch<Columns> | null | undefined): boolean {
  return Array.isArray(value?.schema?.fields) && Array.isArray(value.data?.children);
}
