import { MemoryStateRows } from "../../../lib/adapters/memory/memory_state_rows.ts";
import type { MemoryStateContent } from "../../../lib/adapters/memory/memory_state_store.ts";
import type { LocalDisk } from "../../../lib/seams/local_disk.ts";
import type { StateStore, StateStoreKey, StateStoreProvider } from "../../../lib/seams/state_store.ts";
import { DiskStateStore } from "./disk_state_store.ts";
import { SimDisk } from "./sim_disk.ts";
import { removeStateLog, StateLog } from "./state_log.ts";

/** Options of {@linkcode DiskStateProvider}. */
export interface DiskStateOptions {
  /** Folder of all stores on the disk. @default {"state"} */
  readonly directory?: string;
  /** Who opens them, for the message of the next one who tries. @default {"a task of this process"} */
  readonly holder?: string;
  /**
   * Whether a write is durable when it resolves. Otherwise a crash of the machine may take the last writes back, rows and
   * position together, as with a write-ahead log that is not synced.
   *
   * @default {true}
   */
  readonly syncEveryApply?: boolean;
  /** A log that is shorter is never rewritten, in bytes. @default {262_144} */
  readonly rewriteBytesMin?: number;
  /** Each write of a commit begins when this resolves: the time that a disk takes. @default {at once} */
  readonly beforeApply?: () => Promise<void>;
}

/**
 * State on a {@linkcode LocalDisk}: one folder for each task, in it an append-only log that is replayed when the store is
 * opened and rewritten when it has grown. All its promises settle without real input or output when the disk's do, so
 * that it can be simulated: on a `SimDisk` it meets whatever happens to local state.
 */
export class DiskStateProvider implements StateStoreProvider {
  /** Where the stores are, for messages. */
  readonly location: string;
  /** Always `true`. */
  readonly isDurable = true;
  readonly #disk: LocalDisk;
  readonly #options: Required<DiskStateOptions>;

  /**
   * Nothing is opened or created yet.
   *
   * @param disk Where the stores are.
   * @param options Folder and durability.
   * @throws {RangeError} when `rewriteBytesMin` is not an integer >= 1.
   */
  constructor(disk: LocalDisk, options: DiskStateOptions = {}) {
    const {
      directory = "state",
      holder = "a task of this process",
      syncEveryApply = true,
      rewriteBytesMin = 262_144,
      beforeApply = () => Promise.resolve(),
    } = options;
    if (!Number.isSafeInteger(rewriteBytesMin) || rewriteBytesMin < 1) {
      throw new RangeError(
        `Cannot create state provider as 'rewriteBytesMin' must be an integer >= 1: current value is ${rewriteBytesMin}`,
      );
    }
    this.#disk = disk;
    this.#options = Object.freeze({ directory, holder, syncEveryApply, rewriteBytesMin, beforeApply });
    this.location = `disk:${disk.root}/${directory}`;
  }

  /**
   * Opens the store of a task; what a crash has torn is cut away.
   *
   * @param key Whose store.
   * @throws {StateLockedError} when it is open, or a crash has left its lock behind.
   * @throws {StateCorruptError} when what had been durable is damaged; the message names the file.
   * @throws {DiskUnavailableError} when the disk cannot be used.
   */
  async open(key: StateStoreKey): Promise<StateStore> {
    const { holder, syncEveryApply, rewriteBytesMin, beforeApply } = this.#options;
    const directory = this.#directoryOf(key);
    const lock = await this.#disk.lock(directory, holder);
    try {
      const content: MemoryStateContent = { rows: new MemoryStateRows(), position: undefined };
      const disk = this.#disk;
      const log = await StateLog.open({ disk, directory, content, syncEveryApply, rewriteBytesMin });
      return new DiskStateStore(`disk:${disk.root}/${directory}`, {
        log,
        content,
        lock,
        beforeApply,
        onDestroy: () => this.destroy(key),
      });
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /**
   * Deletes the store of a task.
   *
   * @param key Whose store.
   * @throws {StateLockedError} when it is open, or a crash has left its lock behind.
   * @throws {DiskUnavailableError} when the disk cannot be used.
   */
  async destroy(key: StateStoreKey): Promise<void> {
    const directory = this.#directoryOf(key);
    const lock = await this.#disk.lock(directory, this.#options.holder);
    try {
      await removeStateLog(this.#disk, directory);
    } finally {
      await lock.release();
    }
  }

  /** Whether a fault of the disk underneath is to be blamed for an error. */
  blames(error: unknown): boolean {
    return this.#disk instanceof SimDisk && this.#disk.blames(error);
  }

  #directoryOf({ application, subscription, partition }: StateStoreKey): string {
    if (!Number.isInteger(partition) || partition < 0) {
      throw new RangeError(`Cannot open state as 'partition' must be an integer >= 0: current value is ${partition}`);
    }
    return [this.#options.directory, segment(application), segment(subscription), partition].join("/");
  }
}

/** A name as one segment of a path; different names give different segments. */
function segment(name: string): string {
  if (name === "" || !name.isWellFormed()) {
    throw new TypeError(`Cannot open state as its names must not be empty: current value is ${JSON.stringify(name)}`);
  }
  const text = encodeURIComponent(name);
  return text === "." || text === ".." ? text.replaceAll(".", "%2E") : text;
}
