import { DiskUnavailableError, StateCorruptError } from "../../../lib/base/errors.ts";
import type { StatePage } from "../../../lib/seams/state_store.ts";
import type { DiskFile, LocalDisk } from "../../../lib/seams/local_disk.ts";
import type { MemoryStateContent } from "../../../lib/adapters/memory/memory_state_store.ts";
import { isProvenDurable, readStateFrame, readStateWrite, type StateFrames, StateFrameWriter } from "./state_frame.ts";

/** Options of {@linkcode StateLog.open}. */
export interface StateLogOptions {
  /** Where the files are. */
  readonly disk: LocalDisk;
  /** Folder of this log alone. */
  readonly directory: string;
  /** Gets what the log holds. */
  readonly content: MemoryStateContent;
  /** Whether each write is durable when it resolves. */
  readonly syncEveryApply: boolean;
  /** A log that is shorter is never rewritten, in bytes. */
  readonly rewriteBytesMin: number;
}

const SNAPSHOT_ROWS = 4_096;
const GROWTH_MAX = 4;
const FILE = /^(\d{8})\.log$/;

/**
 * An append-only log of atomic writes in a folder of a disk.
 *
 * Keeps: what is read again after any crash is a prefix of what was written, and holds everything that was synced. A
 * generation after the first begins with a snapshot that was written whole, and a mark behind it; the greatest
 * generation counts. Every frame tells how much was durable before it: damage there is no torn write.
 */
export class StateLog {
  readonly #options: StateLogOptions;
  readonly #writer = new StateFrameWriter();
  #file: DiskFile;
  #generation: number;
  #bytes: number;
  #syncedBytes = 0;
  #rewriteAtBytes: number;
  #failure: Error | undefined;

  private constructor(options: StateLogOptions, file: DiskFile, found: { generation: number; bytes: number }) {
    this.#options = options;
    this.#file = file;
    this.#generation = found.generation;
    this.#bytes = found.bytes;
    this.#rewriteAtBytes = Math.max(options.rewriteBytesMin, GROWTH_MAX * found.bytes);
  }

  /**
   * Reads a log, or begins one. The folder must be locked.
   *
   * @param options Where it is and who gets the content.
   * @throws {StateCorruptError} when what had been durable is damaged.
   * @throws {StateError} when the disk cannot be used.
   */
  static async open(options: StateLogOptions): Promise<StateLog> {
    const { disk, directory, syncEveryApply } = options;
    const generations = await findGenerations(disk, directory);
    const generation = generations.at(-1) ?? 1;
    const path = pathOf(directory, generation);
    const log = { bytes: await disk.read(path) ?? new Uint8Array(0), generation };
    const bytes = replay(log, { ...options, path });
    const file = await disk.open(path);
    try {
      if (file.size > bytes) await file.truncate(bytes);
      const opened = new StateLog(options, file, { generation, bytes });
      if (syncEveryApply) await opened.#sync();
      for (const old of generations.slice(0, -1)) await disk.remove(pathOf(directory, old));
      return opened;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Writes rows, and the position with them. The content is changed when they are written.
   *
   * @param page The rows.
   * @param position The position; `undefined` for rows that are loaded.
   * @throws {DiskFullError} when there is no space; nothing is changed.
   * @throws {StateError} when writing fails; after a failed sync no more is accepted.
   */
  async write(page: StatePage, position: Uint8Array | undefined): Promise<void> {
    this.#checkUsable();
    await this.#append(this.#writer.write(page, { ...this.#place(), position }));
    const { content, syncEveryApply } = this.#options;
    if (syncEveryApply) await this.#sync();
    content.rows.apply(page);
    if (position === undefined) return;
    content.position = position.slice();
    if (this.#bytes >= this.#rewriteAtBytes) await this.#rewrite();
  }

  /** Marks a clean end, if writes are synced, and closes. The mark is worth something only for finding damage. */
  async close(): Promise<void> {
    try {
      if (this.#options.syncEveryApply && this.#failure === undefined && this.#bytes > 0) {
        await this.#append(this.#writer.mark(this.#place()));
        await this.#sync();
      }
    } catch {
      // Everything that was promised to be durable is durable already.
    }
    await this.#file.close();
  }

  #place(): { generation: number; at: number; syncedBytes: number } {
    return { generation: this.#generation, at: this.#bytes, syncedBytes: this.#syncedBytes };
  }

  async #append(frame: Uint8Array): Promise<void> {
    await this.#file.append([frame]);
    this.#bytes += frame.length;
  }

  async #sync(): Promise<void> {
    const bytes = this.#bytes;
    try {
      await this.#file.sync();
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
    this.#syncedBytes = bytes;
  }

  /** A rewrite that fails costs nothing but space: the present generation goes on. */
  async #rewrite(): Promise<void> {
    const { disk, directory, rewriteBytesMin } = this.#options;
    const generation = this.#generation + 1;
    const snapshot = this.#snapshot(generation);
    const path = pathOf(directory, generation);
    try {
      await disk.writeAtomic(path, snapshot);
    } catch (error) {
      this.#rewriteAtBytes = 2 * this.#bytes;
      // A new generation that is there after all would count.
      await disk.remove(path).catch(() => this.#failure = error as Error);
      return;
    }
    let file: DiskFile;
    try {
      file = await disk.open(path);
    } catch (error) {
      // The new generation counts from now on, and cannot be written.
      this.#failure = error as Error;
      return;
    }
    const before = { file: this.#file, path: pathOf(directory, this.#generation) };
    this.#file = file;
    this.#generation = generation;
    this.#bytes = snapshot.length;
    this.#syncedBytes = snapshot.length;
    this.#rewriteAtBytes = Math.max(rewriteBytesMin, GROWTH_MAX * snapshot.length);
    await before.file.close();
    // What stays is removed when the log is opened again.
    await disk.remove(before.path).catch(() => {});
  }

  /** Frames of all rows, the last of them with the position, and a mark. Durable as a whole or not there at all. */
  #snapshot(generation: number): Uint8Array {
    const { content } = this.#options;
    const frames: Uint8Array[] = [];
    let at = 0;
    const add = (frame: Uint8Array) => {
      frames.push(frame.slice());
      at += frame.length;
    };
    for (const page of content.rows.view().pages(SNAPSHOT_ROWS)) {
      add(this.#writer.write(page, { generation, at, syncedBytes: at, position: undefined }));
    }
    const none = { bytes: new Uint8Array(0), starts: new Int32Array(0), ends: new Int32Array(0) };
    const empty = { count: 0, keys: none, values: none };
    add(this.#writer.write(empty, { generation, at, syncedBytes: at, position: content.position }));
    add(this.#writer.mark({ generation, at, syncedBytes: at }));
    const snapshot = new Uint8Array(at);
    let to = 0;
    for (const frame of frames) {
      snapshot.set(frame, to);
      to += frame.length;
    }
    return snapshot;
  }

  #checkUsable(): void {
    if (this.#failure === undefined) return;
    const { disk, directory } = this.#options;
    throw new DiskUnavailableError(
      `Cannot write state to ${disk.root}/${directory}: an earlier write failed (${this.#failure.message}) and what is ` +
        "durable is not known; open the store again",
      { context: { directory }, cause: this.#failure },
    );
  }
}

/**
 * Deletes the files of a log, the oldest first. The folder must be locked.
 *
 * @param disk Where they are.
 * @param directory Folder of the log.
 */
export async function removeStateLog(disk: LocalDisk, directory: string): Promise<void> {
  for (const generation of await findGenerations(disk, directory)) await disk.remove(pathOf(directory, generation));
}

async function findGenerations(disk: LocalDisk, directory: string): Promise<number[]> {
  const generations: number[] = [];
  for (const name of await disk.list(directory)) {
    const number = FILE.exec(name)?.[1];
    if (number !== undefined) generations.push(Number(number));
  }
  return generations;
}

function pathOf(directory: string, generation: number): string {
  return `${directory}/${String(generation).padStart(8, "0")}.log`;
}

/** Applies all frames up to the end or to what a crash has torn. @returns Bytes that count. */
function replay(log: StateFrames, options: StateLogOptions & { readonly path: string }): number {
  const { content } = options;
  let at = 0;
  let isMarked = false;
  while (at < log.bytes.length) {
    const frame = readStateFrame(log, at);
    if (typeof frame === "string") {
      if (isProvenDurable(log, at)) throw corrupt(options, at, frame);
      break;
    }
    if (frame.kind === "mark") isMarked = true;
    else {
      const { page, position } = readStateWrite(log, frame);
      content.rows.apply(page);
      if (frame.kind === "apply") content.position = position.slice();
    }
    at = frame.end;
  }
  if (log.generation > 1 && !isMarked) {
    throw corrupt(options, at, "the snapshot that the file begins with is not whole");
  }
  return at;
}

function corrupt(
  { disk, path }: { readonly disk: LocalDisk; readonly path: string },
  position: number,
  found: string,
): StateCorruptError {
  return new StateCorruptError(
    `Cannot open state in ${disk.root}/${path}, at position ${position}: ${found}, where everything had been durable; ` +
      "delete the store, state is then restored from a checkpoint",
    { context: { path, position, found } },
  );
}
