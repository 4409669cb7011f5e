import { copyBytes } from "../../columns/spans.ts";

/** Bytes that are written one after the other. */
export class ByteWriter {
  /** What was written is `bytes[0, length)`. */
  bytes: Uint8Array = new Uint8Array(256);
  /** Number of bytes written. */
  length = 0;
  #view = new DataView(this.bytes.buffer);

  /** Writes one byte. */
  byte(value: number): void {
    this.#fit(1);
    this.bytes[this.length++] = value;
  }

  /** Writes a 32-bit integer, low byte first. */
  int32(value: number): void {
    this.#fit(4);
    this.#view.setInt32(this.length, value, true);
    this.length += 4;
  }

  /** Writes a double, low byte first. */
  float64(value: number): void {
    this.#fit(8);
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  /** Writes a count in as few bytes as it takes. */
  varint(value: number): void {
    this.#fit(5);
    this.length = putVarint(this.bytes, this.length, value);
  }

  /** Writes a byte range. */
  range(source: Uint8Array, start: number, end: number): void {
    this.#fit(end - start);
    this.length = copyBytes(source, start, end, this.bytes, this.length);
  }

  #fit(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const bytes = new Uint8Array(2 * (this.length + count));
    bytes.set(this.bytes);
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** Number of bytes that {@linkcode putVarint} writes. @param value An integer from 0 to 2^31 - 1. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 127; rest >>>= 7) length++;
  return length;
}

/** Writes a count in groups of 7 bits, low group first. @returns The position after it. */
export function putVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes[at++] = (rest & 127) | 128;
  bytes[at++] = rest;
  return at;
}
