import { type ArrowData, bytesValues, offsetsOf, validityOf } from "./column_data.ts";
import { hasBit } from "./bitmap.ts";
import { copyBytes } from "./spans.ts";
import type { ByteSpans } from "./records.ts";

const SIZE_MAX = 1 << 28;
const ARENA_MAX = 0x7fffffff;

/** Options of {@linkcode KeyTable}. */
export interface KeyTableOptions {
  /** Number of keys to make room for at first. @default {1024} */
  capacity?: number;
  /** Bytes of keys to make room for at first. @default {16 * capacity} */
  arenaBytes?: number;
}

/**
 * Keys of bytes as dense codes: the first key gets 0, the next unknown one 1, and so on. Open addressing over pairs of
 * (hash, code + 1); the keys' bytes lie after each other in one arena.
 *
 * A column is interned in three passes (hash, probe by hash, verify bytes), so that the cache misses of neighbouring
 * rows overlap; only rows that are new or whose candidate fails the verification go the way of a single key.
 */
export class KeyTable {
  #size = 0;
  #slots: Int32Array;
  #mask: number;
  #offsets: Int32Array;
  #arena: Uint8Array;
  #arenaView: DataView;
  #hashes = new Int32Array(0);

  /** @param options Room to make at first. */
  constructor(options: KeyTableOptions = {}) {
    const { capacity = 1024, arenaBytes = 16 * capacity } = options;
    let slots = 16;
    while (slots < capacity * 2) slots *= 2;
    this.#mask = slots - 1;
    this.#slots = new Int32Array(slots * 2);
    this.#offsets = new Int32Array(Math.max(capacity, 16) + 1);
    this.#arena = new Uint8Array(Math.max(arenaBytes, 64));
    this.#arenaView = new DataView(this.#arena.buffer);
  }

  /** Number of keys: codes are 0 to `size - 1`. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of memory that the table holds. */
  get byteLength(): number {
    return this.#slots.byteLength + this.#offsets.byteLength + this.#arena.byteLength + this.#hashes.byteLength;
  }

  /**
   * The code of one key, which is added when it is new.
   *
   * @param bytes The buffer that holds the key.
   * @param start First byte.
   * @param end One past the last byte.
   * @returns The code.
   * @throws {RangeError} when the table would hold more than 2 GiB of keys or 2^28 keys.
   */
  intern(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
    const view = viewOf(bytes);
    return this.#internHashed(bytes, view, start, end, hashBytes(bytes, view, start, end));
  }

  /**
   * The code of one key, or -1 when the table does not hold it.
   *
   * @param bytes The buffer that holds the key.
   * @param start First byte.
   * @param end One past the last byte.
   */
  find(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
    const view = viewOf(bytes);
    const slot = this.#slotOf(bytes, view, start, end, hashBytes(bytes, view, start, end));
    return this.#slots[2 * slot + 1]! - 1;
  }

  /**
   * Codes of a utf8 or binary column.
   *
   * @param data Arrow data of the column; slices are fine.
   * @param codes Gets the code of each row, -1 for a null row; at least as long as the column.
   * @returns `codes`.
   */
  internColumn(data: ArrowData, codes: Int32Array = new Int32Array(data.length)): Int32Array {
    const offsets = offsetsOf(data);
    const validity = validityOf(data);
    if (validity === null) {
      return this.#internRanges(bytesValues(data), offsets, offsets.subarray(1), data.length, codes);
    }
    const starts = offsets.slice(0, data.length);
    for (let row = 0; row < data.length; row++) if (!hasBit(validity, data.offset + row)) starts[row] = -1;
    return this.#internRanges(bytesValues(data), starts, offsets.subarray(1), data.length, codes);
  }

  /**
   * Codes of spans.
   *
   * @param spans Byte ranges.
   * @param codes Gets the code of each row, -1 for a null row; at least as long as the spans.
   * @returns `codes`.
   */
  internSpans(spans: ByteSpans, codes: Int32Array = new Int32Array(spans.starts.length)): Int32Array {
    return this.#internRanges(spans.bytes, spans.starts, spans.ends, spans.starts.length, codes);
  }

  /**
   * Codes of spans that the table may not hold; nothing is added.
   *
   * @param spans Byte ranges.
   * @param codes Gets the code of each row, -1 for a null or unknown key; at least as long as the spans.
   * @returns `codes`.
   */
  findSpans(spans: ByteSpans, codes: Int32Array = new Int32Array(spans.starts.length)): Int32Array {
    const { bytes, starts, ends } = spans;
    const view = viewOf(bytes);
    for (let row = 0; row < starts.length; row++) {
      const start = starts[row]!;
      const end = ends[row]!;
      codes[row] = start < 0
        ? -1
        : this.#slots[2 * this.#slotOf(bytes, view, start, end, hashBytes(bytes, view, start, end)) + 1]! - 1;
    }
    return codes;
  }

  /** Number of bytes of a key. */
  keyLength(code: number): number {
    return this.#offsets[code + 1]! - this.#offsets[code]!;
  }

  /**
   * Copies a key's bytes.
   *
   * @param code A code.
   * @param target Gets the bytes.
   * @param at Where they begin.
   * @returns The position after the last byte written.
   */
  copyKey(code: number, target: Uint8Array, at: number): number {
    return copyBytes(this.#arena, this.#offsets[code]!, this.#offsets[code + 1]!, target, at);
  }

  /** The bytes of a key, without a copy: a view that stays right for as long as the table is not cleared. */
  keyBytes(code: number): Uint8Array {
    return this.#arena.subarray(this.#offsets[code]!, this.#offsets[code + 1]!);
  }

  /** All keys in the order of their codes, without a copy of bytes. */
  keySpans(): ByteSpans {
    const { starts, ends } = {
      starts: this.#offsets.slice(0, this.#size),
      ends: this.#offsets.slice(1, this.#size + 1),
    };
    return { bytes: this.#arena, starts, ends };
  }

  /** Forgets all keys and keeps the memory; the next new key gets code 0. */
  clear(): void {
    this.#slots.fill(0);
    this.#size = 0;
    // views handed out by keyBytes() and keySpans() must not change under their holders
    this.#arena = new Uint8Array(this.#arena.length);
    this.#arenaView = new DataView(this.#arena.buffer);
  }

  #internRanges(
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    count: number,
    codes: Int32Array,
  ): Int32Array {
    if (this.#hashes.length < count) this.#hashes = new Int32Array(count);
    const hashes = this.#hashes;
    const view = viewOf(bytes);
    for (let row = 0; row < count; row++) {
      if (starts[row]! >= 0) hashes[row] = hashBytes(bytes, view, starts[row]!, ends[row]!);
    }
    const slots = this.#slots;
    const mask = this.#mask;
    for (let row = 0; row < count; row++) {
      const hash = hashes[row]!;
      for (let slot = hash & mask;; slot = (slot + 1) & mask) {
        const code = slots[2 * slot + 1]!;
        if (code === 0 || slots[2 * slot] === hash) {
          codes[row] = code - 1;
          break;
        }
      }
    }
    for (let row = 0; row < count; row++) {
      const start = starts[row]!;
      const end = ends[row]!;
      const code = codes[row]!;
      if (start < 0) codes[row] = -1;
      else if (code < 0 || !this.#isKey(code, bytes, view, start, end)) {
        codes[row] = this.#internHashed(bytes, view, start, end, hashes[row]!);
      }
    }
    return codes;
  }

  #internHashed(bytes: Uint8Array, view: DataView, start: number, end: number, hash: number): number {
    const slot = this.#slotOf(bytes, view, start, end, hash);
    const code = this.#slots[2 * slot + 1]!;
    return code === 0 ? this.#insert(bytes, start, end, hash, slot) : code - 1;
  }

  /** The slot that holds the key, or the free slot where it belongs. */
  #slotOf(bytes: Uint8Array, view: DataView, start: number, end: number, hash: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      const code = slots[2 * slot + 1]!;
      if (code === 0) return slot;
      if (slots[2 * slot] === hash && this.#isKey(code - 1, bytes, view, start, end)) return slot;
    }
  }

  #isKey(code: number, bytes: Uint8Array, view: DataView, start: number, end: number): boolean {
    const at = this.#offsets[code]!;
    const length = end - start;
    if (this.#offsets[code + 1]! - at !== length) return false;
    if (length < 4) {
      for (let k = 0; k < length; k++) if (bytes[start + k] !== this.#arena[at + k]) return false;
      return true;
    }
    const arena = this.#arenaView;
    const last = length - 4;
    for (let k = 0; k < last; k += 4) {
      if (view.getInt32(start + k, true) !== arena.getInt32(at + k, true)) return false;
    }
    return view.getInt32(start + last, true) === arena.getInt32(at + last, true);
  }

  #insert(bytes: Uint8Array, start: number, end: number, hash: number, slot: number): number {
    const code = this.#size;
    const at = this.#offsets[code]!;
    const next = at + end - start;
    if (next > this.#arena.length) this.#growArena(next);
    if (code + 2 > this.#offsets.length) this.#growOffsets();
    copyBytes(bytes, start, end, this.#arena, at);
    this.#offsets[code + 1] = next;
    this.#slots[2 * slot] = hash;
    this.#slots[2 * slot + 1] = code + 1;
    this.#size = code + 1;
    if (this.#size * 2 > this.#mask + 1) this.#growSlots();
    return code;
  }

  #growArena(needed: number): void {
    if (needed > ARENA_MAX) {
      throw new RangeError(`Cannot add key as keys take at most ${ARENA_MAX} bytes: current value is ${needed}`);
    }
    const arena = new Uint8Array(Math.min(ARENA_MAX, Math.max(this.#arena.length * 2, needed)));
    arena.set(this.#arena);
    this.#arena = arena;
    this.#arenaView = new DataView(arena.buffer);
  }

  #growOffsets(): void {
    if (this.#size >= SIZE_MAX) {
      throw new RangeError(`Cannot add key as a table holds at most ${SIZE_MAX}: current value is ${this.#size}`);
    }
    const offsets = new Int32Array((this.#offsets.length - 1) * 2 + 1);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
  }

  #growSlots(): void {
    const old = this.#slots;
    const mask = (this.#mask + 1) * 2 - 1;
    const slots = new Int32Array((mask + 1) * 2);
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] === 0) continue;
      let slot = old[i]! & mask;
      while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
      slots[2 * slot] = old[i]!;
      slots[2 * slot + 1] = old[i + 1]!;
    }
    this.#slots = slots;
    this.#mask = mask;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A 32-bit hash for hash tables in memory; never written anywhere, so it may change between releases. */
function hashBytes(bytes: Uint8Array, view: DataView, start: number, end: number): number {
  const length = end - start;
  let hash = length | 0;
  if (length >= 4) {
    const last = end - 4;
    for (let p = start; p < last; p += 4) {
      hash = Math.imul(hash ^ view.getInt32(p, true), -1640531535);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ view.getInt32(last, true), -1640531535);
    hash ^= hash >>> 15;
  } else {
    for (let p = start; p < end; p++) {
      hash = Math.imul(hash ^ bytes[p]!, -1640531535);
      hash ^= hash >>> 15;
    }
  }
  hash = Math.imul(hash, -2048144789);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, -1028477387);
  return hash ^ (hash >>> 16);
}
