import { type ArrowData, columnData } from "./column_data.ts";
import { batchFromColumns } from "./batch.ts";
import type { Batch, Columns } from "./schema.ts";

/**
 * The columns of a schema out of a batch that may have more, without a copy.
 *
 * @param schema The columns wanted.
 * @param batch A batch that has at least these.
 * @returns A batch with exactly the schema's columns in the schema's order.
 * @throws {TypeError} when a column is missing, of another type, or has nulls though it is not nullable.
 */
export function conformBatch<S extends Columns>(schema: S, batch: Batch): Batch<S> {
  const columns: Record<string, ArrowData> = {};
  for (const name of Object.keys(schema)) columns[name] = columnData(batch, name);
  return batchFromColumns(schema, columns as never, batch.numRows);
}
