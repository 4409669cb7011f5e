import type { KeyTable } from "../../columns/key_table.ts";
import type { ByteSpans } from "../../columns/records.ts";

/**
 * Keys of the store: u32 big-endian murmur2 of the routing key, the operator's id (one byte of length and UTF-8), the
 * user's key. The hash comes first so that state can be split and joined when the number of partitions changes.
 */
const HASH_BYTES = 4;
const encoder = new TextEncoder();
const ID_BYTES_MAX = 255;
/** No operator can have this id: what is stored under it describes the tables. */
const SCHEMA_ID = "\u0000schema";

/**
 * The part of stored keys that names an operator.
 *
 * @param operatorId The operator's id.
 * @returns One byte of length, and UTF-8.
 * @throws {TypeError} when the id is too long, begins with U+0000 or is no text.
 */
export function operatorPrefix(operatorId: string): Uint8Array {
  if (operatorId.startsWith("\u0000") || !operatorId.isWellFormed()) {
    throw new TypeError(
      `Cannot open state as the name of an operator must be text that does not begin with U+0000: current value is ${
        JSON.stringify(operatorId)
      }`,
    );
  }
  return prefixOf(operatorId);
}

function prefixOf(id: string): Uint8Array {
  const text = encoder.encode(id);
  if (text.length > ID_BYTES_MAX) {
    throw new TypeError(
      `Cannot open state as the name of an operator takes at most ${ID_BYTES_MAX} bytes: current value is ${text.length}`,
    );
  }
  const prefix = new Uint8Array(1 + text.length);
  prefix[0] = text.length;
  prefix.set(text, 1);
  return prefix;
}

/**
 * Stored keys of codes.
 *
 * @param codes Codes of `keys`.
 * @param from The user's keys, their routing hashes by code, and the operator's prefix.
 */
export function storedKeys(
  codes: Int32Array,
  from: { keys: KeyTable; hashes: Int32Array; prefix: Uint8Array },
): ByteSpans {
  const { keys, hashes, prefix } = from;
  const head = HASH_BYTES + prefix.length;
  let total = 0;
  for (let i = 0; i < codes.length; i++) total += head + keys.keyLength(codes[i]!);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  const starts = new Int32Array(codes.length);
  const ends = new Int32Array(codes.length);
  let at = 0;
  for (let i = 0; i < codes.length; i++) {
    starts[i] = at;
    view.setInt32(at, hashes[codes[i]!]!);
    at += HASH_BYTES;
    for (let k = 0; k < prefix.length; k++) bytes[at++] = prefix[k]!;
    at = keys.copyKey(codes[i]!, bytes, at);
    ends[i] = at;
  }
  return { bytes, starts, ends };
}

/**
 * Where the user's key begins, in rows that belong to an operator.
 *
 * @param keys Stored keys.
 * @param row A row.
 * @param prefix The operator's prefix.
 * @returns Its first byte, or -1 when the row belongs to another operator.
 */
export function userKeyStart(keys: ByteSpans, row: number, prefix: Uint8Array): number {
  const start = keys.starts[row]! + HASH_BYTES;
  if (start + prefix.length > keys.ends[row]!) return -1;
  for (let k = 0; k < prefix.length; k++) if (keys.bytes[start + k] !== prefix[k]) return -1;
  return start + prefix.length;
}

/** Stored key of the row that describes a table. @param operatorId The table's operator. */
export function schemaKey(operatorId: string): Uint8Array {
  const prefix = prefixOf(SCHEMA_ID);
  const id = encoder.encode(operatorId);
  const key = new Uint8Array(HASH_BYTES + prefix.length + id.length);
  key.set(prefix, HASH_BYTES);
  key.set(id, HASH_BYTES + prefix.length);
  return key;
}

/** The range of all such rows, and how many bytes come before the operator's id. */
export function schemaRange(): { from: Uint8Array; to: Uint8Array; idAt: number } {
  const from = schemaKey("");
  const to = from.slice();
  to[to.length - 1] = to[to.length - 1]! + 1;
  return { from, to, idAt: from.length };
}
