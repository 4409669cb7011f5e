import { invariant } from "../../base/assert.ts";
import { encodeFrame, type FrameKind } from "../../embedded/journal/frame.ts";
import { segmentName } from "../../embedded/journal/format_file.ts";
import type { JournalEnd } from "../../embedded/journal/recovery.ts";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from "../../embedded/journal/segment_header.ts";
import type { DiskFile, LocalDisk } from "../../seams/local_disk.ts";

/** Which generation is written, and how. */
export interface GenerationOptions {
  /** Folder of the generation on the disk. */
  readonly folder: string;
  /** Generation, from 1. */
  readonly generation: number;
  /** Its salt. */
  readonly salt: number;
  /** A segment that is longer gets no further frame. */
  readonly segmentBytesMax: number;
}

const BEGINNING: JournalEnd = { segment: 0, entryCount: 0, byteCount: 0, lastLength: 0 };

/** Appends frames to the segments of one generation. A frame is durable before the next one is written. */
export class GenerationWriter {
  readonly #disk: LocalDisk;
  readonly #options: GenerationOptions;
  #end: JournalEnd;
  #file: DiskFile | undefined;

  /**
   * A writer that is not open yet.
   *
   * @param disk Where the files are.
   * @param options Which generation.
   * @param end Where writing goes on.
   */
  constructor(disk: LocalDisk, options: GenerationOptions, end: JournalEnd = BEGINNING) {
    this.#disk = disk;
    this.#options = options;
    this.#end = end;
  }

  /** Length of all segments. */
  get byteCount(): number {
    return this.#end.byteCount;
  }

  /** Folder of the generation on the disk. */
  get folder(): string {
    return this.#options.folder;
  }

  /** Opens the last segment, or creates the first one. */
  async open(): Promise<void> {
    if (this.#end.segment === 0) return await this.#roll();
    this.#file = await this.#disk.open(this.#path(this.#end.segment));
    invariant(this.#file.size === this.#end.lastLength, "writing goes on at the end of the recovered segment");
  }

  /**
   * Writes one frame and makes it durable. After a rejection the writer must not be used again, except to close it.
   *
   * @param entries Encoded entries.
   * @param kind What the frame is.
   */
  async write(entries: readonly Uint8Array[], kind: FrameKind = "entries"): Promise<void> {
    const { lastLength } = this.#end;
    if (lastLength >= this.#options.segmentBytesMax && lastLength > SEGMENT_HEADER_BYTES) await this.#roll();
    const file = this.#file;
    invariant(file !== undefined, "the writer is open");
    const { entryCount, byteCount, lastLength: position } = this.#end;
    const frame = encodeFrame(entries, { kind, salt: this.#options.salt, firstEntry: entryCount, position });
    await file.append([frame]);
    await file.sync();
    this.#end = {
      ...this.#end,
      entryCount: entryCount + entries.length,
      byteCount: byteCount + frame.length,
      lastLength: position + frame.length,
    };
  }

  /** Closes the file. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /** Goes on to the next segment. The one before is complete and durable: every frame of it was synced. */
  async #roll(): Promise<void> {
    const { generation, salt } = this.#options;
    const { entryCount, byteCount, lastLength } = this.#end;
    const segment = this.#end.segment + 1;
    const header = { salt, generation, segment, firstEntry: entryCount, previousLength: lastLength };
    const path = this.#path(segment);
    const isNew = await this.#disk.createExclusive(path, encodeSegmentHeader(header));
    invariant(isNew, `segment ${path} does not exist yet`);
    await this.close();
    this.#file = await this.#disk.open(path);
    this.#end = { segment, entryCount, byteCount: byteCount + SEGMENT_HEADER_BYTES, lastLength: SEGMENT_HEADER_BYTES };
  }

  #path(segment: number): string {
    return `${this.#options.folder}/${segmentName(segment)}`;
  }
}
