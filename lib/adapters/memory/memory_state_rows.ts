import { DiskFullError } from "../../base/errors.ts";
import { KeyTable } from "../../columns/key_table.ts";
import type { ByteSpans } from "../../columns/records.ts";
import { compareBytes, copyBytes, spansByteLength } from "../../columns/spans.ts";
import type { KeyRange, StatePage } from "../../seams/state_store.ts";
import { mergeOrders, sortKeys } from "./memory_state_order.ts";

const BYTES_MAX = 0x7fffffff;
const SLACK_BYTES = 1 << 20;
const SLACK_ROWS = 4096;

/**
 * Rows of bytes in memory: keys by code, values in one buffer that is only ever appended to. What has been handed out
 * (pages, views) therefore never changes; what is overwritten is dead until the buffer is built anew.
 */
export class MemoryStateRows {
  #keys = new KeyTable({ capacity: 64 });
  #starts = new Int32Array(64).fill(-1);
  #ends = new Int32Array(64);
  #values = new Uint8Array(1 << 14);
  #used = 0;
  #liveBytes = 0;
  #live = 0;
  #order = new Int32Array(0);

  /** Number of rows. */
  get count(): number {
    return this.#live;
  }

  /**
   * Puts and deletes rows; a later row of the same key wins.
   *
   * @param page The rows; null values delete.
   * @throws {DiskFullError} when more than 2 GiB of values would be held; nothing is changed.
   */
  apply(page: StatePage): void {
    const { count, keys, values } = page;
    const added = spansByteLength(values);
    if (this.#used + added > this.#values.length) this.#makeRoom(added);
    const codes = this.#keys.internSpans(keys, new Int32Array(keys.starts.length));
    this.#fitCodes();
    const { bytes, starts, ends } = values;
    for (let row = 0; row < count; row++) {
      const code = codes[row]!;
      const before = this.#starts[code]!;
      if (before >= 0) {
        this.#live--;
        this.#liveBytes -= this.#ends[code]! - before;
      }
      if (starts[row]! < 0) {
        this.#starts[code] = -1;
        continue;
      }
      const at = this.#used;
      this.#used = copyBytes(bytes, starts[row]!, ends[row]!, this.#values, at);
      this.#starts[code] = at;
      this.#ends[code] = this.#used;
      this.#live++;
      this.#liveBytes += this.#used - at;
    }
    if (this.#keys.size > 2 * this.#live + SLACK_ROWS) this.#dropDeadKeys();
  }

  /** Values of keys, null where there is none; without a copy. */
  getMany(keys: ByteSpans): ByteSpans {
    const starts = this.#keys.findSpans(keys);
    const ends = new Int32Array(starts.length);
    for (let row = 0; row < starts.length; row++) {
      const code = starts[row]!;
      if (code < 0) continue;
      starts[row] = this.#starts[code]!;
      ends[row] = this.#ends[code]!;
    }
    return { bytes: this.#values, starts, ends };
  }

  /** The rows as they are now, in key order; later changes do not reach it. */
  view(range: KeyRange = {}): MemoryStateView {
    const keys = this.#keys.keySpans();
    if (this.#order.length < this.#keys.size) {
      const added = new Int32Array(this.#keys.size - this.#order.length);
      for (let i = 0; i < added.length; i++) added[i] = this.#order.length + i;
      this.#order = mergeOrders(keys, this.#order, sortKeys(keys, added));
    }
    const from = range.from === undefined ? 0 : this.#firstAt(keys, range.from);
    const to = range.to === undefined ? this.#order.length : this.#firstAt(keys, range.to);
    const codes = new Int32Array(Math.max(0, to - from));
    let count = 0;
    for (let i = from; i < to; i++) if (this.#starts[this.#order[i]!]! >= 0) codes[count++] = this.#order[i]!;
    return new MemoryStateView(keys, this.#valuesOf(codes.subarray(0, count)), codes.subarray(0, count));
  }

  #valuesOf(codes: Int32Array): ByteSpans {
    return { bytes: this.#values, starts: chosen(this.#starts, codes), ends: chosen(this.#ends, codes) };
  }

  /** First place in the order whose key is not below `key`. */
  #firstAt(keys: ByteSpans, key: Uint8Array): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const code = this.#order[middle]!;
      if (compareBytes(keys.bytes, keys.starts[code]!, keys.ends[code]!, key, 0, key.length) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #fitCodes(): void {
    if (this.#keys.size <= this.#starts.length) return;
    const size = 2 ** Math.ceil(Math.log2(this.#keys.size));
    const starts = new Int32Array(size).fill(-1, this.#starts.length);
    starts.set(this.#starts);
    this.#starts = starts;
    const ends = new Int32Array(size);
    ends.set(this.#ends);
    this.#ends = ends;
  }

  /** A fresh buffer that holds the live values and room for `added` bytes more. */
  #makeRoom(added: number): void {
    const needed = this.#liveBytes + added;
    if (needed > BYTES_MAX) {
      throw new DiskFullError(
        `Cannot write state to memory: values would take ${needed} bytes, at most ${BYTES_MAX} are held; ` +
          `use a store on disk, for example rocksdb:./state`,
        { context: { bytes: needed } },
      );
    }
    const values = new Uint8Array(Math.min(BYTES_MAX, 2 * needed + SLACK_BYTES));
    let used = 0;
    for (let code = 0; code < this.#keys.size; code++) {
      const start = this.#starts[code]!;
      if (start < 0) continue;
      this.#starts[code] = used;
      used = copyBytes(this.#values, start, this.#ends[code]!, values, used);
      this.#ends[code] = used;
    }
    this.#values = values;
    this.#used = used;
  }

  /** Deleted keys keep their codes until they are the most. */
  #dropDeadKeys(): void {
    const live = new Int32Array(this.#live);
    let count = 0;
    for (let code = 0; code < this.#keys.size; code++) if (this.#starts[code]! >= 0) live[count++] = code;
    const spans = this.#keys.keySpans();
    const keys = new KeyTable({ capacity: Math.max(1024, 2 * this.#live) });
    keys.internSpans({ bytes: spans.bytes, starts: chosen(spans.starts, live), ends: chosen(spans.ends, live) });
    const { starts, ends } = this.#valuesOf(live);
    this.#keys = keys;
    this.#starts = new Int32Array(Math.max(1024, 2 * live.length)).fill(-1);
    this.#starts.set(starts);
    this.#ends = new Int32Array(this.#starts.length);
    this.#ends.set(ends);
    this.#order = new Int32Array(0);
  }
}

/** Rows as they were when it was made. */
export class MemoryStateView {
  readonly #keys: ByteSpans;
  readonly #values: ByteSpans;
  readonly #codes: Int32Array;

  /**
   * @param keys All keys by code.
   * @param values Values of the rows, in key order.
   * @param codes Codes of the rows, in key order.
   */
  constructor(keys: ByteSpans, values: ByteSpans, codes: Int32Array) {
    this.#keys = keys;
    this.#values = values;
    this.#codes = codes;
  }

  /** Pages of at most `rowsMax` rows, without a copy of bytes. */
  *pages(rowsMax: number): Generator<StatePage> {
    const { bytes, starts, ends } = this.#values;
    for (let from = 0; from < this.#codes.length; from += rowsMax) {
      const to = Math.min(from + rowsMax, this.#codes.length);
      const codes = this.#codes.subarray(from, to);
      yield {
        count: to - from,
        keys: {
          bytes: this.#keys.bytes,
          starts: chosen(this.#keys.starts, codes),
          ends: chosen(this.#keys.ends, codes),
        },
        values: { bytes, starts: starts.subarray(from, to), ends: ends.subarray(from, to) },
      };
    }
  }
}

function chosen(values: Int32Array, codes: Int32Array): Int32Array<ArrayBuffer> {
  const result = new Int32Array(codes.length);
  for (let i = 0; i < codes.length; i++) result[i] = values[codes[i]!]!;
  return result;
}
