import { Buffer } from "node:buffer";
import { InvariantError } from "../../base/assert.ts";
import type { ByteSpans } from "../../columns/records.ts";
import { nullSpans } from "../../columns/spans.ts";
import type { KeyRange, StatePage, StateSnapshot, StateStore } from "../../seams/state_store.ts";
import { type BindingDatabase, type BindingIterator, type Callback, called } from "./binding.ts";
import { closedError, rocksdbError } from "./rocksdb_error.ts";
import { AFTER_ROWS, BufferPool, FIRST_ROW, POSITION_KEY, rowKey, spansOfBuffers } from "./rocksdb_keys.ts";
import { RocksDbPages } from "./rocksdb_pages.ts";

const READ_AHEAD_BYTES = 1 << 20;
/** RocksDB may never end its close when it could not write a file in the background (a full disk): it keeps trying. */
const CLOSE_AFTER_FAILURE_MS = 3_000;

/**
 * State of one task in RocksDB.
 *
 * Keeps: a call never reaches a closed database (the native library would end the process), so that each call is
 * counted and `close` waits for the count to be zero; rows and position are written in one batch (I-02); writes happen
 * in the order of the calls. A write survives the end of the process; it survives a power failure only after the
 * operating system has written it: the store may then lag behind, rows and position together.
 */
export class RocksDbStateStore implements StateStore {
  readonly location: string;
  readonly #database: BindingDatabase;
  readonly #directory: string;
  readonly #onClosed: () => Promise<void>;
  readonly #onDestroy: () => Promise<void>;
  readonly #pool = new BufferPool();
  readonly #iterations = new Set<RocksDbPages>();
  #isOpen = true;
  #hasFailedWrite = false;
  #pending = 0;
  #onIdle: (() => void) | undefined;
  #lastWrite: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /**
   * @param database An open database that nobody else uses.
   * @param directory Directory of the task, for messages.
   * @param hooks What to do once it is closed, and to delete its files.
   */
  constructor(
    database: BindingDatabase,
    directory: string,
    hooks: { onClosed: () => Promise<void>; onDestroy: () => Promise<void> },
  ) {
    this.location = `rocksdb:${directory}`;
    this.#database = database;
    this.#directory = directory;
    this.#onClosed = hooks.onClosed;
    this.#onDestroy = hooks.onDestroy;
  }

  async readPosition(): Promise<Uint8Array | undefined> {
    const [value] = await this.#call<(Buffer | undefined)[]>(
      "read the position of",
      (callback) => this.#database.getMany([POSITION_KEY], { asBuffer: true }, callback),
    );
    return value === undefined ? undefined : new Uint8Array(value);
  }

  async getMany(keys: ByteSpans, count: number): Promise<ByteSpans> {
    if (count === 0 && this.#isOpen) return nullSpans(0);
    const values = await this.#call<(Buffer | undefined)[]>(
      "read state in",
      (callback) => this.#database.getMany(this.#pool.keyArray(keys, count), { asBuffer: true }, callback),
    );
    return spansOfBuffers(values);
  }

  scan(range: KeyRange, rowsMax: number): AsyncIterable<StatePage> {
    checkRowsMax(rowsMax);
    const from = range.from === undefined ? FIRST_ROW : rowKey(range.from);
    const to = range.to === undefined ? AFTER_ROWS : rowKey(range.to);
    return this.#iterate("scan", { from, to }).read(rowsMax);
  }

  apply(mutations: StatePage, position: Uint8Array): Promise<void> {
    return this.#write("write state to", () => {
      const batch = this.#batchOf(mutations);
      batch.put(POSITION_KEY, Buffer.from(position));
      return batch;
    });
  }

  async load(page: StatePage): Promise<void> {
    if (await this.readPosition() !== undefined) {
      throw new InvariantError(`I-02: load() must not follow apply(), ${this.location} has a position`);
    }
    if (page.count > 0) await this.#write("load state into", () => this.#batchOf(page));
  }

  async snapshot(): Promise<StateSnapshot> {
    const pages = this.#iterate("take a snapshot of", { from: POSITION_KEY, to: AFTER_ROWS });
    const position = await pages.takeFirst((key) => key.equals(POSITION_KEY));
    let isUsed = false;
    return {
      position: position === undefined ? undefined : new Uint8Array(position),
      pages: (rowsMax) => {
        if (isUsed) throw new InvariantError("The pages of a snapshot are read once");
        isUsed = true;
        checkRowsMax(rowsMax);
        return pages.read(rowsMax);
      },
      release: () => pages.end(),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async destroy(): Promise<void> {
    await this.close();
    await this.#onDestroy();
  }

  async #close(): Promise<void> {
    this.#isOpen = false;
    await Promise.all([...this.#iterations].map((pages) => pages.end()));
    if (this.#pending > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
    const closing = called((callback) => this.#database.close(callback)).catch((error) => {
      throw rocksdbError(error, "close", this.#directory);
    });
    if (!this.#hasFailedWrite) await closing;
    else if (await within(closing, CLOSE_AFTER_FAILURE_MS) === "late") return;
    await this.#onClosed();
  }

  #batchOf({ count, keys, values }: StatePage) {
    const batch = this.#database.batch();
    const pool = this.#pool;
    const { bytes, starts, ends } = keys;
    for (let row = 0; row < count; row++) {
      const key = pool.key(bytes, starts[row]!, ends[row]!);
      const start = values.starts[row]!;
      if (start < 0) batch.del(key);
      else batch.put(key, pool.value(values.bytes, start, values.ends[row]!));
    }
    return batch;
  }

  /** Writes after the writes before: the library's threads would otherwise write in any order. */
  #write(call: string, build: () => { write(callback: Callback): void }): Promise<void> {
    if (!this.#isOpen) return Promise.reject(closedError(call, this.#directory));
    this.#pending++;
    let batch: { write(callback: Callback): void };
    try {
      batch = build();
    } catch (error) {
      this.#done();
      return Promise.reject(rocksdbError(error, call, this.#directory));
    }
    const writing = this.#lastWrite.then(() => called((callback) => batch.write(callback)))
      .catch((error) => {
        this.#hasFailedWrite = true;
        throw rocksdbError(error, call, this.#directory);
      }).finally(() => this.#done());
    this.#lastWrite = writing.catch(() => {});
    return writing;
  }

  async #call<T>(call: string, run: (callback: Callback<T>) => void): Promise<T> {
    if (!this.#isOpen) throw closedError(call, this.#directory);
    this.#pending++;
    try {
      return await called(run);
    } catch (error) {
      throw rocksdbError(error, call, this.#directory);
    } finally {
      this.#done();
    }
  }

  #done(): void {
    this.#pending--;
    if (this.#pending === 0) this.#onIdle?.();
  }

  #iterate(call: string, range: { from: Buffer; to: Buffer }): RocksDbPages {
    if (!this.#isOpen) throw closedError(call, this.#directory);
    const iterator: BindingIterator = this.#database.iterator({
      gte: range.from,
      lt: range.to,
      highWaterMark: READ_AHEAD_BYTES,
    });
    const pages = new RocksDbPages(iterator, this.#directory, () => this.#iterations.delete(pages));
    this.#iterations.add(pages);
    return pages;
  }
}

/** Waits for a promise, but not for ever. */
async function within(promise: Promise<void>, waitMs: number): Promise<"done" | "late"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => timer = setTimeout(() => resolve("late"), waitMs));
  try {
    return await Promise.race([promise.then(() => "done" as const), late]);
  } finally {
    clearTimeout(timer);
  }
}

function checkRowsMax(rowsMax: number): void {
  if (Number.isInteger(rowsMax) && rowsMax >= 1) return;
  throw new RangeError(`Cannot read state as 'rowsMax' must be an integer >= 1: current value is ${rowsMax}`);
}
