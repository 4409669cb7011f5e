import { batchFromData, childrenByName, emptyBatch } from "./batch.ts";
import { concatData } from "./concat_data.ts";
import type { Batch, Columns } from "./schema.ts";

/**
 * All rows of several batches after each other.
 *
 * @param schema The columns.
 * @param batches Batches of that schema; further columns are dropped.
 * @returns One batch; the same object when there is exactly one and it has exactly these columns.
 * @throws {TypeError} when a batch lacks a column.
 */
export function concatBatches<S extends Columns>(schema: S, batches: readonly Batch<S>[]): Batch<S> {
  const [first] = batches;
  if (first === undefined) return emptyBatch(schema);
  const types = Object.values(schema);
  const names = Object.keys(schema);
  const { fields } = first.schema;
  const isWhole = fields.length === names.length && names.every((name, i) => fields[i]!.name === name);
  if (batches.length === 1 && isWhole) return first;
  const parts = batches.map((batch) => childrenByName(batch, schema));
  const children = types.map((type, i) => concatData(type, parts.map((part) => part[i]!)));
  return batchFromData(schema, children, batches.reduce((sum, batch) => sum + batch.numRows, 0));
}
