import { open, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { checkRelativePath } from "../../base/relative_path.ts";
import type { DiskFile, DiskLock, LocalDisk } from "../../seams/local_disk.ts";
import { LOCK_FOLDER, lockDirectory } from "./directory_lock.ts";
import { diskError } from "./disk_error.ts";
import { createFile, makeDirectory, replaceFile, syncDirectory, TEMPORARY_PREFIX } from "./durable.ts";
import { FileDiskFile } from "./file_disk_file.ts";
import { fileFault } from "./file_errors.ts";

/** Files below a directory of the machine. */
export class FileDisk implements LocalDisk {
  /** Absolute path of the directory. */
  readonly root: string;

  /**
   * A disk over a directory; nothing is touched yet.
   *
   * @param root Directory; created when something is first written.
   */
  constructor(root: string) {
    this.root = resolve(root);
  }

  /**
   * Takes the lock of a directory. It ends with the process at the latest: a lock whose holder is dead is taken over.
   *
   * @param directory Which one; created when missing.
   * @param holder Who takes it, for the message of the next one who tries.
   * @throws {StateLockedError} when a living process holds it, or one of which that cannot be excluded.
   * @throws {DiskUnavailableError} when the directory cannot be used.
   */
  lock(directory: string, holder: string): Promise<DiskLock> {
    return this.#guard("lock", directory, (path) => lockDirectory(path, holder));
  }

  /**
   * Names of files and directories directly below `directory`, sorted; empty when it does not exist.
   *
   * @param directory Which one; empty for the root.
   * @throws {DiskUnavailableError} when it cannot be read.
   */
  list(directory: string): Promise<readonly string[]> {
    return this.#guard("list", directory, async (path) => {
      try {
        return (await readdir(path)).filter((name) => !isOurs(name)).sort();
      } catch (error) {
        if (fileFault(error) === "missing") return [];
        throw error;
      }
    });
  }

  /**
   * Opens a file for appending and reading, creating it (and its directories, durably) when missing.
   *
   * @param path Which one.
   * @throws {DiskFullError} when there is no space for it.
   * @throws {DiskUnavailableError} when it cannot be opened.
   */
  open(path: string): Promise<DiskFile> {
    return this.#guard("open", path, async (absolute) => {
      let handle;
      try {
        handle = await open(absolute, "r+");
      } catch (error) {
        if (fileFault(error) !== "missing") throw error;
        await makeDirectory(dirname(absolute));
        handle = await open(absolute, "a+").then((created) => created.close()).then(() => open(absolute, "r+"));
        await syncDirectory(dirname(absolute));
      }
      return new FileDiskFile(handle, { path: absolute, root: this.root, size: (await handle.stat()).size });
    });
  }

  /**
   * Whole content of a file.
   *
   * @param path Which one.
   * @returns The bytes, or `undefined` when it does not exist.
   * @throws {DiskUnavailableError} when it cannot be read.
   */
  read(path: string): Promise<Uint8Array | undefined> {
    return this.#guard("read", path, async (absolute) => {
      try {
        return await readFile(absolute);
      } catch (error) {
        const fault = fileFault(error);
        if (fault === "missing" || fault === "not-a-directory") return undefined;
        throw error;
      }
    });
  }

  /**
   * Replaces a file atomically and durably.
   *
   * @param path Which one; its directories are created when missing.
   * @param bytes New content.
   * @throws {DiskFullError} when there is no space; the old content stays.
   * @throws {DiskUnavailableError} when it cannot be written.
   */
  writeAtomic(path: string, bytes: Uint8Array): Promise<void> {
    return this.#guard("write", path, (absolute) => replaceFile(absolute, bytes));
  }

  /**
   * Creates a file atomically and durably only if the name is free.
   *
   * @param path Which one; its directories are created when missing.
   * @param bytes Content.
   * @returns `false` when the name was taken.
   * @throws {DiskFullError} when there is no space.
   * @throws {DiskUnavailableError} when it cannot be written.
   */
  createExclusive(path: string, bytes: Uint8Array): Promise<boolean> {
    return this.#guard("create", path, (absolute) => createFile(absolute, bytes));
  }

  /**
   * Deletes a file or a directory with all below it, durably; what is not there is no error.
   *
   * @param path Which one.
   * @throws {DiskUnavailableError} when it cannot be deleted.
   */
  remove(path: string): Promise<void> {
    return this.#guard("remove", path, async (absolute) => {
      await rm(absolute, { recursive: true, force: true });
      try {
        await syncDirectory(dirname(absolute));
      } catch (error) {
        if (fileFault(error) !== "missing") throw error;
      }
    });
  }

  async #guard<T>(verb: string, path: string, work: (absolute: string) => Promise<T>): Promise<T> {
    const absolute = join(this.root, checkRelativePath(path));
    try {
      return await work(absolute);
    } catch (error) {
      throw diskError(error, { verb, path: absolute, root: this.root });
    }
  }
}

/** Names that this class keeps for itself. */
function isOurs(name: string): boolean {
  return name === LOCK_FOLDER || name.startsWith(TEMPORARY_PREFIX);
}
