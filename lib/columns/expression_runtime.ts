/**
 * What compiled and interpreted expressions share: the arithmetic that JavaScript lacks, sets of constants, failures of
 * rows, and how a column's buffers are bound for one batch.
 */
import {
  type ArrowData,
  boolBits,
  bytesValues,
  float64Values,
  int32Values,
  int64Words,
  offsetsOf,
  validityOf,
} from "./column_data.ts";
import type { Kind } from "./expression_node.ts";
import { SAFE_MAX } from "./int64.ts";
import { equalBytes } from "./spans.ts";

/** Buffers of one column for one batch. */
export interface BoundColumn {
  /** float64: doubles. int32: integers. int64, timestampMs: words. bool: bits. utf8: bytes. Else null. */
  readonly values: Float64Array | Int32Array | Uint8Array | null;
  /** utf8: offsets. */
  readonly offsets: Int32Array | null;
  /** Bits of the rows that are not null; null when no row is. */
  readonly validity: Uint8Array | null;
  /** First bit of `validity`, and of a bool column's values. */
  readonly bitOffset: number;
}

/** Binds a column's buffers. */
export function bindColumn(kind: Kind, data: ArrowData): BoundColumn {
  const validity = validityOf(data);
  const bitOffset = data.offset;
  switch (kind) {
    case "float64":
      return { values: float64Values(data), offsets: null, validity, bitOffset };
    case "int32":
      return { values: int32Values(data), offsets: null, validity, bitOffset };
    case "int64":
    case "timestampMs":
      return { values: int64Words(data), offsets: null, validity, bitOffset };
    case "bool":
      return { values: boolBits(data), offsets: null, validity, bitOffset };
    case "utf8":
      return { values: bytesValues(data), offsets: offsetsOf(data), validity, bitOffset };
    default:
      return { values: null, offsets: null, validity, bitOffset };
  }
}

/** The nearest number with decimals as `scale` (10 to the power of digits) says, halves away from zero. */
export function roundTo(value: number, scale: number): number {
  const scaled = Math.abs(value) * scale;
  // from 2^52 on a double has no fraction left to round; also catches NaN and infinities
  if (!(scaled < 4503599627370496)) return value;
  const rounded = Math.round(scaled) / scale;
  return value < 0 ? -rounded : value === 0 ? value : rounded;
}

/** Which rule a row broke. */
export type RowRule = "safe" | "int32" | "int64" | "timestampMs";
const RULES: Record<RowRule, string> = {
  safe: "integers must stay within ±(2^53 - 1) in arithmetic",
  int32: "the value must be an integer of 32 bits",
  int64: "the value must be an integer of 64 bits",
  timestampMs: "the value must be an integer within ±(2^53 - 1)",
};

/** The failure of a row. */
export function rowError(text: string, row: number, options: { rule: RowRule; value: number | bigint }): RangeError {
  return new RangeError(
    `Cannot compute ${text} in row ${row} as ${RULES[options.rule]}: current value is ${options.value}`,
  );
}

/** The bigint of two words, for messages. */
export function bigintOf(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

/** Whether a double is an integer of 64 bits. */
export function isInt64(value: number): boolean {
  return Number.isInteger(value) && value >= -9223372036854775808 && value < 9223372036854775808;
}

/** Whether a double is an integer that arithmetic keeps exact. */
export function isSafe(value: number): boolean {
  return value <= SAFE_MAX && value >= -SAFE_MAX;
}

/** Constants of text, found by their bytes. */
export class StringSet {
  readonly #bytes: Uint8Array;
  readonly #ends: Int32Array;
  readonly #slots: Int32Array;

  /** @param values The texts. */
  constructor(values: readonly string[]) {
    const encoder = new TextEncoder();
    const parts = values.map((value) => encoder.encode(value));
    this.#bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    this.#ends = new Int32Array(parts.length + 1);
    let size = 4;
    while (size < parts.length * 2) size *= 2;
    this.#slots = new Int32Array(size);
    let at = 0;
    for (const [i, part] of parts.entries()) {
      this.#bytes.set(part, at);
      at += part.length;
      this.#ends[i + 1] = at;
      let slot = hash(part, 0, part.length) & (size - 1);
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (size - 1);
      this.#slots[slot] = i + 1;
    }
  }

  /** Whether `bytes[start, end)` is one of the texts. */
  has(bytes: Uint8Array, start: number, end: number): boolean {
    const mask = this.#slots.length - 1;
    for (let slot = hash(bytes, start, end) & mask;; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot]!;
      if (entry === 0) return false;
      if (equalBytes(this.#bytes, this.#ends[entry - 1]!, this.#ends[entry]!, bytes, start, end)) return true;
    }
  }
}

function hash(bytes: Uint8Array, start: number, end: number): number {
  let result = end - start;
  for (let p = start; p < end; p++) result = Math.imul(result ^ bytes[p]!, 16777619);
  return result ^ (result >>> 15);
}
