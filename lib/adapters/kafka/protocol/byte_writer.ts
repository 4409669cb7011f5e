const encoder = new TextEncoder();

/** Bytes from this size on are not copied: what was written stands in pieces then. */
const APART_BYTES = 16 * 1024;

/** Writes the primitive types of Kafka's protocol into a buffer that grows. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #at = 0;
  /** What stands before the last piece, which begins at `#from`. */
  readonly #pieces: Uint8Array[] = [];
  #from = 0;

  /** @param capacity First size in bytes. */
  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** What was written; a view, so the writer is not to be used afterwards. */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.#pieces.length === 0) return this.#bytes.subarray(0, this.#at);
    const pieces = this.finishPieces();
    const joined = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      joined.set(piece, at);
      at += piece.length;
    }
    return joined;
  }

  /** What was written, in pieces: large spans are the ones that were given. The writer is not to be used afterwards. */
  finishPieces(): Uint8Array[] {
    return [...this.#pieces, this.#bytes.subarray(this.#from, this.#at)];
  }

  /** One byte. */
  int8(value: number): this {
    const at = this.#room(1);
    this.#view.setInt8(at, value);
    return this;
  }

  /** Two bytes. */
  int16(value: number): this {
    const at = this.#room(2);
    this.#view.setInt16(at, value);
    return this;
  }

  /** Four bytes. */
  int32(value: number): this {
    const at = this.#room(4);
    this.#view.setInt32(at, value);
    return this;
  }

  /** Eight bytes. */
  int64(value: bigint): this {
    const at = this.#room(8);
    this.#view.setBigInt64(at, value);
    return this;
  }

  /** One byte, 0 or 1. */
  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  /** Unsigned LEB128. */
  unsignedVarint(value: number): this {
    let rest = value >>> 0;
    for (; rest > 127; rest >>>= 7) this.int8(rest & 127 | 128);
    return this.int8(rest);
  }

  /** Bytes as they are; large ones are not copied, and must stay as they are. */
  raw(bytes: Uint8Array): this {
    if (bytes.length >= APART_BYTES) {
      this.#pieces.push(this.#bytes.subarray(this.#from, this.#at), bytes);
      this.#from = this.#at;
      return this;
    }
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** A length in four bytes, and the bytes. */
  bytes(bytes: Uint8Array): this {
    return this.int32(bytes.length).raw(bytes);
  }

  /** A length in two bytes, and UTF-8; -1 for `null`. */
  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const bytes = encoder.encode(value);
    return this.int16(bytes.length).raw(bytes);
  }

  /** A length plus one as a varint, and UTF-8; 0 for `null`. */
  compactString(value: string | null): this {
    if (value === null) return this.unsignedVarint(0);
    const bytes = encoder.encode(value);
    return this.unsignedVarint(bytes.length + 1).raw(bytes);
  }

  /** A count in four bytes, and the items. */
  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length);
    for (const item of items) write(item);
    return this;
  }

  /** A count plus one as a varint, and the items. */
  compactArray<T>(items: readonly T[], write: (item: T) => void): this {
    this.unsignedVarint(items.length + 1);
    for (const item of items) write(item);
    return this;
  }

  /** No tagged fields. */
  noTags(): this {
    return this.unsignedVarint(0);
  }

  #room(size: number): number {
    const at = this.#at;
    const end = at + size;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#at = end;
    return at;
  }
}
