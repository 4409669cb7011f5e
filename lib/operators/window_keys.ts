import { rawData } from "../columns/arrow_data.ts";
import { batchFromData } from "../columns/batch.ts";
import { type ArrowData, columnData, float64Values } from "../columns/column_data.ts";
import { concatBatches } from "../columns/concat.ts";
import { numberToWords, wordsOf } from "../columns/int64.ts";
import type { Batch, Columns } from "../columns/schema.ts";
import { takeData, takeRows } from "../columns/take.ts";
import { timestampsOf } from "../columns/timestamps.ts";

const TWO_63 = 2 ** 63;
/** Smaller chunks are joined, so that many small batches do not leave as many chunks. */
const CHUNK_ROWS = 4_096;

/** Column of the window in the rows of {@linkcode WindowKeys}. */
export const WINDOW_START = "window_start";

/**
 * The keys that open windows have in state, each once, as columns: what a close would otherwise have to look for among
 * all rows of state. Only a memory of what state holds; it is dropped and read again when state goes back.
 */
export class WindowKeys {
  readonly #columns: Columns;
  readonly #open = new Set<number>();
  #chunks: Batch[] = [];

  /** @param columns The key columns; one of them is {@linkcode WINDOW_START}. */
  constructor(columns: Columns) {
    this.#columns = columns;
  }

  /** Start of the earliest open window, or `Infinity`. */
  get earliest(): number {
    let earliest = Infinity;
    for (const start of this.#open) if (start < earliest) earliest = start;
    return earliest;
  }

  /**
   * Adds keys that state has had no row for.
   *
   * @param keys Rows of the key columns.
   */
  add(keys: Batch): void {
    if (keys.numRows === 0) return;
    let last = NaN;
    for (const start of timestampsOf(keys, WINDOW_START)) {
      if (start !== last) this.#open.add(start);
      last = start;
    }
    this.#push(keys);
  }

  /**
   * Removes and returns the keys of windows that end, lateness included, at or before the watermark.
   *
   * @param watermarkMs The watermark.
   * @param openMs How long a window is open: its size and the lateness.
   * @returns The keys in no order, or `undefined` when there are none.
   */
  removeDue(watermarkMs: number, openMs: number): Batch | undefined {
    const isDue = (start: number): boolean => start + openMs <= watermarkMs;
    if (!isDue(this.earliest)) return undefined;
    for (const start of this.#open) if (isDue(start)) this.#open.delete(start);
    const chunks = this.#chunks;
    const removed: Batch[] = [];
    this.#chunks = [];
    for (const chunk of chunks) {
      const starts = timestampsOf(chunk, WINDOW_START);
      const rows = new Int32Array(starts.length);
      let due = 0;
      let kept = rows.length;
      for (let row = 0; row < starts.length; row++) rows[isDue(starts[row]!) ? due++ : --kept] = row;
      if (due > 0) removed.push(due === rows.length ? chunk : takeRows(chunk, rows, due));
      // what is kept was written from the back
      const rest = rows.subarray(due).reverse();
      if (rest.length > 0) this.#push(due === 0 ? chunk : takeRows(chunk, rest, rest.length));
    }
    return concatBatches(this.#columns, removed);
  }

  #push(keys: Batch): void {
    const chunks = this.#chunks;
    let last = keys;
    for (let before = chunks.at(-1); before !== undefined; before = chunks.at(-1)) {
      if (before.numRows >= CHUNK_ROWS || before.numRows > 2 * last.numRows) break;
      chunks.pop();
      last = concatBatches(this.#columns, [before, last]);
    }
    chunks.push(last);
  }
}

/**
 * Key columns of the chosen rows as state gives them back: -0 is 0.
 *
 * @param batch Rows with the columns `by`.
 * @param chosen The key columns (`by`, then {@linkcode WINDOW_START}), the rows, and the start of the window of each row
 * of the batch.
 * @returns One row for each chosen row.
 */
export function windowKeys(
  batch: Batch,
  chosen: { readonly columns: Columns; readonly rows: Int32Array; readonly starts: Float64Array },
): Batch {
  const { columns, rows, starts } = chosen;
  const count = rows.length;
  const children = Object.entries(columns).map(([name, type]): ArrowData => {
    if (name === WINDOW_START) return startData(rows, starts, type);
    const data = takeData(type, columnData(batch, name), { rows, count });
    if (type.kind === "float64") {
      const values = float64Values(data);
      for (let row = 0; row < count; row++) values[row] = values[row]! + 0;
    }
    return data;
  });
  return batchFromData(columns, children, count);
}

function startData(rows: Int32Array, starts: Float64Array, type: Columns[string]): ArrowData {
  const values = new BigInt64Array(rows.length);
  const words = wordsOf(values);
  for (let i = 0; i < rows.length; i++) {
    const start = starts[rows[i]!]!;
    if (!(Math.abs(start) < TWO_63)) {
      throw new RangeError(`Cannot place a row in a window as its event time must be an instant: ${start}`);
    }
    numberToWords(start, words, i);
  }
  return rawData(type, { length: rows.length, nullCount: 0, data: values });
}
