import { JournalCorruptError } from "../../base/errors.ts";
import type { JournalEntry } from "../../embedded/journal/entry.ts";
import {
  decodeFormat,
  encodeFormat,
  FORMAT_FILE,
  generationName,
  generationSalt,
  type JournalFormat,
  parseGenerationName,
  parseSegmentName,
} from "../../embedded/journal/format_file.ts";
import { JournalRecovery, type RecoveredSegment } from "../../embedded/journal/recovery.ts";
import { SEGMENT_HEADER_BYTES } from "../../embedded/journal/segment_header.ts";
import type { LocalDisk } from "../../seams/local_disk.ts";
import type { Observer } from "../../seams/observer.ts";
import { type Random, randomId } from "../../seams/random.ts";
import { GenerationWriter } from "./generation_writer.ts";

/** Options of {@linkcode recoverJournal}. */
export interface RecoverJournalOptions {
  /** Where the files are. */
  readonly disk: LocalDisk;
  /** Folder of the journal on the disk; empty for its root. */
  readonly directory: string;
  /** A segment that is longer gets no further frame. */
  readonly segmentBytesMax: number;
  /** Told what was cut. */
  readonly observer: Observer;
  /** Names new journals. */
  readonly random: Random;
  /** Gets each entry in order. */
  readonly replay: (entry: JournalEntry) => void;
}

/** A journal that is ready to be written. */
export interface RecoveredJournal {
  /** Identity and generation. */
  readonly format: JournalFormat;
  /** Open writer of that generation. */
  readonly writer: GenerationWriter;
  /** Length of the snapshot that the generation begins with. */
  readonly snapshotBytes: number;
}

/**
 * Reads a journal, or begins one. The caller holds the directory's lock.
 *
 * @param options Where it is and who gets the entries.
 * @throws {JournalCorruptError} when anything but the end of the last file is not as it was written; nothing is changed.
 */
export async function recoverJournal(options: RecoverJournalOptions): Promise<RecoveredJournal> {
  const { disk, directory } = options;
  const path = join(directory, FORMAT_FILE);
  const bytes = await disk.read(path);
  const format = bytes === undefined ? await newFormat(options) : decodeFormat(bytes, `${disk.root}/${path}`);
  const folder = join(directory, generationName(format.generation));
  const salt = generationSalt(format);
  const recovery = new JournalRecovery(format.generation, salt);
  if (bytes !== undefined) {
    const cuts = await readSegments(options, folder, recovery);
    recovery.finish(`${disk.root}/${folder}`);
    for (const cut of cuts) await cut();
    // After a clean close there is nothing to tell: a script that only reads a topic would begin with this line.
    options.observer.log(recovery.isClosed ? "debug" : "info", "Recovered the journal", {
      location: join(disk.root, directory),
      generation: format.generation,
      ...recovery.end,
      wasClosedCleanly: recovery.isClosed,
    });
  }
  await removeLeftOvers(options, format, bytes === undefined);
  const writer = new GenerationWriter(
    disk,
    { folder, generation: format.generation, salt, segmentBytesMax: options.segmentBytesMax },
    recovery.end,
  );
  await writer.open();
  // Only now: a format file promises that the first segment is there.
  if (bytes === undefined) await disk.writeAtomic(path, encodeFormat(format));
  return { format, writer, snapshotBytes: recovery.snapshotBytes };
}

async function readSegments(
  options: RecoverJournalOptions,
  folder: string,
  recovery: JournalRecovery,
): Promise<(() => Promise<void>)[]> {
  const { disk } = options;
  const cuts: (() => Promise<void>)[] = [];
  const segments = await listSegments(disk, folder);
  for (const [index, { segment, path }] of segments.entries()) {
    const bytes = await disk.read(path) ?? new Uint8Array(0);
    const isLast = index === segments.length - 1;
    const found = recovery.next({ segment, path: `${disk.root}/${path}`, bytes, isLast });
    for (const entry of found.entries) options.replay(entry);
    if (found.cutBytes > 0) cuts.push(() => cutSegment(options, path, found));
  }
  return cuts;
}

async function listSegments(disk: LocalDisk, folder: string): Promise<{ segment: number; path: string }[]> {
  const segments: { segment: number; path: string }[] = [];
  for (const name of await disk.list(folder)) {
    const segment = parseSegmentName(name);
    if (segment !== undefined) segments.push({ segment, path: join(folder, name) });
  }
  return segments.sort((left, right) => left.segment - right.segment);
}

async function cutSegment(options: RecoverJournalOptions, path: string, found: RecoveredSegment): Promise<void> {
  const { disk, observer } = options;
  observer.log("warn", `Cut ${found.cutBytes} bytes that an unfinished write left at the end of the journal`, {
    path: `${disk.root}/${path}`,
    keptBytes: found.keepBytes,
    cutBytes: found.cutBytes,
    found: found.found,
  });
  const file = await disk.open(path);
  try {
    await file.truncate(found.keepBytes);
  } finally {
    await file.close();
  }
}

/** A directory without a format file is new, or a start was interrupted before anything was written. */
async function newFormat(options: RecoverJournalOptions): Promise<JournalFormat> {
  const { disk, directory } = options;
  for (const folder of await listGenerations(disk, directory)) {
    for (const { path } of await listSegments(disk, join(directory, folder.name))) {
      const { length } = await disk.read(path) ?? [];
      if ((length ?? 0) <= SEGMENT_HEADER_BYTES) continue;
      throw new JournalCorruptError(
        `Cannot open the journal of ${disk.root}/${directory}: ${FORMAT_FILE} is missing, but ${path} holds records; ` +
          "restore the directory from a copy, or move it away to begin anew",
        { context: { path: `${disk.root}/${path}` } },
      );
    }
  }
  return { journalId: randomId(options.random), generation: 1 };
}

/** Removes what an interrupted compaction, or an interrupted first start, left. */
async function removeLeftOvers(options: RecoverJournalOptions, format: JournalFormat, isNew: boolean): Promise<void> {
  const { disk, directory, observer } = options;
  for (const { name, generation } of await listGenerations(disk, directory)) {
    if (generation === format.generation && !isNew) continue;
    observer.log("info", "Removed what an interrupted start or compaction left", { path: join(directory, name) });
    await disk.remove(join(directory, name));
  }
}

async function listGenerations(disk: LocalDisk, directory: string): Promise<{ name: string; generation: number }[]> {
  const generations: { name: string; generation: number }[] = [];
  for (const name of await disk.list(directory)) {
    const generation = parseGenerationName(name);
    if (generation !== undefined) generations.push({ name, generation });
  }
  return generations;
}

/** A path below a folder; the root's folder is empty. @param folder The folder. @param name Name below it. */
export function join(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}
