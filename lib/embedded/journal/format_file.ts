import { crc32c } from "../../base/crc32c.ts";
import { JournalCorruptError } from "../../base/errors.ts";

/** The file that makes a directory a journal and names its current generation; replaced atomically. */
export interface JournalFormat {
  /** Random identity of the journal, 16 hexadecimal digits. */
  readonly journalId: string;
  /** Generation that counts; files of any other one are left-overs. */
  readonly generation: number;
}

/** Name of the file. */
export const FORMAT_FILE = "format.json";

const FORMAT = "turbine-journal";
const VERSION = 1;
const encoder = new TextEncoder();

/** The file's content. @param format What it says. */
export function encodeFormat(format: JournalFormat): Uint8Array {
  const { journalId, generation } = format;
  const checksum = checksumOf(journalId, generation);
  return encoder.encode(JSON.stringify({ format: FORMAT, version: VERSION, journalId, generation, checksum }) + "\n");
}

/**
 * Reads the file.
 *
 * @param bytes Its content.
 * @param path For messages.
 * @throws {JournalCorruptError} when a newer release wrote it, or when it is damaged.
 */
export function decodeFormat(bytes: Uint8Array, path: string): JournalFormat {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch (cause) {
    throw refusal(path, "it is not JSON", "restore it from a copy", cause);
  }
  if (value.format !== FORMAT) {
    throw refusal(path, `its format is ${JSON.stringify(value.format)}, not "${FORMAT}"`, "choose another directory");
  }
  const { version, journalId, generation } = value;
  if (version !== VERSION) {
    const what = `its version is ${JSON.stringify(version)}, this release reads ${VERSION}`;
    throw refusal(path, what, "use the release that wrote it, or choose another directory");
  }
  const isPlain = typeof journalId === "string" && typeof generation === "number";
  if (!isPlain || value.checksum !== checksumOf(journalId, generation)) {
    throw refusal(path, "its checksum is wrong", "restore it from a copy");
  }
  return { journalId, generation };
}

/** Tells one generation of one journal from all others. @param format Journal and generation. */
export function generationSalt(format: JournalFormat): number {
  return crc32c(encoder.encode(`${format.journalId}/${format.generation}`));
}

/** Name of a generation's folder. @param generation From 1. */
export function generationName(generation: number): string {
  return `generation-${String(generation).padStart(6, "0")}`;
}

/** Generation of a folder's name, or `undefined`. @param name Name of the folder. */
export function parseGenerationName(name: string): number | undefined {
  const match = /^generation-([0-9]{6,})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** Name of a segment's file. @param segment From 1. */
export function segmentName(segment: number): string {
  return `segment-${String(segment).padStart(8, "0")}`;
}

/** Number of a segment file's name, or `undefined`. @param name Name of the file. */
export function parseSegmentName(name: string): number | undefined {
  const match = /^segment-([0-9]{8,})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

function checksumOf(journalId: string, generation: number): number {
  return crc32c(encoder.encode(`${FORMAT}/${VERSION}/${journalId}/${generation}`));
}

function refusal(path: string, found: string, advice: string, cause?: unknown): JournalCorruptError {
  return new JournalCorruptError(`Cannot open the journal of ${path}: ${found}; ${advice}`, {
    context: { path, found },
    cause,
  });
}
