import { invariant } from "../../base/assert.ts";
import { JournalCorruptError } from "../../base/errors.ts";
import { decodeEntries, type JournalEntry } from "./entry.ts";
import { frameBody, scanSegment, type SegmentScan } from "./scan_segment.ts";
import { readSegmentHeader, SEGMENT_HEADER_BYTES } from "./segment_header.ts";

/** One file of a generation, as found. */
export interface FoundSegment {
  /** Number that its name tells. */
  readonly segment: number;
  /** Path, for messages. */
  readonly path: string;
  /** Whole content. */
  readonly bytes: Uint8Array;
  /** Whether it is the file with the greatest number. */
  readonly isLast: boolean;
}

/** What to do with a segment. */
export interface RecoveredSegment {
  /** Entries in order; payloads are views of the segment's bytes. */
  readonly entries: readonly JournalEntry[];
  /** Bytes to keep. */
  readonly keepBytes: number;
  /** Bytes behind them that a torn last write left. */
  readonly cutBytes: number;
  /** What stands there, for the log line; empty when nothing is cut. */
  readonly found: string;
}

/** Where a generation ends, and writing goes on. */
export interface JournalEnd {
  /** Number of the last segment, 0 when there is none. */
  readonly segment: number;
  /** Number of the next entry. */
  readonly entryCount: number;
  /** Length of all segments. */
  readonly byteCount: number;
  /** Length of the last segment. */
  readonly lastLength: number;
}

/**
 * Recovery of one generation of a journal: fed with its segments in order, tells for each what it holds and where it is
 * to be cut. What is cut was never durable as a whole, so nobody was told that it is. Everything else that is not as it
 * was written is an error: a journal must not lose silently what it acknowledged.
 */
export class JournalRecovery {
  readonly #generation: number;
  readonly #salt: number;
  #segment = 0;
  #entryCount = 0;
  #byteCount = 0;
  #lastLength = 0;
  #snapshotBytes: number | undefined;
  #isClosed = false;

  /**
   * A recovery that has seen nothing yet.
   *
   * @param generation Generation that is current.
   * @param salt Its salt.
   */
  constructor(generation: number, salt: number) {
    this.#generation = generation;
    this.#salt = salt;
  }

  /** Where writing goes on. */
  get end(): JournalEnd {
    return {
      segment: this.#segment,
      entryCount: this.#entryCount,
      byteCount: this.#byteCount,
      lastLength: this.#lastLength,
    };
  }

  /** Length of the snapshot that the generation begins with; 0 when it has none. */
  get snapshotBytes(): number {
    return this.#snapshotBytes ?? 0;
  }

  /** Whether the journal was closed cleanly. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Takes the next segment.
   *
   * @param found The file.
   * @throws {JournalCorruptError} when it is not what was written, naming file, position and what was found.
   */
  next(found: FoundSegment): RecoveredSegment {
    if (found.segment !== this.#segment + 1) {
      throw corrupt(found, 0, `segment ${this.#segment + 1} is missing in front of it`);
    }
    this.#checkHeader(found);
    const scan = scanSegment(found.bytes, { salt: this.#salt, position: SEGMENT_HEADER_BYTES });
    this.#checkDamage(found, scan);
    const entries = this.#entries(found, scan);
    this.#segment = found.segment;
    this.#lastLength = scan.end;
    this.#byteCount += scan.end;
    return {
      entries,
      keepBytes: scan.end,
      cutBytes: found.bytes.length - scan.end,
      found: scan.damage?.found ?? "",
    };
  }

  /**
   * Ends the recovery.
   *
   * @param directory For the message.
   * @throws {JournalCorruptError} when there was no segment, or when the snapshot is not whole.
   */
  finish(directory: string): void {
    const place = { path: directory, segment: 0, bytes: new Uint8Array(0), isLast: true };
    if (this.#segment === 0) throw corrupt(place, 0, "the generation's segments are missing");
    if (this.#generation > 1 && this.#snapshotBytes === undefined) {
      throw corrupt(place, 0, "the snapshot that the generation begins with is not whole");
    }
  }

  #checkHeader(found: FoundSegment): void {
    const { length } = found.bytes;
    if (length < SEGMENT_HEADER_BYTES) {
      // Headers are created whole, together with their file: no crash of ours leaves this.
      throw corrupt(found, 0, `the file has ${length} bytes, fewer than a segment's header`);
    }
    const header = readSegmentHeader(found.bytes);
    if (typeof header === "string") throw corrupt(found, 0, header);
    const expected = {
      salt: this.#salt,
      generation: this.#generation,
      segment: found.segment,
      firstEntry: this.#entryCount,
      previousLength: this.#lastLength,
    };
    for (const name of ["salt", "generation", "segment", "previousLength", "firstEntry"] as const) {
      if (header[name] === expected[name]) continue;
      throw corrupt(found, 0, `the header's ${name} is ${header[name]}, where ${expected[name]} was expected`);
    }
  }

  #checkDamage(found: FoundSegment, scan: SegmentScan): void {
    if (scan.damage === null) return;
    const { position, laterFrame } = scan.damage;
    if (laterFrame >= 0) {
      throw corrupt(found, position, `${scan.damage.found}, and an intact frame behind it at ${laterFrame}`);
    }
    if (!found.isLast) throw corrupt(found, position, `${scan.damage.found}, and a later segment behind it`);
  }

  #entries(found: FoundSegment, scan: SegmentScan): JournalEntry[] {
    const entries: JournalEntry[] = [];
    for (const header of scan.frames) {
      if (header.firstEntry !== this.#entryCount) {
        const what = `the frame begins with entry ${header.firstEntry}, where ${this.#entryCount} was expected`;
        throw corrupt(found, header.position, what);
      }
      for (const entry of decodeEntries(frameBody(found.bytes, header), header.count)) entries.push(entry);
      this.#entryCount += header.count;
      this.#isClosed = header.kind === "closed";
      if (header.kind === "snapshot-end") {
        invariant(this.#snapshotBytes === undefined, "a generation has one snapshot");
        this.#snapshotBytes = this.#byteCount + header.position;
      }
    }
    return entries;
  }
}

function corrupt(place: FoundSegment, position: number, found: string): JournalCorruptError {
  return new JournalCorruptError(
    `Cannot recover the journal from ${place.path}, at position ${position}: ${found}; records may be lost, so nothing ` +
      "was changed: restore the directory from a copy, or move it away to begin anew",
    { context: { path: place.path, position, found } },
  );
}
