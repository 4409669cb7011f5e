import { encodeEntry, type JournalEntry } from "../../embedded/journal/entry.ts";
import type { JournalFormat } from "../../embedded/journal/format_file.ts";
import type { GenerationWriter } from "./generation_writer.ts";
import { takeGroup } from "./take_group.ts";

/** Options of {@linkcode CompactionRun}. */
export interface CompactionRunOptions {
  /** Identity of the journal with its next generation. */
  readonly format: JournalFormat;
  /** Writer of that generation, not yet open. */
  readonly writer: GenerationWriter;
  /** The snapshot; each entry is made when it is written. */
  readonly entries: readonly (() => JournalEntry)[];
  /** Entries are written in groups of about so many bytes. */
  readonly groupBytesMax: number;
}

/**
 * One compaction: writes a snapshot into a new generation while the old one goes on, and keeps what is appended
 * meanwhile. Until the format file names the new generation it counts for nothing.
 */
export class CompactionRun {
  /** Identity of the journal with its next generation. */
  readonly format: JournalFormat;
  /** Writer of that generation. */
  readonly writer: GenerationWriter;
  readonly #options: CompactionRunOptions;
  #since: Uint8Array[] = [];
  #snapshotBytes = 0;
  #isSnapshotWritten = false;
  #isAbandoned = false;
  #ended: Promise<void> = Promise.resolve();

  /**
   * A run that has not begun.
   *
   * @param options What is written where.
   */
  constructor(options: CompactionRunOptions) {
    this.#options = options;
    this.format = options.format;
    this.writer = options.writer;
  }

  /** Whether only what was appended since is missing. */
  get isSnapshotWritten(): boolean {
    return this.#isSnapshotWritten && !this.#isAbandoned;
  }

  /** Length of the snapshot. */
  get snapshotBytes(): number {
    return this.#snapshotBytes;
  }

  /** Resolves when no write of the snapshot is under way any more. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Keeps an entry that was appended after the snapshot was taken. @param bytes The encoded entry. */
  append(bytes: Uint8Array): void {
    this.#since.push(bytes);
  }

  /** Stops before the next group. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  /** Writes the snapshot and its end mark. @throws {StreamError} when a write fails. */
  writeSnapshot(): Promise<void> {
    const written = this.#writeSnapshot();
    this.#ended = written.catch(() => {});
    return written;
  }

  /** Whether something that was appended since is not written yet. */
  get hasRest(): boolean {
    return this.#since.length > 0;
  }

  /** Writes the next group of what was appended since. @throws {StreamError} when that fails. */
  async writeRest(): Promise<void> {
    await this.writer.write(takeGroup(this.#since, this.#options.groupBytesMax));
  }

  async #writeSnapshot(): Promise<void> {
    const { entries, groupBytesMax } = this.#options;
    await this.writer.open();
    let group: Uint8Array[] = [];
    let bytes = 0;
    for (const make of entries) {
      const entry = encodeEntry(make());
      group.push(entry);
      bytes += entry.length;
      if (bytes < groupBytesMax) continue;
      if (this.#isAbandoned) return;
      await this.writer.write(group);
      group = [];
      bytes = 0;
    }
    if (this.#isAbandoned) return;
    if (group.length > 0) await this.writer.write(group);
    await this.writer.write([], "snapshot-end");
    this.#snapshotBytes = this.writer.byteCount;
    this.#isSnapshotWritten = true;
  }
}
