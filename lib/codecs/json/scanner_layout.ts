import type { JsonColumn } from "./json_column.ts";
import { StructColumn } from "./nested_columns.ts";
import { LEVELS_MAX, skipSpace, skipText, skipValue } from "./skip_value.ts";

/** A value in a layout, and the bytes that lead to it. */
export interface LayoutStep {
  /** What stands between the value before (or the beginning) and this one. */
  readonly literal: Uint8Array;
  /** The column it fills; `null` for an unknown field. */
  readonly column: JsonColumn | null;
  /** How many levels the value may nest. */
  readonly levels: number;
}

/** What is the same in all messages of one producer: all bytes but the values. */
export interface Layout {
  /** Values in the order in which they stand. */
  readonly steps: readonly LayoutStep[];
  /** What stands behind the last value. */
  readonly tail: Uint8Array;
  /** Columns that have no value in this layout: all are nullable. */
  readonly missing: readonly JsonColumn[];
}

/** Beyond this a message is no candidate: compiled code grows with its layout. */
const STEPS_MAX = 256;
const LITERAL_BYTES_MAX = 16_384;

const decoder = new TextDecoder();

/**
 * Learns the layout of a message that the general parser has accepted: valid JSON that fits the schema and names no
 * known member twice or with an escape.
 *
 * @param root The row's column.
 * @param bytes The buffer.
 * @param start First byte of the message.
 * @param end One past its last byte.
 * @returns Its layout, or `null` when it has too many steps to be worth compiling.
 */
export function learnLayout(root: StructColumn, bytes: Uint8Array, start: number, end: number): Layout | null {
  const learner = new LayoutLearner(bytes, start, end);
  learner.readObject(skipSpace(bytes, start, end), root);
  return learner.layout();
}

class LayoutLearner {
  readonly #steps: LayoutStep[] = [];
  readonly #missing: JsonColumn[] = [];
  #literal: number;

  constructor(readonly bytes: Uint8Array, readonly start: number, readonly end: number) {
    this.#literal = start;
  }

  layout(): Layout | null {
    let size = this.end - this.#literal;
    for (const step of this.#steps) size += step.literal.length;
    if (this.#steps.length > STEPS_MAX || size > LITERAL_BYTES_MAX) return null;
    return { steps: this.#steps, tail: this.#cut(this.end), missing: this.#missing };
  }

  /** Members of an object; a struct's members are steps like those of the row. */
  readObject(p: number, struct: StructColumn): number {
    const { bytes, end } = this;
    const seen = new Set<number>();
    p = skipSpace(bytes, p + 1, end);
    while (bytes[p] !== 125) {
      const nameEnd = skipText(bytes, p + 1, end);
      const index = struct.indexOf(decoder.decode(bytes.slice(p + 1, nameEnd - 1)));
      p = skipSpace(bytes, skipSpace(bytes, nameEnd, end) + 1, end);
      const column = index < 0 ? null : struct.columns[index]!;
      if (index >= 0) seen.add(index);
      if (column instanceof StructColumn && bytes[p] === 123) p = this.readObject(p, column);
      else {
        this.#steps.push({ literal: this.#cut(p), column, levels: struct.levelsBelow });
        p = skipValue(bytes, p, end, LEVELS_MAX);
        this.#literal = p;
      }
      p = skipSpace(bytes, p, end);
      if (bytes[p] === 44) p = skipSpace(bytes, p + 1, end);
    }
    struct.columns.forEach((column, i) => seen.has(i) || this.#missing.push(column));
    return p + 1;
  }

  #cut(to: number): Uint8Array {
    return this.bytes.slice(this.#literal, to);
  }
}

/** Whether two layouts are the same. */
export function isSameLayout(a: Layout, b: Layout): boolean {
  return a.steps.length === b.steps.length && isSameBytes(a.tail, b.tail) &&
    a.steps.every((step, i) => step.column === b.steps[i]!.column && isSameBytes(step.literal, b.steps[i]!.literal));
}

/** Whether two byte strings are the same. */
export function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
