import type { ByteReader } from "./byte_reader.ts";
import type { ByteWriter } from "./byte_writer.ts";

/** The id of a topic that has none. */
export const NO_TOPIC_ID = "0".repeat(32);

/** Writes a topic's id: 32 hexadecimal digits as 16 bytes. */
export function writeTopicId(w: ByteWriter, topicId: string): void {
  for (let at = 0; at < 32; at += 2) w.int8(Number.parseInt(topicId.slice(at, at + 2), 16) << 24 >> 24);
}

/** Reads a topic's id as 32 hexadecimal digits. */
export function readTopicId(r: ByteReader): string {
  return Array.from(r.raw(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Reads tagged fields.
 *
 * @param r Where to read.
 * @param read Told of each tag; it may read the field or leave it.
 */
export function readTags(r: ByteReader, read: (tag: number) => void): void {
  for (let left = r.unsignedVarint(); left > 0; left--) {
    const tag = r.unsignedVarint();
    const length = r.unsignedVarint();
    const end = r.at + length;
    read(tag);
    r.raw(end - r.at);
  }
}
