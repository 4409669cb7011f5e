import type { FileHandle } from "node:fs/promises";
import { DiskUnavailableError } from "../../base/errors.ts";
import type { DiskFile } from "../../seams/local_disk.ts";
import { diskError } from "./disk_error.ts";

/** Parts are copied together below this size: one system call costs more than the copy. */
const COPY_BYTES_MAX = 1 << 20;

/** Where an open file is. */
export interface FileDiskFileOptions {
  /** Absolute path, for messages. */
  readonly path: string;
  /** Root of the disk, for messages. */
  readonly root: string;
  /** Size in bytes when it was opened. */
  readonly size: number;
}

/**
 * An append-only file. Appends and cuts run one after the other. A failed sync leaves open which bytes are durable, and
 * a second sync may succeed without them (the system drops the pages): after one, only reading works.
 */
export class FileDiskFile implements DiskFile {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #root: string;
  #size: number;
  #last: Promise<unknown> = Promise.resolve();
  #failure: Error | undefined;
  #isClosed = false;

  /**
   * Takes over an open handle.
   *
   * @param handle Opened for reading and writing.
   * @param options Where it is.
   */
  constructor(handle: FileHandle, options: FileDiskFileOptions) {
    this.#handle = handle;
    this.#path = options.path;
    this.#root = options.root;
    this.#size = options.size;
  }

  /** Size in bytes, counting appended and not yet synced bytes. */
  get size(): number {
    return this.#size;
  }

  /**
   * Appends bytes: all of them, or none when it fails.
   *
   * @param parts What to append, in order.
   * @throws {DiskFullError} when there is no space.
   * @throws {DiskUnavailableError} when writing fails.
   */
  append(parts: readonly Uint8Array[]): Promise<void> {
    return this.#inTurn("append to", async () => {
      this.#checkUsable();
      let at = this.#size;
      try {
        for (const part of joinSmall(parts)) at = await this.#writeAll(part, at);
      } catch (error) {
        await this.#cutBack();
        throw error;
      }
      this.#size = at;
    });
  }

  /**
   * Makes all appended bytes durable.
   *
   * @throws {DiskUnavailableError} when that fails; the file then takes no more bytes.
   */
  sync(): Promise<void> {
    return this.#inTurn("sync", async () => {
      this.#checkUsable();
      try {
        await this.#handle.datasync();
      } catch (error) {
        this.#failure = error as Error;
        throw error;
      }
    });
  }

  /**
   * Reads `length` bytes at `at`; fewer only at the end of the file.
   *
   * @param at Position in bytes.
   * @param length Number of bytes.
   * @throws {DiskUnavailableError} when reading fails.
   */
  async read(at: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#size - at)));
    let done = 0;
    try {
      while (done < bytes.length) {
        const { bytesRead } = await this.#handle.read(bytes, done, bytes.length - done, at + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
    } catch (error) {
      throw diskError(error, { verb: "read", path: this.#path, root: this.#root });
    }
    return bytes.subarray(0, done);
  }

  /**
   * Cuts the file to `size` bytes, durably.
   *
   * @param size New size; at most the present one.
   * @throws {RangeError} when `size` is above the present size.
   * @throws {DiskUnavailableError} when that fails.
   */
  truncate(size: number): Promise<void> {
    return this.#inTurn("truncate", async () => {
      this.#checkUsable();
      if (!(size >= 0 && size <= this.#size)) {
        throw new RangeError(
          `Cannot truncate file as 'size' must be within [0, ${this.#size}]: current value is ${size}`,
        );
      }
      await this.#handle.truncate(size);
      this.#size = size;
      try {
        await this.#handle.sync();
      } catch (error) {
        this.#failure = error as Error;
        throw error;
      }
    });
  }

  /** Closes the handle after what is under way; closing twice is no error. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#last;
    await this.#handle.close();
  }

  async #writeAll(part: Uint8Array, at: number): Promise<number> {
    let done = 0;
    while (done < part.length) {
      const { bytesWritten } = await this.#handle.write(part, done, part.length - done, at + done);
      done += bytesWritten;
    }
    return at + done;
  }

  /** Takes away what a failed append left, so that the next one does not begin behind it. */
  async #cutBack(): Promise<void> {
    try {
      await this.#handle.truncate(this.#size);
    } catch (error) {
      this.#failure = error as Error;
    }
  }

  #checkUsable(): void {
    if (this.#isClosed) {
      throw new DiskUnavailableError(`Cannot use ${this.#path}: the file is closed`, { context: { path: this.#path } });
    }
    if (this.#failure === undefined) return;
    throw new DiskUnavailableError(
      `Cannot use ${this.#path}: an earlier write failed (${this.#failure.message}) and what is durable is not known; ` +
        "check the disk, then open the file again",
      { context: { path: this.#path }, cause: this.#failure },
    );
  }

  #inTurn(verb: string, work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work).catch((error) => {
      if (error instanceof RangeError) throw error;
      throw diskError(error, { verb, path: this.#path, root: this.#root });
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}

function joinSmall(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  let length = 0;
  for (const part of parts) length += part.length;
  if (parts.length < 2 || length > COPY_BYTES_MAX) return parts;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return [joined];
}
