/** An append-only file of a {@linkcode LocalDisk}. */
export interface DiskFile {
  /** Size in bytes, counting appended and not yet synced bytes. */
  readonly size: number;
  /**
   * Appends bytes. Resolves when they are handed to the system, not when they are durable.
   *
   * @throws {DiskFullError} when there is no space; what was written before stays readable.
   */
  append(parts: readonly Uint8Array[]): Promise<void>;
  /** Makes all appended bytes durable. */
  sync(): Promise<void>;
  /**
   * Reads `length` bytes at `at`; fewer only at the end of the file.
   *
   * @param at Position in bytes.
   * @param length Number of bytes.
   */
  read(at: number, length: number): Promise<Uint8Array>;
  /** Cuts the file to `size` bytes, durably. */
  truncate(size: number): Promise<void>;
  /** Closes the handle. */
  close(): Promise<void>;
}

/** Held while one process owns a directory. */
export interface DiskLock {
  /** Gives the directory free. */
  release(): Promise<void>;
}

/** Local files, as far as journals and stores need them. Paths are relative to the disk's root and `/`-separated. */
export interface LocalDisk {
  /** Where the root is, for messages. */
  readonly root: string;
  /**
   * Takes the lock of a directory.
   *
   * @param directory Which one; created when missing.
   * @param holder Who takes it, for the message of the next one who tries.
   * @throws {StateLockedError} when a living process holds it; the message names that holder.
   */
  lock(directory: string, holder: string): Promise<DiskLock>;
  /** Names of files and directories directly below `directory`, sorted; empty when it does not exist. */
  list(directory: string): Promise<readonly string[]>;
  /** Opens a file for appending and reading, creating it (and its directories, durably) when missing. */
  open(path: string): Promise<DiskFile>;
  /** Whole content of a file, or `undefined` when it does not exist. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Replaces a file atomically and durably (write aside, sync, rename, sync the directory). */
  writeAtomic(path: string, bytes: Uint8Array): Promise<void>;
  /**
   * Creates a file atomically and durably only if the name is free.
   *
   * @returns `false` when the name was taken.
   */
  createExclusive(path: string, bytes: Uint8Array): Promise<boolean>;
  /** Deletes a file or a directory with all below it; what is not there is no error. */
  remove(path: string): Promise<void>;
}
