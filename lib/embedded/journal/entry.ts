import { JournalCorruptError } from "../../base/errors.ts";

/** One change in a journal: plain JSON, and bytes if it has any. */
export interface JournalEntry {
  /** Plain JSON. */
  readonly meta: Record<string, unknown>;
  /** Bytes, or `null`. */
  readonly payload: Uint8Array | null;
}

const HEAD_BYTES = 8;
const NO_PAYLOAD = 0xffff_ffff;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * An entry as bytes: u32 length of the meta, u32 length of the payload (all ones: none), meta as JSON, payload. Numbers
 * are little-endian.
 *
 * @param entry The entry.
 */
export function encodeEntry(entry: JournalEntry): Uint8Array {
  const meta = encoder.encode(JSON.stringify(entry.meta));
  const payload = entry.payload;
  const bytes = new Uint8Array(HEAD_BYTES + meta.length + (payload?.length ?? 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, meta.length, true);
  view.setUint32(4, payload === null ? NO_PAYLOAD : payload.length, true);
  bytes.set(meta, HEAD_BYTES);
  if (payload !== null) bytes.set(payload, HEAD_BYTES + meta.length);
  return bytes;
}

/**
 * Reads the entries of a frame's body, whose checksum was right.
 *
 * @param body Body of the frame.
 * @param count Number of entries that the frame's header tells.
 * @returns Entries; payloads are views of `body`.
 * @throws {JournalCorruptError} when the body does not hold exactly these entries: it was written by something else.
 */
export function decodeEntries(body: Uint8Array, count: number): JournalEntry[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const entries: JournalEntry[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (at + HEAD_BYTES > body.length) throw malformed(index, count);
    const metaEnd = at + HEAD_BYTES + view.getUint32(at, true);
    const payloadLength = view.getUint32(at + 4, true);
    const end = payloadLength === NO_PAYLOAD ? metaEnd : metaEnd + payloadLength;
    if (end > body.length) throw malformed(index, count);
    const meta = parseMeta(body.subarray(at + HEAD_BYTES, metaEnd));
    if (meta === undefined) throw malformed(index, count);
    entries.push({ meta, payload: payloadLength === NO_PAYLOAD ? null : body.subarray(metaEnd, end) });
    at = end;
  }
  if (at !== body.length) throw malformed(count, count);
  return entries;
}

function parseMeta(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(decoder.decode(bytes));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function malformed(index: number, count: number): JournalCorruptError {
  return new JournalCorruptError(
    `Cannot read a frame whose checksum is right: entry ${index} of ${count} is malformed, so another program wrote it; ` +
      "restore the directory from a copy",
    { context: { index, count } },
  );
}
