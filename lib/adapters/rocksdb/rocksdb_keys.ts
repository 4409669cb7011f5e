import { Buffer } from "node:buffer";
import type { ByteSpans } from "../../columns/records.ts";
import { copyBytes } from "../../columns/spans.ts";

/**
 * The database's keys: one byte that tells what the row is, then the stored key. No stored key can therefore meet the
 * row of the position, which comes first.
 */

const ROW = 1;
const ROW_END = 2;
const SHORT_MAX = 128;

/** Key of the row that holds the position. */
export const POSITION_KEY: Buffer = Buffer.of(0);
/** First possible key of a row. */
export const FIRST_ROW: Buffer = Buffer.of(ROW);
/** First key after all rows. */
export const AFTER_ROWS: Buffer = Buffer.of(ROW_END);

/** The database's key of a stored key. @param key The stored key. */
export function rowKey(key: Uint8Array): Buffer {
  const result = Buffer.allocUnsafe(key.length + 1);
  result[0] = ROW;
  result.set(key, 1);
  return result;
}

/**
 * Buffers to hand keys and values to the binding. The binding copies what it is given before its call returns and wants
 * an object of class Buffer for each key; making one costs more than copying a short key into one that is there.
 */
export class BufferPool {
  /** One for each length: for calls that take one key at a time. */
  readonly #keys: Buffer[] = [];
  readonly #values: Buffer[] = [];
  /** Many for each length: for calls that take an array of keys. */
  readonly #arrays: Buffer[][] = [];
  readonly #used: number[] = [];

  /** A key as the binding wants it, until the next call. */
  key(bytes: Uint8Array, start: number, end: number): Buffer {
    const length = end - start + 1;
    const buffer = length > SHORT_MAX ? Buffer.allocUnsafe(length) : this.#keys[length] ??= Buffer.alloc(length);
    buffer[0] = ROW;
    copyBytes(bytes, start, end, buffer, 1);
    return buffer;
  }

  /** A value as the binding wants it, until the next call. */
  value(bytes: Uint8Array, start: number, end: number): Buffer {
    const length = end - start;
    if (length > SHORT_MAX) return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset + start, length);
    const buffer = this.#values[length] ??= Buffer.alloc(length);
    copyBytes(bytes, start, end, buffer, 0);
    return buffer;
  }

  /** The first `count` keys of spans, until the next call. */
  keyArray(keys: ByteSpans, count: number): Buffer[] {
    const { bytes, starts, ends } = keys;
    this.#used.fill(0);
    const result: Buffer[] = new Array(count);
    for (let row = 0; row < count; row++) {
      const start = starts[row]!;
      const length = ends[row]! - start + 1;
      const buffer = length > SHORT_MAX ? Buffer.allocUnsafe(length) : this.#next(length);
      buffer[0] = ROW;
      copyBytes(bytes, start, ends[row]!, buffer, 1);
      result[row] = buffer;
    }
    return result;
  }

  #next(length: number): Buffer {
    const buffers = this.#arrays[length] ??= [];
    const used = this.#used[length] ?? 0;
    this.#used[length] = used + 1;
    return buffers[used] ??= Buffer.alloc(length);
  }
}

/** Values that the binding gave, in one buffer; null where there was none. @param values The values. */
export function spansOfBuffers(values: readonly (Buffer | undefined)[]): ByteSpans {
  let total = 0;
  for (let row = 0; row < values.length; row++) total += values[row]?.length ?? 0;
  const bytes = new Uint8Array(total);
  const starts = new Int32Array(values.length);
  const ends = new Int32Array(values.length);
  let at = 0;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    starts[row] = value === undefined ? -1 : at;
    if (value !== undefined) at = copyBytes(value, 0, value.length, bytes, at);
    ends[row] = at;
  }
  return { bytes, starts, ends };
}
