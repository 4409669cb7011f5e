import { invariant } from "../base/assert.ts";
import { ProcessingError } from "../base/errors.ts";
import { batchFromColumns } from "../columns/batch.ts";
import { batchOf } from "../columns/batch_of.ts";
import { hasBit } from "../columns/bitmap.ts";
import { type ArrowData, columnData, int64Words, validityOf } from "../columns/column_data.ts";
import { groupRows } from "../columns/group_rows.ts";
import { int64FromNumbers, wordsToNumber } from "../columns/int64.ts";
import { rowOrigins } from "../columns/row_origins.ts";
import {
  type Batch,
  type Column,
  type Columns,
  type Int64,
  int64,
  type Simplify,
  type Struct,
  struct,
  type TimestampMs,
  timestampMs,
} from "../columns/schema.ts";
import { selectColumns } from "../columns/select_columns.ts";
import { take, takeRows } from "../columns/take.ts";
import { timestampsOf } from "../columns/timestamps.ts";
import type { Context, Operator, Running, StateAccess, StateTable } from "../operator/operator.ts";
import { sortedRows } from "./sorted_rows.ts";
import { WINDOW_START, WindowKeys, windowKeys } from "./window_keys.ts";

/** Options of {@linkcode tumblingCount}. */
export interface TumblingCountOptions<S extends Columns, By extends keyof S & string> {
  /** Identity in state and checkpoints. */
  name: string;
  /** Length of a window in milliseconds; windows start at multiples of it. */
  sizeMs: number;
  /** Columns that rows are counted by. */
  by: readonly By[];
  /** How long a window stays open after the watermark has passed its end, in milliseconds. @default {0} */
  allowedLatenessMs?: number;
}

/** Columns of {@linkcode tumblingCount}: the `by` columns, the window and the count. */
export type TumblingCountOutput<S extends Columns, By extends keyof S> = Simplify<
  Pick<S, By> & { window_start: TimestampMs; window_end: TimestampMs; count: Int64 }
>;

/** Rows come and windows go in one order, whatever the cut of batches. */
const LATE = "turbine:late-rows";
/** Keys read from state that become one batch. */
const LOAD_ROWS = 8_192;

/**
 * Counts rows in tumbling windows of event time, by one or several columns; a window is published once, when the
 * watermark has passed its end and the allowed lateness. Windows survive restarts: they are kept in state.
 *
 * A row is late when the watermark before it (which advances per row, never per batch) has passed the end of its window
 * by `allowedLatenessMs`; late rows are not counted and are logged with their number.
 *
 * @param options Name, size, key columns and lateness.
 * @returns An operator whose output mode is `append`.
 * @throws {TypeError} when the name is empty or `by` names a column that the input lacks.
 * @throws {RangeError} when a number is out of range.
 *
 * @example Readings per device and 10 seconds
 * ```ts
 * import { int64, json, timestampMs, topic, tumblingCount, utf8 } from "@turbine/turbine";
 * import { assertEquals } from "@std/assert";
 *
 * const perDevice = tumblingCount({ name: "per-device", sizeMs: 10_000, by: ["device_id"] });
 * assertEquals(Object.keys(perDevice.schema({ device_id: utf8(), ts: timestampMs() })), [
 *   "device_id",
 *   "window_start",
 *   "window_end",
 *   "count",
 * ]);
 * ```
 */
export function tumblingCount<S extends Columns, By extends keyof S & string>(
  options: TumblingCountOptions<S, By>,
): Operator<S, TumblingCountOutput<S, By>> {
  const { name, sizeMs, by, allowedLatenessMs = 0 } = options;
  const problem = `Cannot create tumbling count '${name}' as`;
  if (typeof name !== "string" || name === "") {
    throw new TypeError(`Cannot create tumbling count as 'name' must not be empty: current value is '${name}'`);
  }
  if (!Number.isInteger(sizeMs) || sizeMs < 1) {
    throw new RangeError(`${problem} 'sizeMs' must be an integer >= 1: current value is ${sizeMs}`);
  }
  if (!Number.isInteger(allowedLatenessMs) || allowedLatenessMs < 0) {
    throw new RangeError(
      `${problem} 'allowedLatenessMs' must be an integer >= 0: current value is ${allowedLatenessMs}`,
    );
  }
  if (!Array.isArray(by) || by.length === 0) {
    throw new TypeError(`${problem} 'by' must name at least one column: current value is ${JSON.stringify(by)}`);
  }
  const schema = (input: Columns): Columns => {
    for (const column of by) {
      if (input[column] === undefined) {
        const columns = Object.keys(input).join(", ");
        throw new TypeError(`${problem} 'by' must name columns of ${columns}: current value is '${column}'`);
      }
    }
    const keys = Object.fromEntries(by.map((column) => [column, input[column]!]));
    return { ...keys, window_start: timestampMs(), window_end: timestampMs(), count: int64() };
  };
  return Object.freeze({
    name,
    isStateful: true,
    stateNames: Object.freeze([name]),
    stateFormats: Object.freeze({ [name]: `tumbling count of ${sizeMs} ms by ${by.join(", ")}` }),
    outputMode: "append" as const,
    schema,
    open: (input: S) => new RunningTumblingCount({ name, sizeMs, by, allowedLatenessMs }, schema(input)) as never,
  });
}

type Key = Struct<Columns>;
type Value = { readonly count: Int64 };

class RunningTumblingCount implements Running<Columns, Columns> {
  readonly #options: { name: string; sizeMs: number; by: readonly string[]; allowedLatenessMs: number };
  readonly #output: Columns;
  readonly #keyColumns: Columns;
  readonly #table: StateTable<Key, Value>;
  #access: StateAccess<Key, Value> | undefined;
  /** Keys that have a row in state; `undefined`: not known, to be read from state. */
  #open: WindowKeys | undefined;

  constructor(
    options: { name: string; sizeMs: number; by: readonly string[]; allowedLatenessMs: number },
    output: Columns,
  ) {
    this.#options = options;
    this.#output = output;
    const { window_end: _end, count: _count, ...keyColumns } = output as Record<string, Columns[string]>;
    this.#keyColumns = keyColumns as Columns;
    this.#table = { key: struct(this.#keyColumns), value: { count: int64() }, routing: options.by.length };
  }

  async process(batch: Batch, context: Context): Promise<undefined> {
    const open = this.#open ?? await this.#load(context);
    const { kept, starts } = this.#inTime(batch, context);
    if (kept.length === 0) return undefined;
    const { by } = this.#options;
    const rows = kept.length === batch.numRows ? batch : take(selectColumns(batch, ...by), kept);
    const { codes, count, first } = groupRows(rows, by, starts);
    const counts = new Float64Array(count);
    for (let row = 0; row < codes.length; row++) counts[codes[row]!]! += 1;
    const keys = windowKeys(rows, { columns: this.#keyColumns, rows: first, starts });
    const keyColumn = this.#keyColumn(keys);
    const state = this.#state(context);
    const before = columnData(await state.getMany(keyColumn), "count");
    const known = validityOf(before);
    const words = int64Words(before);
    const fresh = new Int32Array(count);
    let freshCount = 0;
    for (let group = 0; group < count; group++) {
      if (known === null || hasBit(known, before.offset + group)) counts[group]! += wordsToNumber(words, group);
      else fresh[freshCount++] = group;
    }
    const total = int64FromNumbers(counts);
    state.putMany(keyColumn, batchFromColumns({ count: int64() }, { count: total }, count));
    open.add(freshCount === count ? keys : takeRows(keys, fresh, freshCount));
    return undefined;
  }

  async advance(watermarkMs: number, context: Context): Promise<Batch | undefined> {
    const open = this.#open ?? await this.#load(context);
    const { sizeMs, allowedLatenessMs } = this.#options;
    const due = open.removeDue(watermarkMs, sizeMs + allowedLatenessMs);
    if (due === undefined) return undefined;
    const { window_start, ...by } = this.#keyColumns as Record<string, Columns[string]>;
    const order = sortedRows(due, { window_start, ...by } as Columns);
    const keys = takeRows(due, order, order.length);
    const keyColumn = this.#keyColumn(keys);
    const state = this.#state(context);
    const counts = columnData(await state.getMany(keyColumn), "count");
    invariant(counts.nullCount === 0, "every key of an open window has a count in state");
    state.deleteMany(keyColumn);
    const ends = timestampsOf(keys, WINDOW_START);
    for (let row = 0; row < ends.length; row++) ends[row]! += sizeMs;
    const columns = { ...this.#inputs(keys), window_end: int64FromNumbers(ends), count: counts };
    return batchFromColumns(this.#output, columns, keys.numRows);
  }

  dueMs(): number | undefined {
    if (this.#open === undefined) return -Infinity;
    const { earliest } = this.#open;
    const { sizeMs, allowedLatenessMs } = this.#options;
    return earliest === Infinity ? undefined : earliest + sizeMs + allowedLatenessMs;
  }

  reset(): void {
    this.#open = undefined;
  }

  #state(context: Context): StateAccess<Key, Value> {
    return this.#access ??= context.operatorState(this.#options.name, this.#table);
  }

  async #load(context: Context): Promise<WindowKeys> {
    const open = new WindowKeys(this.#keyColumns);
    let keys: unknown[] = [];
    const add = (): void => {
      open.add(batchOf(this.#keyColumns, keys as never));
      keys = [];
    };
    for await (const [key] of this.#state(context).entries()) if (keys.push(key) === LOAD_ROWS) add();
    add();
    return this.#open = open;
  }

  /** Rows that are not late, and the start of the window of each. */
  #inTime(batch: Batch, context: Context): { kept: Int32Array; starts: Float64Array } {
    const { input } = context;
    const { sizeMs, allowedLatenessMs } = this.#options;
    const origins = rowOrigins(batch);
    if (origins === undefined) {
      throw new ProcessingError(
        `Cannot count windows '${this.#options.name}' as the step before it made new rows, whose time is not known; ` +
          "put where(), withColumns() and project() before it and map() after it",
      );
    }
    const kept = new Int32Array(batch.numRows);
    const starts = new Float64Array(batch.numRows);
    let count = 0;
    for (let row = 0; row < batch.numRows; row++) {
      const at = origins[row]!;
      const start = Math.floor(input.eventTimes[at]! / sizeMs) * sizeMs;
      const timeBefore = at === 0 ? context.taskTimeMs ?? -Infinity : input.taskTimes[at - 1]!;
      if (start + sizeMs + allowedLatenessMs <= timeBefore - input.outOfOrdernessMs) continue;
      kept[count] = row;
      starts[count++] = start;
    }
    const late = batch.numRows - count;
    if (late > 0) context.log("warn", "Late rows were not counted", { operator: this.#options.name, [LATE]: late });
    return { kept: kept.subarray(0, count), starts: starts.subarray(0, count) };
  }

  /** Rows of the key columns as the one column of structs that state takes. */
  #keyColumn(keys: Batch): Column<Key> {
    const inputs = { key: { columns: this.#inputs(keys) } };
    return batchFromColumns({ key: this.#table.key }, inputs as never, keys.numRows).getChild("key") as Column<Key>;
  }

  #inputs(keys: Batch): Record<string, ArrowData> {
    return Object.fromEntries(Object.keys(this.#keyColumns).map((name) => [name, columnData(keys, name)]));
  }
}
