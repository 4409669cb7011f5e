/** What the jobs of the lanes do: running sums by key, so that each output tells whether state was the fold of its prefix. */
import { type Batch, batchOf, type Context, float64, int32, utf8 } from "@turbine/turbine";

/** Columns of the input: numbered records; `id` counts from 0. */
export const NUMBER = { id: int32(), key: utf8() };
/** Columns of the output, one row for each record: the sum of ids of its key so far. */
export const SUM = { ...NUMBER, sum: float64() };

/**
 * The handler of a job of running sums.
 *
 * @param batch Numbers.
 * @param context Holds the sum of each key.
 * @returns The sums, in the order of the numbers.
 */
export async function sumsHandler(batch: Batch<typeof NUMBER>, { state }: Context): Promise<Batch<typeof SUM>> {
  const rows: { id: number; key: string; sum: number }[] = [];
  const ids = batch.getChild("id").toArray(), keys = batch.getChild("key").toJSON();
  for (const [at, key] of keys.entries()) {
    const sum = (await state.get<number>(key) ?? 0) + ids[at]!;
    state.put(key, sum);
    rows.push({ id: ids[at]!, key, sum });
  }
  return batchOf(SUM, rows);
}
