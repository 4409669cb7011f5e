import { exactInteger } from "./exact_integer.ts";
import { enlarged, exactBits, exactly, JsonColumn, JsonNumber, kindOf, type Refusal, refuse } from "./json_column.ts";
import { NUMBER, parseFloat64, parseInt64 } from "./parse_number.ts";

/** Doubles. A number beyond the largest double is refused instead of becoming Infinity. */
export class Float64Column extends JsonColumn {
  /** One double for each row. */
  values: Float64Array = new Float64Array(0);

  protected override allocate(capacity: number): void {
    this.values = new Float64Array(capacity);
  }

  protected override grow(capacity: number): void {
    this.values = enlarged(this.values, capacity);
  }

  protected override zero(row: number): void {
    this.values[row] = 0;
  }

  protected override buffers(count: number): Record<string, unknown> {
    return { data: exactly(this.values, count) };
  }

  override parse(bytes: Uint8Array, p: number, end: number, row: number): number {
    p = parseFloat64(bytes, p, end);
    if (p >= 0) this.values[row] = NUMBER.value;
    return p;
  }

  override set(row: number, value: unknown): Refusal | null {
    if (!(value instanceof JsonNumber)) return refuse(`is ${kindOf(value)}, expected float64`);
    const double = Number(value.text);
    if (!Number.isFinite(double)) return refuse("is a number out of the range of float64");
    this.values[row] = double;
    return null;
  }
}

/** Writes the integer in a value, or says why there is none. */
function integerIn(value: unknown, expected: string): bigint | Refusal {
  if (!(value instanceof JsonNumber)) return refuse(`is ${kindOf(value)}, expected ${expected}`);
  const integer = exactInteger(value.text);
  return integer === null ? refuse(`is a number with a fraction, expected ${expected}`) : integer;
}

/** 32-bit integers. */
export class Int32Column extends JsonColumn {
  /** One integer for each row. */
  values: Int32Array = new Int32Array(0);

  protected override allocate(capacity: number): void {
    this.values = new Int32Array(capacity);
  }

  protected override grow(capacity: number): void {
    this.values = enlarged(this.values, capacity);
  }

  protected override zero(row: number): void {
    this.values[row] = 0;
  }

  protected override buffers(count: number): Record<string, unknown> {
    return { data: exactly(this.values, count) };
  }

  override parse(bytes: Uint8Array, p: number, end: number, row: number): number {
    p = parseInt64(bytes, p, end);
    if (p < 0 || NUMBER.high !== NUMBER.low >> 31) return -1;
    this.values[row] = NUMBER.low;
    return p;
  }

  override set(row: number, value: unknown): Refusal | null {
    const integer = integerIn(value, "int32");
    if (typeof integer !== "bigint") return integer;
    if (BigInt.asIntN(32, integer) !== integer) return refuse("is a number out of the range of int32");
    this.values[row] = Number(integer);
    return null;
  }
}

/** 64-bit integers, and instants: pairs of int32, the low word first. */
export class Int64Column extends JsonColumn {
  /** Two words for each row. */
  words: Int32Array = new Int32Array(0);
  /** Whether values must also be safe integers: an instant is a number to its readers. */
  readonly #isInstant: boolean = this.type.kind === "timestampMs";

  protected override allocate(capacity: number): void {
    this.words = new Int32Array(2 * capacity);
  }

  protected override grow(capacity: number): void {
    this.words = enlarged(this.words, 2 * capacity);
  }

  protected override zero(row: number): void {
    this.words[2 * row] = 0;
    this.words[2 * row + 1] = 0;
  }

  protected override buffers(count: number): Record<string, unknown> {
    const words = exactly(this.words, 2 * count);
    return { data: new BigInt64Array(words.buffer, words.byteOffset, count) };
  }

  override parse(bytes: Uint8Array, p: number, end: number, row: number): number {
    p = parseInt64(bytes, p, end);
    if (p < 0) return p;
    const { low, high } = NUMBER;
    if (this.#isInstant && (high < -0x20_0000 || high > 0x1f_ffff || (high === -0x20_0000 && low === 0))) return -1;
    this.words[2 * row] = low;
    this.words[2 * row + 1] = high;
    return p;
  }

  override set(row: number, value: unknown): Refusal | null {
    const integer = integerIn(value, this.#isInstant ? "timestampMs (epoch milliseconds, an integer)" : "int64");
    if (typeof integer !== "bigint") return integer;
    if (this.#isInstant ? !Number.isSafeInteger(Number(integer)) : BigInt.asIntN(64, integer) !== integer) {
      return refuse(`is a number out of the range of ${this.type.kind}`);
    }
    this.words[2 * row] = Number(BigInt.asIntN(32, integer));
    this.words[2 * row + 1] = Number(integer >> 32n);
    return null;
  }
}

/** Booleans, one bit each. */
export class BoolColumn extends JsonColumn {
  /** One bit for each row. */
  bits: Uint8Array = new Uint8Array(0);

  protected override allocate(capacity: number): void {
    this.bits = new Uint8Array((capacity + 7) >> 3);
  }

  protected override grow(capacity: number): void {
    this.bits = enlarged(this.bits, (capacity + 7) >> 3);
  }

  protected override zero(row: number): void {
    this.bits[row >> 3]! &= ~(1 << (row & 7));
  }

  protected override buffers(count: number): Record<string, unknown> {
    return { data: exactBits(this.bits, count) };
  }

  override parse(bytes: Uint8Array, p: number, end: number, row: number): number {
    if (p + 4 <= end && bytes[p] === 116) {
      if (bytes[p + 1] !== 114 || bytes[p + 2] !== 117 || bytes[p + 3] !== 101) return -1;
      this.bits[row >> 3]! |= 1 << (row & 7);
      return p + 4;
    }
    if (p + 5 > end || bytes[p] !== 102 || bytes[p + 1] !== 97) return -1;
    if (bytes[p + 2] !== 108 || bytes[p + 3] !== 115 || bytes[p + 4] !== 101) return -1;
    this.zero(row);
    return p + 5;
  }

  override set(row: number, value: unknown): Refusal | null {
    if (typeof value !== "boolean") return refuse(`is ${kindOf(value)}, expected bool`);
    if (value) this.bits[row >> 3]! |= 1 << (row & 7);
    else this.zero(row);
    return null;
  }
}
