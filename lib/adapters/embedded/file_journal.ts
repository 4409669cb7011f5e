import { BrokerUnavailableError, StreamError } from "../../base/errors.ts";
import { encodeEntry, type JournalEntry } from "../../embedded/journal/entry.ts";
import {
  encodeFormat,
  FORMAT_FILE,
  generationName,
  generationSalt,
  type JournalFormat,
} from "../../embedded/journal/format_file.ts";
import type { DiskLock, LocalDisk } from "../../seams/local_disk.ts";
import type { Observer } from "../../seams/observer.ts";
import type { Random } from "../../seams/random.ts";
import { CompactionRun } from "./compaction_run.ts";
import { GenerationWriter } from "./generation_writer.ts";
import { join, type RecoveredJournal, recoverJournal } from "./recover_journal.ts";
import { takeGroup } from "./take_group.ts";

/** Options of {@linkcode FileJournal.open}. */
export interface FileJournalOptions {
  /** Where the files are. */
  readonly disk: LocalDisk;
  /** Folder of the journal on the disk; empty for its root. @default {""} */
  readonly directory?: string;
  /** Who opens it, for the message of the next one who tries. */
  readonly holder: string;
  /** Told of cuts, compactions and failures. */
  readonly observer: Observer;
  /** Names new journals. */
  readonly random: Random;
  /** Gets each recovered entry in order, before `open` resolves. */
  readonly replay: (entry: JournalEntry) => void;
  /**
   * The shortest history that gives the present state; consumed at once. It must tell of exactly the entries appended so
   * far. Called when the journal has grown, never during `append`.
   */
  readonly snapshot: () => Iterable<() => JournalEntry>;
  /** A segment that is longer gets no further frame. @default {67_108_864} */
  readonly segmentBytesMax?: number;
  /** Entries are written in groups of about so many bytes. @default {8_388_608} */
  readonly groupBytesMax?: number;
  /** Below this size the journal is never compacted. @default {134_217_728} */
  readonly compactBytesMin?: number;
  /** The journal is compacted when it is so many times as long as its snapshot was. @default {3} */
  readonly compactRatio?: number;
}

interface Waiter {
  readonly upTo: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * A journal in files.
 *
 * Invariants:
 * - `sync()` resolves only when all entries appended before it are durable; one write and one sync serve all that wait.
 * - Entries become durable in the order of `append`, in whole groups.
 * - After a failed write nothing is accepted any more: what is durable is found out by opening the journal again.
 * - At every moment exactly one generation is the one that `format.json` names, and it is whole.
 */
export class FileJournal {
  readonly #options: Required<FileJournalOptions>;
  readonly #lock: DiskLock;
  #format: JournalFormat;
  #writer: GenerationWriter;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #waiters: Waiter[] = [];
  #appended = 0;
  #durable = 0;
  #isRunning = false;
  #running: Promise<void> = Promise.resolve();
  #compaction: CompactionRun | undefined;
  #compactAtBytes: number;
  #failure: StreamError | undefined;
  #isClosed = false;

  private constructor(options: Required<FileJournalOptions>, lock: DiskLock, recovered: RecoveredJournal) {
    this.#options = options;
    this.#lock = lock;
    this.#format = recovered.format;
    this.#writer = recovered.writer;
    this.#compactAtBytes = this.#bound(recovered.snapshotBytes);
  }

  /**
   * Locks the directory and reads the journal, or begins one.
   *
   * @param options Where it is and who gets the entries.
   * @throws {StateLockedError} when another process has it open; the message names that process.
   * @throws {JournalCorruptError} when anything but the end of the last file is not as it was written.
   * @throws {DiskUnavailableError} when the directory cannot be used.
   */
  static async open(options: FileJournalOptions): Promise<FileJournal> {
    const complete = {
      directory: "",
      segmentBytesMax: 64 << 20,
      groupBytesMax: 8 << 20,
      compactBytesMin: 128 << 20,
      compactRatio: 3,
      ...options,
    };
    const lock = await complete.disk.lock(complete.directory, complete.holder);
    try {
      return new FileJournal(complete, lock, await recoverJournal(complete));
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Why nothing is accepted any more, or `undefined`. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Length of the current generation in bytes. */
  get byteCount(): number {
    return this.#writer.byteCount;
  }

  /** Number of the current generation: it grows by one with each compaction. */
  get generation(): number {
    return this.#format.generation;
  }

  /**
   * Takes an entry. It is durable when a later {@linkcode FileJournal.sync} resolves.
   *
   * @param entry The entry; encoded before this returns.
   * @throws {StreamError} what made the journal fail, see {@linkcode FileJournal.failure}.
   * @throws {BrokerUnavailableError} after `close`.
   */
  append(entry: JournalEntry): void {
    this.#checkUsable();
    const bytes = encodeEntry(entry);
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#appended++;
    this.#compaction?.append(bytes);
    if (this.#pendingBytes >= this.#options.groupBytesMax) this.#start();
  }

  /**
   * Waits until everything appended so far is durable.
   *
   * @throws {DiskFullError} when there is no space; nothing is accepted any more.
   * @throws {StreamError} when writing failed otherwise; nothing is accepted any more.
   */
  sync(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#durable === this.#appended) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ upTo: this.#appended, resolve, reject });
      this.#start();
    });
  }

  /**
   * Writes what is pending and a mark of the clean end, closes the files and gives the directory free. After a failure it
   * only closes. Closing twice is no error.
   *
   * @throws {StreamError} when what is pending cannot be written.
   */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    const flushed = this.#failure === undefined ? this.sync() : Promise.resolve();
    this.#isClosed = true;
    try {
      await flushed;
      while (this.#isRunning) await this.#running;
      await this.#abandonCompaction();
      if (this.#failure === undefined) await this.#writer.write([], "closed");
    } finally {
      await this.#abandonCompaction();
      await this.#writer.close();
      await this.#lock.release();
    }
  }

  #bound(snapshotBytes: number): number {
    return Math.max(this.#options.compactBytesMin, this.#options.compactRatio * snapshotBytes);
  }

  #checkUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#isClosed) return;
    throw new BrokerUnavailableError(`Cannot write to the journal of ${this.#location}: it is closed`, {
      context: { location: this.#location },
    });
  }

  get #location(): string {
    return join(this.#options.disk.root, this.#options.directory);
  }

  #start(): void {
    if (this.#isRunning || this.#failure !== undefined) return;
    this.#isRunning = true;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    // Everything that is appended in this turn of the caller joins the first group.
    await Promise.resolve();
    try {
      while (this.#pending.length > 0 || this.#compaction?.isSnapshotWritten) {
        if (this.#compaction?.isSnapshotWritten) await this.#switchGeneration(this.#compaction);
        else await this.#writeGroup();
        this.#settle();
        this.#considerCompaction();
      }
    } catch (error) {
      this.#fail(error as Error);
    }
    // In the turn of the last look at the queue: whoever appends later starts anew.
    this.#isRunning = false;
  }

  async #writeGroup(): Promise<void> {
    const group = takeGroup(this.#pending, this.#options.groupBytesMax);
    for (const bytes of group) this.#pendingBytes -= bytes.length;
    await this.#writer.write(group);
    this.#durable += group.length;
  }

  #settle(): void {
    let count = 0;
    while (count < this.#waiters.length && this.#waiters[count]!.upTo <= this.#durable) count++;
    for (const waiter of this.#waiters.splice(0, count)) waiter.resolve();
  }

  #fail(cause: Error): void {
    this.#failure = failureOf(cause, this.#location);
    this.#options.observer.log("error", "The journal failed: the broker accepts nothing any more", {
      location: this.#location,
      error: this.#failure,
    });
    this.#compaction?.abandon();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#failure);
  }

  #considerCompaction(): void {
    if (this.#compaction !== undefined || this.#isClosed || this.#writer.byteCount < this.#compactAtBytes) return;
    const format = { ...this.#format, generation: this.#format.generation + 1 };
    const writer = new GenerationWriter(this.#options.disk, {
      folder: join(this.#options.directory, generationName(format.generation)),
      generation: format.generation,
      salt: generationSalt(format),
      segmentBytesMax: this.#options.segmentBytesMax,
    });
    const entries = [...this.#options.snapshot()];
    const run = new CompactionRun({ format, writer, entries, groupBytesMax: this.#options.groupBytesMax });
    this.#compaction = run;
    run.writeSnapshot().then(() => this.#start(), (error) => this.#giveUpCompaction(run, error));
  }

  /**
   * The moment at which the new generation counts: first everything that was appended since the snapshot is durable in
   * it, then the format file names it. What was pending is then durable too, and is not written to the old one.
   */
  async #switchGeneration(run: CompactionRun): Promise<void> {
    try {
      while (run.hasRest) await run.writeRest();
    } catch (error) {
      return this.#giveUpCompaction(run, error as Error);
    }
    // No await between the last look and here: the new generation holds everything that was appended.
    const upTo = this.#appended;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#compaction = undefined;
    const { disk, directory, observer } = this.#options;
    await disk.writeAtomic(join(directory, FORMAT_FILE), encodeFormat(run.format));
    const old = this.#writer;
    this.#writer = run.writer;
    this.#format = run.format;
    this.#durable = upTo;
    this.#compactAtBytes = this.#bound(run.snapshotBytes);
    observer.log("info", "Compacted the journal", {
      location: this.#location,
      bytesBefore: old.byteCount,
      bytesAfter: run.writer.byteCount,
    });
    this.#settle();
    await this.#removeGeneration(old);
  }

  async #abandonCompaction(): Promise<void> {
    const run = this.#compaction;
    if (run === undefined) return;
    run.abandon();
    this.#compaction = undefined;
    await run.ended;
    await this.#removeGeneration(run.writer);
  }

  /** A compaction that fails costs nothing but space: the present generation goes on. */
  async #giveUpCompaction(run: CompactionRun, error: Error): Promise<void> {
    if (this.#compaction !== run) return;
    this.#compaction = undefined;
    this.#compactAtBytes = this.#writer.byteCount + this.#options.compactBytesMin;
    this.#options.observer.log("warn", "Compaction of the journal failed, the journal goes on without it", {
      location: this.#location,
      error,
    });
    await this.#removeGeneration(run.writer);
  }

  /** The next start removes what this cannot. */
  async #removeGeneration(writer: GenerationWriter): Promise<void> {
    try {
      await writer.close();
      await this.#options.disk.remove(writer.folder);
    } catch (error) {
      this.#options.observer.log("warn", "Could not remove a generation of the journal that is not needed any more", {
        folder: writer.folder,
        error,
      });
    }
  }
}

/** What is durable after a failed write is not known: part of the group may be found by the next start. */
function failureOf(cause: Error, location: string): StreamError {
  if (cause instanceof StreamError && cause.code === "DiskFull") return cause;
  return new BrokerUnavailableError(
    `Cannot write to the journal of ${location}: ${cause.message}; the broker accepts nothing any more, ` +
      "check the disk and start again",
    { outcome: "unknown", context: { location }, cause },
  );
}
