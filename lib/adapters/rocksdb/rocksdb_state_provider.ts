import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { StateCorruptError } from "../../base/errors.ts";
import type { StateStore, StateStoreKey, StateStoreProvider } from "../../seams/state_store.ts";
import { type BindingDatabase, called, loadBinding } from "./binding.ts";
import { isLockError, rocksdbError } from "./rocksdb_error.ts";
import { RocksDbStateStore } from "./rocksdb_state_store.ts";
import { heldError, removeHolder, writeHolder, writeWhole } from "./store_holder.ts";

const FORMAT = 1;
const MARKER = "store.json";
const DATABASE = "db";

/** Options of {@linkcode RocksDbStateProvider}; each store has its own buffers. */
export interface RocksDbOptions {
  /** Bytes of writes that a store holds in memory before it writes a file. @default {33_554_432} */
  writeBufferBytes?: number;
  /** Bytes of file blocks that a store holds in memory. @default {33_554_432} */
  cacheBytes?: number;
  /** Files that a store holds open. @default {256} */
  openFilesMax?: number;
}

/**
 * State on the local disk: one directory `<path>/<application>/<subscription>/<partition>` for each task, with the
 * database in `db` and two small files that tell what it is and who has it open.
 *
 * The native library writes its files outside of Deno's sandbox; `--allow-write` is needed for the small files only.
 */
export class RocksDbStateProvider implements StateStoreProvider {
  readonly location: string;
  readonly isDurable = true;
  readonly #path: string;
  readonly #options: Required<RocksDbOptions>;

  /**
   * Nothing is opened or created yet.
   *
   * @param path Directory; created when missing.
   * @param options Sizes of buffers.
   * @throws {RangeError} when a size is no positive integer.
   */
  constructor(path: string, options: RocksDbOptions = {}) {
    const { writeBufferBytes = 33_554_432, cacheBytes = 33_554_432, openFilesMax = 256 } = options;
    this.#options = Object.freeze({ writeBufferBytes, cacheBytes, openFilesMax });
    for (const [name, value] of Object.entries(this.#options)) {
      if (!Number.isInteger(value) || value < 1 || value > 0xffffffff) {
        throw new RangeError(
          `Cannot create RocksDB provider as '${name}' must be an integer >= 1: current value is ${value}`,
        );
      }
    }
    this.#path = resolve(path);
    this.location = `rocksdb:${this.#path}`;
  }

  async open(key: StateStoreKey): Promise<StateStore> {
    const directory = this.#directoryOf(key);
    const binding = await loadBinding();
    try {
      await mkdir(directory, { recursive: true });
      const isMarked = await hasMarker(directory);
      const database = binding(join(directory, DATABASE));
      await this.#openDatabase(database, !isMarked);
      try {
        if (!isMarked) await writeWhole(join(directory, MARKER), JSON.stringify({ format: FORMAT, ...key }) + "\n");
        await writeHolder(directory);
      } catch (error) {
        await called((callback) => database.close(callback));
        throw error;
      }
      return new RocksDbStateStore(database, directory, {
        onClosed: () => removeHolder(directory),
        onDestroy: () => this.destroy(key),
      });
    } catch (error) {
      if (isLockError(error)) throw await heldError(directory, error);
      throw rocksdbError(error, "open state in", directory);
    }
  }

  async destroy(key: StateStoreKey): Promise<void> {
    const directory = this.#directoryOf(key);
    const binding = await loadBinding();
    try {
      if (await exists(join(directory, DATABASE))) {
        const database = binding(join(directory, DATABASE));
        // Only who can open it may delete it. A damaged one cannot be opened, nor can anybody else have it open.
        const error = await this.#openDatabase(database, true).catch((error: unknown) => error);
        if (error === undefined) await called((callback) => database.close(callback));
        else if (isLockError(error)) throw error;
      }
      await rm(directory, { recursive: true, force: true });
    } catch (error) {
      if (isLockError(error)) throw await heldError(directory, error);
      throw rocksdbError(error, "delete state in", directory);
    }
  }

  #openDatabase(database: BindingDatabase, createIfMissing: boolean): Promise<void> {
    return called((callback) =>
      database.open({
        createIfMissing,
        writeBufferSize: this.#options.writeBufferBytes,
        cacheSize: this.#options.cacheBytes,
        maxOpenFiles: this.#options.openFilesMax,
      }, callback)
    );
  }

  #directoryOf({ application, subscription, partition }: StateStoreKey): string {
    if (!Number.isInteger(partition) || partition < 0) {
      throw new RangeError(`Cannot open state as 'partition' must be an integer >= 0: current value is ${partition}`);
    }
    return join(this.#path, segment(application), segment(subscription), String(partition));
  }
}

/**
 * Whether the store was there before. A database whose files are partly gone would otherwise pass for a new one.
 *
 * @throws {StateCorruptError} when the file is not one that we wrote.
 */
async function hasMarker(directory: string): Promise<boolean> {
  const path = join(directory, MARKER);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return false;
    throw error;
  }
  let format: unknown;
  try {
    format = (JSON.parse(text) as { format?: unknown } | null)?.format;
  } catch {
    format = undefined;
  }
  if (format === FORMAT) return true;
  throw new StateCorruptError(
    `Cannot open state in ${directory}: ${path} is damaged or of another release (format ${FORMAT} wanted, found ` +
      `${format}); delete the directory, state is then restored from a checkpoint`,
    { context: { directory, format } },
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return false;
    throw error;
  }
}

/** A name as one segment of a path, on every system; different names give different segments. */
function segment(name: string): string {
  if (name === "" || !name.isWellFormed()) {
    throw new TypeError(`Cannot open state as its names must not be empty: current value is ${JSON.stringify(name)}`);
  }
  const escape = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  const text = encodeURIComponent(name).replace(/[!'()*]/g, escape);
  return text === "." || text === ".." ? text.replaceAll(".", "%2E") : text;
}
