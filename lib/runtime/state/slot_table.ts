import { invariant } from "../../base/assert.ts";
import { KeyTable } from "../../columns/key_table.ts";
import type { ByteSpans } from "../../columns/records.ts";
import { takeSpans } from "../../columns/spans.ts";
import type { StatePage } from "../../seams/state_store.ts";
import { BytesColumn } from "./bytes_column.ts";
import { identityRows } from "./identity_rows.ts";
import type { RowFormat } from "./row_format.ts";
import { grown, type SlotColumn } from "./slot_column.ts";
import { storedKeys } from "./stored_key.ts";
import { UndoLog } from "./undo_log.ts";

/** Flags of a slot. */
export const LOADED = 1;
/** The slot has a value; without it a loaded slot is known to be missing. */
export const PRESENT = 2;
const HASHED = 4;
/** Only set while codes are collected. */
const ASKED = 8;
const STATE = LOADED | PRESENT;

/** In `pending`: changed by applied commits, not yet given to a flush. */
const DIRTY = 1;
/** In `pending`: given to the flush that runs. */
const IN_FLIGHT = 2;

const NO_CODES = new Int32Array(0);
const REBUILD_SLOTS_MIN = 4_096;

/** What a {@linkcode SlotTable} needs. */
export interface SlotTableOptions {
  /** The operator's part of stored keys. */
  readonly prefix: Uint8Array;
  /** Columns, and how they become rows. */
  readonly format: RowFormat;
  /** Routing hash of a user key. */
  readonly hash: (bytes: Uint8Array, start: number, end: number) => number;
  /** Number of keys held, beyond which clean ones are dropped. */
  readonly keysMax: number;
  /** Whether the store has no rows of this table, so that a key which is not held is missing. */
  readonly isComplete: boolean;
}

/**
 * State of one table: slots in typed arrays, found by the dense code of their key.
 *
 * Keeps: a slot holds the newest value, that of the last open commit which wrote it. The image of a slot before the
 * first write of each open commit stands in that commit's log; undoing the logs, newest first, gives the committed
 * state back bit for bit. What a flush writes is the image at the last applied commit, never an open one's (I-03). A
 * slot is dropped only when it is clean and no log and no read under way refers to it.
 */
export class SlotTable {
  /** Keys of the slots. Replaced, not cleared, when slots are dropped. */
  keys: KeyTable = new KeyTable({ capacity: 64 });
  /** {@linkcode LOADED} and {@linkcode PRESENT} by slot. */
  flags: Uint8Array = new Uint8Array(0);
  /** Values by slot. */
  columns: SlotColumn[];
  /** Whether a key that has no loaded slot is known to be missing. */
  isComplete: boolean;
  /** Reads under way; slots keep their codes meanwhile. */
  readsUnderWay = 0;
  /** Bytes of the rows that are not flushed, nearly. */
  pendingBytes = 0;
  /** Slots dropped so far. */
  droppedSlots = 0;
  /** Before-images taken so far. */
  undoRows = 0;
  readonly #options: SlotTableOptions;
  #hashes = new Int32Array(0);
  #touched = new Int32Array(0);
  #pending = new Uint8Array(0);
  #dirty = new Int32Array(0);
  #dirtyCount = 0;
  #inFlight: { codes: Int32Array; bytes: number } | undefined;
  #logs: UndoLog[] = [];
  #slotsAtCheck = 0;

  /** @param options Shape and bounds. */
  constructor(options: SlotTableOptions) {
    this.#options = options;
    this.columns = options.format.columns();
    this.isComplete = options.isComplete;
  }

  /** Rows that are not flushed. */
  get pendingRows(): number {
    return this.#dirtyCount + (this.#inFlight?.codes.length ?? 0);
  }

  /** Bytes of memory. */
  get byteLength(): number {
    const perSlot = this.flags.length + 4 * this.#hashes.length + 4 * this.#touched.length + this.#pending.length;
    return this.columns.reduce((sum, column) => sum + column.byteLength, perSlot + this.keys.byteLength);
  }

  /** Makes room for the slots of all keys; to be called after keys were added. */
  fit(): void {
    if (this.keys.size <= this.flags.length) return;
    const capacity = Math.max(256, 2 ** Math.ceil(Math.log2(this.keys.size)));
    this.flags = grown(this.flags, capacity);
    this.#hashes = grown(this.#hashes, capacity);
    this.#touched = grown(this.#touched, capacity);
    this.#pending = grown(this.#pending, capacity);
    for (const column of this.columns) column.fit(capacity);
  }

  /**
   * Keeps the images of slots that this commit has not touched yet. To be called before slots are written.
   *
   * @param serial The newest open commit.
   * @param codes Slots that will be written.
   */
  touch(serial: number, codes: Int32Array): void {
    const touched = this.#touched;
    const fresh = new Int32Array(codes.length);
    let count = 0;
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i]!;
      if (touched[code] === serial) continue;
      touched[code] = serial;
      fresh[count++] = code;
    }
    if (count === 0) return;
    let log = this.#logs.at(-1);
    if (log?.serial !== serial) {
      log = new UndoLog(serial, this.columns);
      this.#logs.push(log);
    }
    log.fit(count);
    const from = fresh.subarray(0, count);
    const to = identityRows(log.count, count);
    log.codes.set(from, log.count);
    for (let i = 0; i < count; i++) log.flags[log.count + i] = this.flags[from[i]!]! & STATE;
    for (const [i, column] of log.columns.entries()) column.move(this.columns[i]!, from, to);
    log.count += count;
    this.undoRows += count;
  }

  /** Marks slots as written or deleted. */
  setState(codes: Int32Array, state: number): void {
    for (let i = 0; i < codes.length; i++) this.flags[codes[i]!] = (this.flags[codes[i]!]! & HASHED) | state;
  }

  /** The oldest open commit is applied: what it wrote waits for a flush. */
  apply(serial: number): void {
    const log = this.#logs[0];
    if (log?.serial !== serial) return;
    this.#logs.shift();
    this.#markDirty(log.codes.subarray(0, log.count));
    log.release();
  }

  /** Takes all open commits back, newest first. */
  abort(): void {
    for (const log of this.#logs.reverse()) {
      const to = log.codes.subarray(0, log.count);
      const from = identityRows(0, log.count);
      for (const [i, column] of this.columns.entries()) column.move(log.columns[i]!, from, to);
      for (let i = 0; i < log.count; i++) this.flags[to[i]!] = (this.flags[to[i]!]! & HASHED) | log.flags[i]!;
      log.release();
    }
    this.#logs = [];
  }

  /** Rows for a flush, at the last applied commit; `undefined` when there are none. */
  beginFlush(): StatePage | undefined {
    invariant(this.#inFlight === undefined, "one flush at a time");
    const count = this.#dirtyCount;
    if (count === 0) return undefined;
    const codes = this.#dirty.slice(0, count);
    for (let i = 0; i < count; i++) this.#pending[codes[i]!] = IN_FLIGHT;
    this.#inFlight = { codes, bytes: this.pendingBytes };
    this.#dirtyCount = 0;
    const page = { count, keys: this.storedKeys(codes), values: this.#committedRows(codes) };
    return page;
  }

  /** Ends the flush. @param isDone Whether the rows are in the store; else they stay pending. */
  endFlush(isDone: boolean): void {
    const flight = this.#inFlight;
    if (flight === undefined) return;
    this.#inFlight = undefined;
    if (isDone) this.pendingBytes -= flight.bytes;
    for (let i = 0; i < flight.codes.length; i++) {
      const code = flight.codes[i]!;
      const isDirtyAgain = (this.#pending[code]! & DIRTY) !== 0;
      this.#pending[code] = isDirtyAgain || !isDone ? DIRTY : 0;
      if (!isDone && !isDirtyAgain) this.#pushDirty(code);
    }
    if (isDone) this.#dropSlots();
  }

  /** Stored keys of slots. */
  storedKeys(codes: Int32Array): ByteSpans {
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i]!;
      if ((this.flags[code]! & HASHED) !== 0) continue;
      const key = this.keys.keyBytes(code);
      this.#hashes[code] = this.#options.hash(key, 0, key.length);
      this.flags[code] = this.flags[code]! | HASHED;
    }
    return storedKeys(codes, { keys: this.keys, hashes: this.#hashes, prefix: this.#options.prefix });
  }

  /** Slots that must be read from the store before they can be looked at, each once. */
  notLoaded(codes: Int32Array): Int32Array {
    const { flags } = this;
    if (this.isComplete) {
      for (let i = 0; i < codes.length; i++) flags[codes[i]!] = flags[codes[i]!]! | LOADED;
      return NO_CODES;
    }
    let missing = NO_CODES;
    let count = 0;
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i]!;
      if ((flags[code]! & (LOADED | ASKED)) !== 0) continue;
      if (count === 0) missing = new Int32Array(codes.length - i);
      flags[code] = flags[code]! | ASKED;
      missing[count++] = code;
    }
    for (let i = 0; i < count; i++) flags[missing[i]!] = flags[missing[i]!]! & ~ASKED;
    return missing.subarray(0, count);
  }

  /** Puts what the store has into slots that are not loaded. @param codes Slots. @param rows Their rows, null: missing. */
  load(codes: Int32Array, rows: ByteSpans): void {
    const numbers = new Int32Array(codes.length);
    const found = new Int32Array(codes.length);
    let count = 0;
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i]!;
      // written meanwhile, or read by another call
      if ((this.flags[code]! & LOADED) !== 0) continue;
      if (rows.starts[i]! < 0) {
        this.flags[code] = this.flags[code]! | LOADED;
        continue;
      }
      numbers[count] = i;
      found[count++] = code;
    }
    if (count === 0) return;
    const chosen = { numbers: numbers.subarray(0, count), codes: found.subarray(0, count) };
    this.#options.format.decode(this.columns, rows, chosen);
    for (let i = 0; i < count; i++) this.flags[found[i]!] = this.flags[found[i]!]! | STATE;
  }

  #markDirty(codes: Int32Array): void {
    let fresh = 0;
    const added = new Int32Array(codes.length);
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i]!;
      if ((this.#pending[code]! & DIRTY) !== 0) continue;
      this.#pending[code] = this.#pending[code]! | DIRTY;
      this.#pushDirty(code);
      added[fresh++] = code;
    }
    for (const column of this.columns) this.pendingBytes += column.estimateBytes(added, fresh);
    for (let i = 0; i < fresh; i++) this.pendingBytes += this.keys.keyLength(added[i]!) + 8;
  }

  #pushDirty(code: number): void {
    if (this.#dirtyCount === this.#dirty.length) this.#dirty = grown(this.#dirty, Math.max(256, 2 * this.#dirtyCount));
    this.#dirty[this.#dirtyCount++] = code;
  }

  /** Rows of slots as they were when the last commit was applied; null where a slot has no value. */
  #committedRows(codes: Int32Array): ByteSpans {
    const count = codes.length;
    const images = this.columns.map((column) => column.sibling());
    const flags = new Uint8Array(count);
    for (let i = 0; i < count; i++) flags[i] = this.flags[codes[i]!]!;
    for (const [i, image] of images.entries()) {
      image.fit(count);
      image.move(this.columns[i]!, codes, identityRows(0, count));
    }
    if (this.#logs.length > 0) this.#undoInto(images, flags, codes);
    const rows = this.#options.format.encode(images, count);
    for (const image of images) image.release();
    for (let i = 0; i < count; i++) {
      invariant((flags[i]! & LOADED) !== 0, "I-03: a slot that waits for a flush has a committed image");
      if ((flags[i]! & PRESENT) === 0) rows.starts[i] = -1;
    }
    return rows;
  }

  /** Replaces images of slots that open commits have touched by those before; the oldest commit has the last word. */
  #undoInto(images: readonly SlotColumn[], flags: Uint8Array, codes: Int32Array): void {
    const rowOf = new Int32Array(this.keys.size);
    for (let i = 0; i < codes.length; i++) rowOf[codes[i]!] = i + 1;
    for (const log of this.#logs.toReversed()) {
      const from = new Int32Array(log.count);
      const to = new Int32Array(log.count);
      let count = 0;
      for (let i = 0; i < log.count; i++) {
        const row = rowOf[log.codes[i]!]! - 1;
        if (row < 0) continue;
        from[count] = i;
        to[count++] = row;
        flags[row] = log.flags[i]!;
      }
      for (const [i, image] of images.entries()) {
        image.move(log.columns[i]!, from.subarray(0, count), to.subarray(0, count));
      }
    }
  }

  /** Drops slots that nothing refers to: all when there are too many, else those of missing keys when they are the most. */
  #dropSlots(): void {
    const size = this.keys.size;
    if (this.readsUnderWay > 0) return;
    const isOver = size > this.#options.keysMax;
    if (!isOver && (size < REBUILD_SLOTS_MIN || size < 2 * this.#slotsAtCheck)) return;
    this.#slotsAtCheck = size;
    const isKept = new Uint8Array(size);
    for (const log of this.#logs) for (let i = 0; i < log.count; i++) isKept[log.codes[i]!] = 1;
    const kept = new Int32Array(size);
    let count = 0;
    for (let code = 0; code < size; code++) {
      const isHeld = !isOver && (this.flags[code]! & PRESENT) !== 0;
      if (isHeld || isKept[code] === 1 || this.#pending[code] !== 0) kept[count++] = code;
    }
    if (!isOver && count > size / 2) return;
    if (isOver) this.isComplete = false;
    this.#keepSlots(kept.subarray(0, count));
  }

  #keepSlots(kept: Int32Array): void {
    const size = this.keys.size;
    const codeOf = new Int32Array(size);
    for (let i = 0; i < kept.length; i++) codeOf[kept[i]!] = i;
    const keys = new KeyTable({ capacity: Math.max(1024, kept.length) });
    keys.internSpans(takeSpans(this.keys.keySpans(), kept));
    const { flags, columns } = this;
    const [hashes, touched, pending] = [this.#hashes, this.#touched, this.#pending];
    this.keys = keys;
    this.flags = new Uint8Array(0);
    [this.#hashes, this.#touched, this.#pending] = [new Int32Array(0), new Int32Array(0), new Uint8Array(0)];
    this.columns = columns.map((column) => column.sibling());
    this.fit();
    for (let i = 0; i < kept.length; i++) {
      const code = kept[i]!;
      this.flags[i] = flags[code]!;
      this.#hashes[i] = hashes[code]!;
      this.#touched[i] = touched[code]!;
      this.#pending[i] = pending[code]!;
    }
    for (const [i, column] of this.columns.entries()) {
      column.move(columns[i]!, kept, identityRows(0, kept.length));
      columns[i]!.release();
      if (column instanceof BytesColumn) column.compact();
    }
    for (const log of this.#logs) for (let i = 0; i < log.count; i++) log.codes[i] = codeOf[log.codes[i]!]!;
    for (let i = 0; i < this.#dirtyCount; i++) this.#dirty[i] = codeOf[this.#dirty[i]!]!;
    this.droppedSlots += size - kept.length;
    this.#slotsAtCheck = kept.length;
  }
}
