import type { Buffer } from "node:buffer";
import { DiskUnavailableError } from "../../base/errors.ts";

/** Calls back once, with an error or a result. */
export type Callback<T = void> = (error: Error | null | undefined, value?: T) => void;

/** Writes collected and written at once. Keys and values are copied by `put` and `del` before they return. */
export interface BindingBatch {
  /** Adds a row. */
  put(key: Buffer, value: Buffer): unknown;
  /** Adds a deletion. */
  del(key: Buffer): unknown;
  /** Writes everything, atomically. */
  write(callback: Callback): void;
}

/** Iterates the state of the moment when it was made. */
export interface BindingIterator {
  /** Rows that were read ahead, as value, key, value, key ..., the next one at the end. */
  cache: Buffer[] | null;
  /** Gives the next row, or nothing at the end. Must not be called while another call is under way. */
  next(callback: (error: Error | null | undefined, key?: Buffer, value?: Buffer) => void): void;
  /** Must be called before the database is closed. */
  end(callback: Callback): void;
}

/** An open database. A call after `close` ends the process, so that each call needs a guard. */
export interface BindingDatabase {
  /** Opens. */
  open(options: BindingOptions, callback: Callback): void;
  /** Closes. */
  close(callback: Callback): void;
  /** Reads many rows. Keys are copied before it returns. */
  getMany(keys: Buffer[], options: { asBuffer: true }, callback: Callback<(Buffer | undefined)[]>): void;
  /** Reads one row; a missing one is an error with the message `NotFound`. */
  get(key: Buffer, callback: Callback<Buffer>): void;
  /** Begins to collect writes. */
  batch(): BindingBatch;
  /** Begins to iterate. */
  iterator(options: { gte: Buffer; lt: Buffer; highWaterMark: number }): BindingIterator;
}

/** Options of the binding's `open`. */
export interface BindingOptions {
  /** Creates the database when there is none. */
  readonly createIfMissing: boolean;
  /** Bytes of writes that are held in memory before a file is written. */
  readonly writeBufferSize: number;
  /** Bytes of blocks that are held in memory. */
  readonly cacheSize: number;
  /** Files held open. */
  readonly maxOpenFiles: number;
}

/** Makes a database object of a directory. */
export type Binding = (directory: string) => BindingDatabase;

const PERMISSIONS = "--allow-ffi=node_modules --allow-read=node_modules,/etc/alpine-release " +
  "--allow-env=PREBUILDS_ONLY,ELECTRON_RUN_AS_NODE,npm_config_arch,npm_config_platform,LIBC,ARM_VERSION";

let loading: Promise<Binding> | undefined;

/**
 * Loads the native library, once, when the first store is opened: importing the adapter needs no permission.
 *
 * @throws {DiskUnavailableError} when it cannot be loaded; the message names the permissions that it needs.
 */
export function loadBinding(): Promise<Binding> {
  loading ??= import("rocksdb").then(
    (module: { default: unknown }) => module.default as Binding,
    (cause) => {
      loading = undefined;
      throw new DiskUnavailableError(
        `Cannot load the RocksDB library: ${(cause as Error).message}; install npm:rocksdb for this platform ` +
          `(Linux, macOS or Windows on x64, macOS on arm64) and run with ${PERMISSIONS}`,
        { cause },
      );
    },
  );
  return loading;
}

/** The result of a call with a callback. @param call Gets the callback. */
export function called<T = void>(call: (callback: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => call((error, value) => error ? reject(error) : resolve(value as T)));
}
