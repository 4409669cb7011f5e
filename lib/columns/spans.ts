import type { ByteSpans } from "./records.ts";

const encoder = new TextEncoder();
const NO_BYTES = new Uint8Array(0);

/** Number of rows of spans. */
export function spanCount(spans: ByteSpans): number {
  return spans.starts.length;
}

/** Whether row `row` is null. */
export function isNullSpan(spans: ByteSpans, row: number): boolean {
  return spans.starts[row]! < 0;
}

/**
 * The bytes of one row, without a copy. For the rim and for tests: hot loops read `starts` and `ends` instead.
 *
 * @param spans The spans.
 * @param row A row.
 * @returns A view into the spans' buffer, or `null` for a null row.
 */
export function spanBytes(spans: ByteSpans, row: number): Uint8Array | null {
  const start = spans.starts[row]!;
  return start < 0 ? null : spans.bytes.subarray(start, spans.ends[row]!);
}

/**
 * Spans of values held in JavaScript, packed densely. For the rim and for tests.
 *
 * @param values Text (written as UTF-8), bytes, or `null` for a null row.
 * @returns Spans with one row for each value.
 */
export function spansOf(values: readonly (string | Uint8Array | null)[]): ByteSpans {
  return asciiSpansOf(values) ??
    partsOf(values.map((value) => typeof value === "string" ? encoder.encode(value) : value));
}

/** Texts of ASCII need no encoder: as many bytes as characters. @returns `undefined` when one is not. */
function asciiSpansOf(values: readonly (string | Uint8Array | null)[]): ByteSpans | undefined {
  let total = 0;
  for (let row = 0; row < values.length; row++) total += values[row]?.length ?? 0;
  const bytes = new Uint8Array(total);
  const starts = new Int32Array(values.length);
  const ends = new Int32Array(values.length);
  let at = 0;
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    if (value === null) {
      starts[row] = -1;
      ends[row] = -1;
      continue;
    }
    starts[row] = at;
    if (typeof value === "string") {
      for (let i = 0; i < value.length; i++) {
        const unit = value.charCodeAt(i);
        if (unit > 0x7f) return undefined;
        bytes[at++] = unit;
      }
    } else {
      bytes.set(value, at);
      at += value.length;
    }
    ends[row] = at;
  }
  return { bytes, starts, ends };
}

function partsOf(parts: readonly (Uint8Array | null)[]): ByteSpans {
  let total = 0;
  for (const part of parts) total += part === null ? 0 : part.length;
  const bytes = new Uint8Array(total);
  const starts = new Int32Array(parts.length);
  const ends = new Int32Array(parts.length);
  let at = 0;
  for (const [row, part] of parts.entries()) {
    if (part === null) {
      starts[row] = -1;
      ends[row] = -1;
      continue;
    }
    bytes.set(part, at);
    starts[row] = at;
    at += part.length;
    ends[row] = at;
  }
  return { bytes, starts, ends };
}

/**
 * Spans over a dense buffer without a copy: row i is `[offsets[i], offsets[i + 1])`; no row is null.
 *
 * @param bytes The buffer.
 * @param offsets Ascending offsets, one more than rows.
 * @returns Spans that share both.
 */
export function denseSpans(bytes: Uint8Array, offsets: Int32Array): ByteSpans {
  return { bytes, starts: offsets.subarray(0, offsets.length - 1), ends: offsets.subarray(1) };
}

/** Spans of `count` null rows. */
export function nullSpans(count: number): ByteSpans {
  return { bytes: NO_BYTES, starts: new Int32Array(count).fill(-1), ends: new Int32Array(count).fill(-1) };
}

/** Rows [from, to) of spans without a copy of bytes. */
export function sliceSpans(spans: ByteSpans, from: number, to: number): ByteSpans {
  return { bytes: spans.bytes, starts: spans.starts.subarray(from, to), ends: spans.ends.subarray(from, to) };
}

/** The chosen rows of spans, in the order of `rows`, without a copy of bytes. */
export function takeSpans(spans: ByteSpans, rows: Int32Array): ByteSpans {
  const starts = new Int32Array(rows.length);
  const ends = new Int32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    starts[i] = spans.starts[row]!;
    ends[i] = spans.ends[row]!;
  }
  return { bytes: spans.bytes, starts, ends };
}

/** Sum of the lengths of all rows, in bytes; bytes shared by rows count once for each of them. */
export function spansByteLength(spans: ByteSpans): number {
  const { starts, ends } = spans;
  let total = 0;
  for (let row = 0; row < starts.length; row++) if (starts[row]! >= 0) total += ends[row]! - starts[row]!;
  return total;
}

/**
 * Copies rows into a fresh dense buffer, so that the old buffer can be let go.
 *
 * @param spans The spans.
 * @returns Spans whose rows follow each other without gaps.
 */
export function compactSpans(spans: ByteSpans): ByteSpans {
  return concatSpans([spans]);
}

/**
 * All rows of several spans after each other, copied into one dense buffer.
 *
 * @param parts The spans.
 * @returns Spans whose rows follow each other without gaps.
 */
export function concatSpans(parts: readonly ByteSpans[]): ByteSpans {
  let count = 0;
  let total = 0;
  for (const part of parts) {
    count += part.starts.length;
    total += spansByteLength(part);
  }
  const bytes = new Uint8Array(total);
  const starts = new Int32Array(count);
  const ends = new Int32Array(count);
  let row = 0;
  let at = 0;
  for (const part of parts) {
    for (let i = 0; i < part.starts.length; i++, row++) {
      const start = part.starts[i]!;
      if (start < 0) {
        starts[row] = -1;
        ends[row] = -1;
        continue;
      }
      starts[row] = at;
      at = copyBytes(part.bytes, start, part.ends[i]!, bytes, at);
      ends[row] = at;
    }
  }
  return { bytes, starts, ends };
}

/**
 * Copies `source[start, end)` to `target` at `at`: byte by byte when short, where a subarray costs more than the copy.
 *
 * @returns The position after the last byte written.
 */
export function copyBytes(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  if (end - start > 64) {
    target.set(source.subarray(start, end), at);
    return at + end - start;
  }
  for (let p = start; p < end; p++) target[at++] = source[p]!;
  return at;
}

/** Whether two spans have the same rows with the same bytes, wherever those lie. */
export function equalSpans(a: ByteSpans, b: ByteSpans): boolean {
  if (a.starts.length !== b.starts.length) return false;
  for (let row = 0; row < a.starts.length; row++) {
    const p = a.starts[row]!;
    const q = b.starts[row]!;
    if (p < 0 || q < 0) {
      if (p >= 0 || q >= 0) return false;
    } else if (!equalBytes(a.bytes, p, a.ends[row]!, b.bytes, q, b.ends[row]!)) return false;
  }
  return true;
}

/** Whether `a[aStart, aEnd)` and `b[bStart, bEnd)` hold the same bytes. */
export function equalBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): boolean {
  const length = aEnd - aStart;
  if (bEnd - bStart !== length) return false;
  for (let k = 0; k < length; k++) if (a[aStart + k] !== b[bStart + k]) return false;
  return true;
}

/** Order of `a[aStart, aEnd)` and `b[bStart, bEnd)` by unsigned bytes: negative, zero or positive. */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const length = Math.min(aEnd - aStart, bEnd - bStart);
  for (let k = 0; k < length; k++) {
    const difference = a[aStart + k]! - b[bStart + k]!;
    if (difference !== 0) return difference;
  }
  return (aEnd - aStart) - (bEnd - bStart);
}
