import type { ByteSpans } from "../../columns/records.ts";
import { compareBytes } from "../../columns/spans.ts";

/**
 * Row numbers of spans in the order of their bytes.
 *
 * The first four bytes, which are a hash in stored keys, decide nearly always: they and the row number are sorted as one
 * 64-bit integer, without a comparison in JavaScript; only rows with equal first bytes are then compared in full.
 *
 * @param keys Keys, none of them null.
 * @param rows Row numbers.
 * @returns The same row numbers, sorted.
 */
export function sortKeys(keys: ByteSpans, rows: Int32Array): Int32Array<ArrayBuffer> {
  const pairs = new BigUint64Array(rows.length);
  const words = new Uint32Array(pairs.buffer);
  const { bytes, starts, ends } = keys;
  for (let i = 0; i < rows.length; i++) {
    const start = starts[rows[i]!]!;
    words[2 * i] = rows[i]!;
    words[2 * i + 1] = firstBytes(bytes, start, ends[rows[i]!]!);
  }
  pairs.sort();
  const sorted = new Int32Array(rows.length);
  for (let i = 0; i < sorted.length; i++) sorted[i] = words[2 * i]!;
  for (let from = 0; from < sorted.length;) {
    let to = from + 1;
    while (to < sorted.length && words[2 * to + 1] === words[2 * from + 1]) to++;
    if (to - from > 1) sorted.subarray(from, to).sort((a, b) => compareKeys(keys, a, b));
    from = to;
  }
  return sorted;
}

/**
 * Two sorted lists of rows as one.
 *
 * @param keys Keys, none of them null.
 * @param a Sorted row numbers.
 * @param b Other sorted row numbers.
 */
export function mergeOrders(
  keys: ByteSpans,
  a: Int32Array<ArrayBuffer>,
  b: Int32Array<ArrayBuffer>,
): Int32Array<ArrayBuffer> {
  if (a.length === 0) return b;
  const merged = new Int32Array(a.length + b.length);
  let i = 0;
  let j = 0;
  for (let k = 0; k < merged.length; k++) {
    const isFromA = j === b.length || (i < a.length && compareKeys(keys, a[i]!, b[j]!) < 0);
    merged[k] = isFromA ? a[i++]! : b[j++]!;
  }
  return merged;
}

function compareKeys(keys: ByteSpans, a: number, b: number): number {
  const { bytes, starts, ends } = keys;
  return compareBytes(bytes, starts[a]!, ends[a]!, bytes, starts[b]!, ends[b]!);
}

function firstBytes(bytes: Uint8Array, start: number, end: number): number {
  let first = 0;
  for (let i = 0; i < 4; i++) first = (first << 8) | (start + i < end ? bytes[start + i]! : 0);
  return first >>> 0;
}
