import { DiskUnavailableError } from "../../base/errors.ts";
import type { DiskFile } from "../../seams/local_disk.ts";

/** Content of a file: bytes up to `size`, of which those up to `syncedSize` survive a crash. */
export interface MemoryInode {
  /** Room for the content; longer than `size`. */
  bytes: Uint8Array;
  /** Bytes in the file. */
  size: number;
  /** Bytes that are durable. */
  syncedSize: number;
}

/** A file whose content is durable. @param bytes Content; kept. */
export function newInode(bytes: Uint8Array): MemoryInode {
  return { bytes, size: bytes.length, syncedSize: bytes.length };
}

/** What an open file needs of its disk. */
export interface MemoryDiskFileOptions {
  /** For messages. */
  readonly path: string;
  /** Announces an operation; rejects or hangs as the disk's faults say. */
  readonly operation: (kind: "append" | "sync" | "read" | "truncate") => Promise<void>;
  /** Throws when there is no room for so many more bytes. */
  readonly reserve: (byteLength: number) => void;
}

/** An open file of a `MemoryDisk`. */
export class MemoryDiskFile implements DiskFile {
  readonly #inode: MemoryInode;
  readonly #options: MemoryDiskFileOptions;
  #failure: Error | undefined;
  #isClosed = false;

  /**
   * A handle on a content.
   *
   * @param inode Content.
   * @param options What it needs of its disk.
   */
  constructor(inode: MemoryInode, options: MemoryDiskFileOptions) {
    this.#inode = inode;
    this.#options = options;
  }

  /** Size in bytes, counting unsynced bytes. */
  get size(): number {
    return this.#inode.size;
  }

  /** Appends bytes: all of them or none. @param parts What to append. @throws {DiskFullError} when there is no space. */
  async append(parts: readonly Uint8Array[]): Promise<void> {
    this.#checkUsable();
    await this.#options.operation("append");
    let length = 0;
    for (const part of parts) length += part.length;
    this.#options.reserve(length);
    const inode = this.#inode;
    if (inode.size + length > inode.bytes.length) {
      const grown = new Uint8Array(Math.max(inode.size + length, inode.bytes.length * 2, 256));
      grown.set(inode.bytes.subarray(0, inode.size));
      inode.bytes = grown;
    }
    for (const part of parts) {
      inode.bytes.set(part, inode.size);
      inode.size += part.length;
    }
  }

  /** Makes all appended bytes durable. @throws {Error} as injected; the file then takes no more bytes. */
  async sync(): Promise<void> {
    this.#checkUsable();
    const size = this.#inode.size;
    try {
      await this.#options.operation("sync");
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
    this.#inode.syncedSize = Math.max(this.#inode.syncedSize, Math.min(size, this.#inode.size));
  }

  /** Reads `length` bytes at `at`; fewer only at the end. @param at Position in bytes. @param length Number of bytes. */
  async read(at: number, length: number): Promise<Uint8Array> {
    await this.#options.operation("read");
    return this.#inode.bytes.slice(at, Math.max(at, Math.min(at + length, this.#inode.size)));
  }

  /** Cuts the file, durably. @param size New size. @throws {RangeError} when it is above the present size. */
  async truncate(size: number): Promise<void> {
    this.#checkUsable();
    if (!(size >= 0 && size <= this.#inode.size)) {
      throw new RangeError(
        `Cannot truncate file as 'size' must be within [0, ${this.#inode.size}]: current value is ${size}`,
      );
    }
    await this.#options.operation("truncate");
    this.#inode.size = size;
    this.#inode.syncedSize = size;
  }

  /** Closes the handle; closing twice is no error. */
  // deno-lint-ignore require-await
  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #checkUsable(): void {
    if (this.#isClosed) throw new DiskUnavailableError(`Cannot use ${this.#options.path}: the file is closed`);
    if (this.#failure === undefined) return;
    throw new DiskUnavailableError(
      `Cannot use ${this.#options.path}: an earlier sync failed (${this.#failure.message}) and what is durable is not known`,
      { cause: this.#failure },
    );
  }
}
