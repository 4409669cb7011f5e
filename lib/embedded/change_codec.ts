import { JournalCorruptError } from "../base/errors.ts";
import type { Change } from "./change.ts";
import { decodeRecords, encodeRecords } from "./records_codec.ts";

/** A change in two parts: plain JSON, and the records' bytes if it has any. */
export interface EncodedChange {
  /** All fields but the records. */
  readonly meta: Record<string, unknown>;
  /** The records of a `batch-appended`, else `null`. */
  readonly payload: Uint8Array | null;
}

const KINDS: Readonly<Record<Change["kind"], true>> = {
  "cluster-named": true,
  "transaction-version-set": true,
  "topic-created": true,
  "topic-deleted": true,
  "partitions-added": true,
  "batch-appended": true,
  "marker-appended": true,
  "log-start-moved": true,
  "log-compacted": true,
  "log-truncated": true,
  "log-restored": true,
  "offsets-skipped": true,
  "leader-epoch-bumped": true,
  "producer-allocated": true,
  "producer-restored": true,
  "transaction-initialized": true,
  "transaction-partitions-added": true,
  "transaction-offsets-staged": true,
  "transaction-prepared": true,
  "transaction-epochs-exhausted": true,
  "transaction-offsets-resolved": true,
  "transaction-completed": true,
  "transaction-expired": true,
  "group-settled": true,
  "static-member-replaced": true,
  "offsets-committed": true,
  "offsets-deleted": true,
  "group-deleted": true,
};

/**
 * A change as plain JSON plus bytes, for a journal.
 *
 * @param change The change.
 * @returns Meta for `JSON.stringify`, and the payload.
 */
export function encodeChange(change: Change): EncodedChange {
  if (change.kind !== "batch-appended") return { meta: { ...change }, payload: null };
  const { records, ...meta } = change;
  return { meta, payload: encodeRecords(records) };
}

/**
 * Reads what {@linkcode encodeChange} wrote. Damage is found by the journal's checksums; what is checked here is that
 * the kind is known, so that a journal of a newer release is not misread.
 *
 * @param meta The JSON part.
 * @param payload The records' bytes; they are copied.
 * @returns The change.
 * @throws {JournalCorruptError} when the kind is unknown or the payload is missing.
 */
export function decodeChange(meta: Record<string, unknown>, payload: Uint8Array | null): Change {
  const kind = meta.kind;
  if (typeof kind !== "string" || !Object.hasOwn(KINDS, kind)) {
    throw new JournalCorruptError(
      `Cannot read change of kind '${kind}': this release does not know it, open the journal with the one that wrote it`,
      { context: { kind } },
    );
  }
  if (kind !== "batch-appended") return meta as unknown as Change;
  if (payload === null) {
    throw new JournalCorruptError("Cannot read batch: its records are missing, restore the journal from a copy", {
      context: { ...meta },
    });
  }
  return { ...meta, records: decodeRecords(payload) } as unknown as Change;
}
