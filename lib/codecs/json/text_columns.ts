import { decodeBase64 } from "./base64.ts";
import { exactly, JsonColumn, kindOf, type Refusal, refuse } from "./json_column.ts";
import { findBadUtf8, parseText, TEXT } from "./utf8_text.ts";

/** Scratch beyond this is given back when a batch needs less than a quarter of it. */
const SCRATCH_KEPT_BYTES = 1 << 20;

const encoder = new TextEncoder();

/** Text. The bytes of all rows are gathered in a scratch that stays with the column; batches get copies. */
export class TextColumn extends JsonColumn {
  /** Row i is [offsets[i], offsets[i + 1]) of `bytes`. */
  offsets: Int32Array = new Int32Array(1);
  /** The scratch. */
  bytes: Uint8Array = new Uint8Array(1024);

  protected override allocate(capacity: number): void {
    this.offsets = new Int32Array(capacity + 1);
  }

  protected override grow(capacity: number): void {
    const offsets = new Int32Array(capacity + 1);
    offsets.set(this.offsets);
    this.offsets = offsets;
  }

  protected override zero(row: number): void {
    this.offsets[row + 1] = this.offsets[row]!;
  }

  protected override buffers(count: number): Record<string, unknown> {
    const used = this.offsets[count]!;
    const data = this.bytes.slice(0, used);
    if (this.bytes.length > SCRATCH_KEPT_BYTES && used < this.bytes.length >> 2) this.bytes = new Uint8Array(1024);
    return { valueOffsets: exactly(this.offsets, count + 1), data };
  }

  /** Makes room for `length` bytes more than end at `used`. */
  room(used: number, length: number): void {
    if (used + length <= this.bytes.length) return;
    const bytes = new Uint8Array(Math.max(used + length, 2 * this.bytes.length));
    bytes.set(this.bytes.subarray(0, used));
    this.bytes = bytes;
  }

  override parse(bytes: Uint8Array, p: number, end: number, row: number): number {
    if (p >= end || bytes[p] !== 34) return -1;
    const at = this.offsets[row]!;
    this.room(at, end - p);
    p = parseText(bytes, p + 1, end, this.bytes, at);
    if (p >= 0) this.offsets[row + 1] = TEXT.end;
    return p;
  }

  override set(row: number, value: unknown): Refusal | null {
    if (typeof value !== "string") return refuse(`is ${kindOf(value)}, expected ${this.type.kind}`);
    if (!value.isWellFormed()) return refuse("has a lone surrogate, which UTF-8 cannot hold");
    const at = this.offsets[row]!;
    this.room(at, 3 * value.length);
    this.offsets[row + 1] = at + encoder.encodeInto(value, this.bytes.subarray(at)).written;
    return null;
  }

  /** Writes bytes as they are: `false` when the column cannot hold them. */
  setBytes(row: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.type.kind === "utf8" && findBadUtf8(bytes, start, end) >= 0) return false;
    const at = this.offsets[row]!;
    this.room(at, end - start);
    for (let p = start, to = at; p < end; p++, to++) this.bytes[to] = bytes[p]!;
    this.offsets[row + 1] = at + end - start;
    return true;
  }
}

/** Bytes, which are base64 strings in JSON. */
export class BinaryColumn extends TextColumn {
  override parse(bytes: Uint8Array, p: number, end: number, row: number): number {
    p = super.parse(bytes, p, end, row);
    return p >= 0 && this.#decode(row) ? p : -1;
  }

  override set(row: number, value: unknown): Refusal | null {
    const refusal = super.set(row, value);
    if (refusal !== null) return refusal;
    return this.#decode(row) ? null : refuse("is a string that is not base64");
  }

  #decode(row: number): boolean {
    const at = this.offsets[row]!;
    const end = decodeBase64(this.bytes, at, this.offsets[row + 1]!, this.bytes, at);
    if (end < 0) return false;
    this.offsets[row + 1] = end;
    return true;
  }
}
