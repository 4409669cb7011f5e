import { DiskFullError, StateLockedError } from "../../base/errors.ts";
import { checkRelativePath } from "../../base/relative_path.ts";
import type { DiskFile, DiskLock, LocalDisk } from "../../seams/local_disk.ts";
import { MemoryDiskFile, type MemoryInode, newInode } from "./memory_disk_file.ts";

/** An operation of a {@linkcode MemoryDisk}: the points at which it may fail or crash. */
export interface DiskOperation {
  /** Number of the operation since the disk was made, from 0. */
  readonly index: number;
  /** Which one. */
  readonly kind: "lock" | "list" | "open" | "read" | "replace" | "create" | "remove" | "append" | "sync" | "truncate";
  /** File or directory. */
  readonly path: string;
}

/** Options of {@linkcode MemoryDisk}. */
export interface MemoryDiskOptions {
  /** Name for messages. @default {"memory:"} */
  root?: string;
  /** Space for the content of all files, in bytes. @default {Infinity} */
  capacityBytes?: number;
  /**
   * Asked before each operation has any effect: an error lets it fail (once for most; a failed sync poisons the file),
   * `"crash"` lets this and every later call hang for ever, as in a process that was killed.
   *
   * @default {undefined}
   */
  inject?: (operation: DiskOperation) => Error | "crash" | undefined;
}

/** A file of a {@linkcode MemoryDisk}. */
export interface StoredFile {
  /** Its path. */
  readonly path: string;
  /** Bytes in it. */
  readonly size: number;
  /** Bytes from its start on that are durable. */
  readonly syncedSize: number;
}

/**
 * What becomes of the bytes of a file that were appended and not synced: how many of them survive, or the bytes that
 * are found instead of them (at most as many).
 */
export type CrashFate = (path: string, unsynced: Uint8Array) => number | Uint8Array;

/**
 * Files in memory that behave like files on a machine: appended bytes are volatile until `sync`, everything else is
 * durable when it resolves. `crash` ends the process's view and gives what the next process finds.
 */
export class MemoryDisk implements LocalDisk {
  /** Name for messages. */
  readonly root: string;
  /** See {@linkcode MemoryDiskOptions.inject}; may be changed at any time. */
  inject: MemoryDiskOptions["inject"];
  /** Space for the content of all files, in bytes; may be changed at any time. */
  capacityBytes: number;
  #files = new Map<string, MemoryInode>();
  #locks = new Map<string, string>();
  #operationCount = 0;
  #isDead = false;

  /**
   * A disk that holds nothing.
   *
   * @param options Capacity and faults.
   */
  constructor(options: MemoryDiskOptions = {}) {
    this.root = options.root ?? "memory:";
    this.capacityBytes = options.capacityBytes ?? Infinity;
    this.inject = options.inject;
  }

  /** How many operations there were. */
  get operationCount(): number {
    return this.#operationCount;
  }

  /** Whether the disk crashed: its calls never settle. */
  get isDead(): boolean {
    return this.#isDead;
  }

  /** Bytes in use. */
  get usedBytes(): number {
    let used = 0;
    for (const inode of this.#files.values()) used += inode.size;
    return used;
  }

  /**
   * Ends the process that uses this disk.
   *
   * @param fate What becomes of unsynced bytes. @default everything unsynced is lost
   * @returns What the next process finds: a disk of its own, without locks and faults.
   */
  crash(fate: CrashFate = () => 0): MemoryDisk {
    this.#isDead = true;
    const next = new MemoryDisk({ root: this.root, capacityBytes: this.capacityBytes });
    for (const [path, inode] of this.#files) {
      const unsynced = inode.bytes.slice(inode.syncedSize, inode.size);
      const survivor = unsynced.length === 0 ? 0 : fate(path, unsynced);
      const tail = typeof survivor === "number" ? unsynced.subarray(0, survivor) : survivor;
      const content = new Uint8Array(inode.syncedSize + tail.length);
      content.set(inode.bytes.subarray(0, inode.syncedSize));
      content.set(tail, inode.syncedSize);
      next.#files.set(path, newInode(content));
    }
    return next;
  }

  /**
   * Ends the process that uses this disk, while its machine goes on.
   *
   * @returns What the next process finds: every byte, of which those that were not synced may still be lost by a crash.
   */
  restart(): MemoryDisk {
    this.#isDead = true;
    const next = new MemoryDisk({ root: this.root, capacityBytes: this.capacityBytes });
    for (const [path, inode] of this.#files) {
      next.#files.set(path, { ...newInode(inode.bytes.slice(0, inode.size)), syncedSize: inode.syncedSize });
    }
    return next;
  }

  /** What is on the disk, sorted by path. No operation: nothing is counted or injected. */
  files(): readonly StoredFile[] {
    return [...this.#files.keys()].sort().map((path) => this.file(path)!);
  }

  /** One file, or `undefined` when it does not exist. No operation. @param path Which one. */
  file(path: string): StoredFile | undefined {
    const inode = this.#files.get(path);
    return inode && { path, size: inode.size, syncedSize: inode.syncedSize };
  }

  /**
   * Changes a file behind the process's back: for tests of damage. Open handles see the change, but not a removal.
   *
   * @param path A file that is there.
   * @param change Gets a copy of the content, returns as many bytes that shall be there, or `undefined` to remove it.
   * @throws {RangeError} when there is no such file, or for another number of bytes.
   */
  damage(path: string, change: (bytes: Uint8Array) => Uint8Array | undefined): void {
    const inode = this.#files.get(path);
    if (inode === undefined) throw new RangeError(`Cannot damage file as there must be one: current value is ${path}`);
    const bytes = change(inode.bytes.slice(0, inode.size));
    if (bytes === undefined) this.#files.delete(path);
    else if (bytes.length === inode.size) inode.bytes.set(bytes);
    else {
      throw new RangeError(
        `Cannot damage file as 'change' must return ${inode.size} bytes: current value is ${bytes.length}`,
      );
    }
  }

  /**
   * Takes the lock of a directory.
   *
   * @param directory Which one.
   * @param holder Who takes it.
   * @throws {StateLockedError} when it is held; the message names the holder.
   */
  async lock(directory: string, holder: string): Promise<DiskLock> {
    await this.#operation("lock", directory);
    const found = this.#locks.get(directory);
    if (found !== undefined) {
      throw new StateLockedError(
        `Cannot lock ${this.root}/${directory}: it is held by '${found}'; stop that one or choose another directory`,
        { context: { directory, holder: found } },
      );
    }
    this.#locks.set(directory, holder);
    let isReleased = false;
    return {
      // deno-lint-ignore require-await
      release: async () => {
        if (!isReleased) this.#locks.delete(directory);
        isReleased = true;
      },
    };
  }

  /**
   * Names of files and directories directly below `directory`, sorted.
   *
   * @param directory Which one; empty for the root.
   */
  async list(directory: string): Promise<readonly string[]> {
    await this.#operation("list", directory);
    const start = directory === "" ? "" : `${directory}/`;
    const names = new Set<string>();
    for (const path of this.#files.keys()) {
      if (path.startsWith(start)) names.add(path.slice(start.length).split("/")[0]!);
    }
    return [...names].sort();
  }

  /**
   * Opens a file for appending and reading, creating it when missing.
   *
   * @param path Which one.
   */
  async open(path: string): Promise<DiskFile> {
    await this.#operation("open", path);
    let inode = this.#files.get(path);
    if (inode === undefined) this.#files.set(path, inode = newInode(new Uint8Array(0)));
    return new MemoryDiskFile(inode, {
      path: `${this.root}/${path}`,
      operation: (kind) => this.#operation(kind, path),
      reserve: (byteLength) => this.#reserve(path, byteLength),
    });
  }

  /**
   * Whole content of a file.
   *
   * @param path Which one.
   * @returns A copy, or `undefined` when it does not exist.
   */
  async read(path: string): Promise<Uint8Array | undefined> {
    await this.#operation("read", path);
    const inode = this.#files.get(path);
    return inode?.bytes.slice(0, inode.size);
  }

  /**
   * Replaces a file atomically and durably.
   *
   * @param path Which one.
   * @param bytes New content; copied.
   * @throws {DiskFullError} when old and new content do not fit together.
   */
  async writeAtomic(path: string, bytes: Uint8Array): Promise<void> {
    await this.#operation("replace", path);
    this.#reserve(path, bytes.length);
    this.#files.set(path, newInode(bytes.slice()));
  }

  /**
   * Creates a file atomically and durably only if the name is free.
   *
   * @param path Which one.
   * @param bytes Content; copied.
   * @returns `false` when the name was taken.
   * @throws {DiskFullError} when there is no space.
   */
  async createExclusive(path: string, bytes: Uint8Array): Promise<boolean> {
    await this.#operation("create", path);
    if (this.#files.has(path)) return false;
    this.#reserve(path, bytes.length);
    this.#files.set(path, newInode(bytes.slice()));
    return true;
  }

  /**
   * Deletes a file or a directory with all below it. Each file is an operation of its own: a crash may leave some.
   *
   * @param path Which one.
   */
  async remove(path: string): Promise<void> {
    checkRelativePath(path);
    const below = [...this.#files.keys()].filter((name) => name === path || name.startsWith(`${path}/`)).sort();
    for (const name of below.length === 0 ? [path] : below) {
      await this.#operation("remove", name);
      this.#files.delete(name);
    }
  }

  #operation(kind: DiskOperation["kind"], path: string): Promise<void> {
    checkRelativePath(path);
    if (this.#isDead) return never();
    const index = this.#operationCount++;
    const verdict = this.inject?.({ index, kind, path });
    if (verdict === "crash") {
      this.#isDead = true;
      return never();
    }
    return verdict === undefined ? Promise.resolve() : Promise.reject(verdict);
  }

  #reserve(path: string, byteLength: number): void {
    if (this.usedBytes + byteLength <= this.capacityBytes) return;
    throw new DiskFullError(`Cannot write ${this.root}/${path}: no space left on the device; free space`, {
      context: { path, byteLength },
    });
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
