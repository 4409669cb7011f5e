import { rawData } from "../../columns/arrow_data.ts";
import { hasBit, packBits } from "../../columns/bitmap.ts";
import { type ArrowData, boolBits, float64Values, int32Values, int64Words } from "../../columns/column_data.ts";
import { wordsOf } from "../../columns/int64.ts";
import { grown, moveRows, type RowSource, type RowTarget, SlotColumn } from "./slot_column.ts";

abstract class FixedColumn extends SlotColumn {
  release(): void {}

  addLengths(): void {}

  estimateBytes(_codes: Int32Array, count: number): number {
    return count * this.fixedBytes;
  }
}

/** float64. */
export class DoubleColumn extends FixedColumn {
  readonly fixedBytes = 8;
  #values = new Float64Array(0);

  get byteLength(): number {
    return this.#values.byteLength;
  }

  sibling(): DoubleColumn {
    return new DoubleColumn(this.type);
  }

  protected fitValues(capacity: number): void {
    this.#values = grown(this.#values, capacity);
  }

  protected putValues(data: ArrowData, codes: Int32Array, count: number): void {
    const from = float64Values(data);
    const to = this.#values;
    for (let i = 0; i < count; i++) to[codes[i]!] = from[i]!;
  }

  protected takeValues(codes: Int32Array, _valid: Uint8Array, common: object): ArrowData {
    const values = new Float64Array(codes.length);
    const from = this.#values;
    for (let i = 0; i < values.length; i++) values[i] = from[codes[i]!]!;
    return rawData(this.type, { ...common, data: values });
  }

  protected moveValues(source: DoubleColumn, from: Int32Array, to: Int32Array): void {
    moveRows(source.#values, this.#values, from, to);
  }

  write({ view, starts }: RowTarget, fixedAt: number, count: number): void {
    const { nulls } = this;
    for (let i = 0; i < count; i++) {
      view.setFloat64(starts[i]! + fixedAt, nulls !== null && nulls[i] === 1 ? 0 : this.#values[i]!, true);
    }
  }

  read({ rows, view, numbers, count }: RowSource, fixedAt: number, codes: Int32Array): void {
    for (let i = 0; i < count; i++) {
      this.#values[codes[i]!] = view.getFloat64(rows.starts[numbers[i]!]! + fixedAt, true);
    }
  }
}

/** int32. */
export class IntColumn extends FixedColumn {
  readonly fixedBytes = 4;
  #values = new Int32Array(0);

  get byteLength(): number {
    return this.#values.byteLength;
  }

  sibling(): IntColumn {
    return new IntColumn(this.type);
  }

  protected fitValues(capacity: number): void {
    this.#values = grown(this.#values, capacity);
  }

  protected putValues(data: ArrowData, codes: Int32Array, count: number): void {
    const from = int32Values(data);
    const to = this.#values;
    for (let i = 0; i < count; i++) to[codes[i]!] = from[i]!;
  }

  protected takeValues(codes: Int32Array, _valid: Uint8Array, common: object): ArrowData {
    const values = new Int32Array(codes.length);
    const from = this.#values;
    for (let i = 0; i < values.length; i++) values[i] = from[codes[i]!]!;
    return rawData(this.type, { ...common, data: values });
  }

  protected moveValues(source: IntColumn, from: Int32Array, to: Int32Array): void {
    moveRows(source.#values, this.#values, from, to);
  }

  write({ view, starts }: RowTarget, fixedAt: number, count: number): void {
    const { nulls } = this;
    for (let i = 0; i < count; i++) {
      view.setInt32(starts[i]! + fixedAt, nulls !== null && nulls[i] === 1 ? 0 : this.#values[i]!, true);
    }
  }

  read({ rows, view, numbers, count }: RowSource, fixedAt: number, codes: Int32Array): void {
    for (let i = 0; i < count; i++) {
      this.#values[codes[i]!] = view.getInt32(rows.starts[numbers[i]!]! + fixedAt, true);
    }
  }
}

/** int64 and timestampMs: two words for each slot, low word first. */
export class WordsColumn extends FixedColumn {
  readonly fixedBytes = 8;
  #words = new Int32Array(0);

  get byteLength(): number {
    return this.#words.byteLength;
  }

  sibling(): WordsColumn {
    return new WordsColumn(this.type);
  }

  protected fitValues(capacity: number): void {
    this.#words = grown(this.#words, 2 * capacity);
  }

  protected putValues(data: ArrowData, codes: Int32Array, count: number): void {
    const from = int64Words(data);
    const to = this.#words;
    for (let i = 0; i < count; i++) {
      const at = 2 * codes[i]!;
      to[at] = from[2 * i]!;
      to[at + 1] = from[2 * i + 1]!;
    }
  }

  protected takeValues(codes: Int32Array, _valid: Uint8Array, common: object): ArrowData {
    const values = new BigInt64Array(codes.length);
    const to = wordsOf(values);
    const from = this.#words;
    for (let i = 0; i < codes.length; i++) {
      const at = 2 * codes[i]!;
      to[2 * i] = from[at]!;
      to[2 * i + 1] = from[at + 1]!;
    }
    return rawData(this.type, { ...common, data: values });
  }

  protected moveValues(source: WordsColumn, from: Int32Array, to: Int32Array): void {
    const read = source.#words;
    const written = this.#words;
    for (let i = 0; i < from.length; i++) {
      written[2 * to[i]!] = read[2 * from[i]!]!;
      written[2 * to[i]! + 1] = read[2 * from[i]! + 1]!;
    }
  }

  write({ view, starts }: RowTarget, fixedAt: number, count: number): void {
    const { nulls } = this;
    for (let i = 0; i < count; i++) {
      const isNull = nulls !== null && nulls[i] === 1;
      view.setInt32(starts[i]! + fixedAt, isNull ? 0 : this.#words[2 * i]!, true);
      view.setInt32(starts[i]! + fixedAt + 4, isNull ? 0 : this.#words[2 * i + 1]!, true);
    }
  }

  read({ rows, view, numbers, count }: RowSource, fixedAt: number, codes: Int32Array): void {
    for (let i = 0; i < count; i++) {
      const at = rows.starts[numbers[i]!]! + fixedAt;
      this.#words[2 * codes[i]!] = view.getInt32(at, true);
      this.#words[2 * codes[i]! + 1] = view.getInt32(at + 4, true);
    }
  }
}

/** bool: one byte for each slot. */
export class BoolColumn extends FixedColumn {
  readonly fixedBytes = 1;
  #values = new Uint8Array(0);

  get byteLength(): number {
    return this.#values.byteLength;
  }

  sibling(): BoolColumn {
    return new BoolColumn(this.type);
  }

  protected fitValues(capacity: number): void {
    this.#values = grown(this.#values, capacity);
  }

  protected putValues(data: ArrowData, codes: Int32Array, count: number): void {
    const bits = boolBits(data);
    const to = this.#values;
    for (let i = 0; i < count; i++) to[codes[i]!] = hasBit(bits, data.offset + i) ? 1 : 0;
  }

  protected takeValues(codes: Int32Array, _valid: Uint8Array, common: object): ArrowData {
    const flags = new Uint8Array(codes.length);
    const from = this.#values;
    for (let i = 0; i < flags.length; i++) flags[i] = from[codes[i]!]!;
    return rawData(this.type, { ...common, data: packBits(flags, flags.length) });
  }

  protected moveValues(source: BoolColumn, from: Int32Array, to: Int32Array): void {
    moveRows(source.#values, this.#values, from, to);
  }

  write({ bytes, starts }: RowTarget, fixedAt: number, count: number): void {
    const { nulls } = this;
    for (let i = 0; i < count; i++) {
      bytes[starts[i]! + fixedAt] = nulls !== null && nulls[i] === 1 ? 0 : this.#values[i]!;
    }
  }

  read({ rows, numbers, count }: RowSource, fixedAt: number, codes: Int32Array): void {
    for (let i = 0; i < count; i++) {
      this.#values[codes[i]!] = rows.bytes[rows.starts[numbers[i]!]! + fixedAt]! === 0 ? 0 : 1;
    }
  }
}
