import { BrokerUnavailableError } from "../../../base/errors.ts";

const decoder = new TextDecoder();

/** Reads the primitive types of Kafka's protocol. Bytes that are missing throw {@linkcode BrokerUnavailableError}. */
export class ByteReader {
  /** The buffer. */
  readonly bytes: Uint8Array;
  /** Position of the next byte. */
  at = 0;
  readonly #view: DataView;

  /** @param bytes What to read. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** One byte. */
  int8(): number {
    return this.#view.getInt8(this.#skip(1));
  }

  /** Two bytes. */
  int16(): number {
    return this.#view.getInt16(this.#skip(2));
  }

  /** Four bytes. */
  int32(): number {
    return this.#view.getInt32(this.#skip(4));
  }

  /** Four bytes, unsigned. */
  uint32(): number {
    return this.#view.getUint32(this.#skip(4));
  }

  /** Eight bytes. */
  int64(): bigint {
    return this.#view.getBigInt64(this.#skip(8));
  }

  /** One byte as a fact. */
  boolean(): boolean {
    return this.int8() !== 0;
  }

  /** Unsigned LEB128. */
  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.#skip(1)]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
    throw garbled("a number is longer than five bytes", this.at);
  }

  /** A view of the next bytes. */
  raw(length: number): Uint8Array {
    const at = this.#skip(length);
    return this.bytes.subarray(at, at + length);
  }

  /** A length in four bytes, and a view of the bytes; `null` for -1. */
  nullableBytes(): Uint8Array | null {
    const length = this.int32();
    return length < 0 ? null : this.raw(length);
  }

  /** A length in two bytes, and UTF-8. */
  string(): string {
    return this.nullableString() ?? "";
  }

  /** A length in two bytes, and UTF-8; `null` for -1. */
  nullableString(): string | null {
    const length = this.int16();
    return length < 0 ? null : decoder.decode(this.raw(length));
  }

  /** A length plus one as a varint, and UTF-8; `null` for 0. */
  compactString(): string | null {
    const length = this.unsignedVarint();
    return length === 0 ? null : decoder.decode(this.raw(length - 1));
  }

  /** A count in four bytes, and the items; none for -1. */
  array<T>(read: () => T): T[] {
    return this.#items(this.int32(), read);
  }

  /** A count plus one as a varint, and the items; none for 0. */
  compactArray<T>(read: () => T): T[] {
    return this.#items(this.unsignedVarint() - 1, read);
  }

  /** Passes over tagged fields. */
  tags(): void {
    for (let left = this.unsignedVarint(); left > 0; left--) {
      this.unsignedVarint();
      this.raw(this.unsignedVarint());
    }
  }

  #items<T>(count: number, read: () => T): T[] {
    if (count > this.bytes.length - this.at) throw garbled(`a count of ${count} cannot be`, this.at);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  #skip(length: number): number {
    const at = this.at;
    if (length < 0 || at + length > this.bytes.length) throw garbled(`${length} bytes are missing`, at);
    this.at = at + length;
    return at;
  }
}

function garbled(found: string, at: number): BrokerUnavailableError {
  return new BrokerUnavailableError(
    `Cannot read a broker's reply as ${found} at byte ${at}: check that the address is one of a Kafka broker`,
    { context: { at } },
  );
}
