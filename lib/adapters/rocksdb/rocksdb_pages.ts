import type { Buffer } from "node:buffer";
import type { ByteSpans } from "../../columns/records.ts";
import type { StatePage } from "../../seams/state_store.ts";
import { type BindingIterator, called } from "./binding.ts";
import { closedError, rocksdbError } from "./rocksdb_error.ts";
import { spansOfBuffers } from "./rocksdb_keys.ts";

interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** One iteration over a database: the state of the moment when the iterator was made. */
export class RocksDbPages {
  readonly #iterator: BindingIterator;
  readonly #directory: string;
  readonly #onEnd: (pages: RocksDbPages) => void;
  #pending: Promise<unknown> = Promise.resolve();
  #ending: Promise<void> | undefined;
  #pushedBack: Row | undefined;

  /**
   * @param iterator An iterator that nobody else uses.
   * @param directory Directory of the store, for messages.
   * @param onEnd Called once when the iterator has ended.
   */
  constructor(iterator: BindingIterator, directory: string, onEnd: (pages: RocksDbPages) => void) {
    this.#iterator = iterator;
    this.#directory = directory;
    this.#onEnd = onEnd;
  }

  /** The first row if `isWanted` says so, else it stays the first of the pages. */
  async takeFirst(isWanted: (key: Buffer) => boolean): Promise<Buffer | undefined> {
    const row = await this.#next();
    if (row !== undefined && isWanted(row.key)) return row.value;
    this.#pushedBack = row;
    return undefined;
  }

  /** All rows in pages; ends the iterator when done or left. */
  async *read(rowsMax: number): AsyncGenerator<StatePage> {
    try {
      for (;;) {
        const keys: Buffer[] = [];
        const values: Buffer[] = [];
        while (keys.length < rowsMax) {
          const row = this.#pushedBack ?? await this.#next();
          this.#pushedBack = undefined;
          if (row === undefined) break;
          keys.push(row.key);
          values.push(row.value);
          // one wait for as many rows as the binding has read ahead, not one for each
          const cache = this.#iterator.cache ?? [];
          while (keys.length < rowsMax && cache.length > 0) {
            keys.push(cache.pop()!);
            values.push(cache.pop()!);
          }
        }
        if (keys.length === 0) return;
        yield { count: keys.length, keys: withoutPrefix(spansOfBuffers(keys)), values: spansOfBuffers(values) };
      }
    } finally {
      await this.end();
    }
  }

  /** Waits for the read under way, then ends the iterator. */
  end(): Promise<void> {
    this.#ending ??= this.#pending.catch(() => {}).then(() => called((callback) => this.#iterator.end(callback)))
      .finally(() => this.#onEnd(this));
    return this.#ending;
  }

  #next(): Promise<Row | undefined> {
    if (this.#ending !== undefined) return Promise.reject(closedError("read state in", this.#directory));
    const reading = new Promise<Row | undefined>((resolve, reject) => {
      this.#iterator.next((error, key, value) => {
        if (error) reject(rocksdbError(error, "read state in", this.#directory));
        else resolve(key === undefined ? undefined : { key, value: value! });
      });
    });
    this.#pending = reading;
    return reading;
  }
}

/** Leaves the first byte of each row away. */
function withoutPrefix({ bytes, starts, ends }: ByteSpans): ByteSpans {
  for (let row = 0; row < starts.length; row++) starts[row] = starts[row]! + 1;
  return { bytes, starts, ends };
}
