import { invariant } from "../base/assert.ts";
import { sha256HexOfText } from "../base/sha256.ts";
import { decodeDecisions, encodeDecisions, parseBase36 } from "./decision_codec.ts";
import { DecisionJournal, JOURNAL_BYTES_MAX } from "./decision_journal.ts";

/** Most bytes that a broker keeps with a committed offset. */
export const METADATA_BYTES_MAX = 4_096;
/** Most bytes that a transactional id may take there, once escaped. A longer one is left out. */
const TRANSACTIONAL_ID_BYTES_MAX = 640;
const LINEAGE = /^[0-9A-Za-z_-]{1,64}$/;

const PREFIX = "turbine:";
/** Number of fields by version: the second has the digest of forgotten decisions, and is written when there are some. */
const FIELDS: Readonly<Record<string, number>> = { "1": 8, "2": 9 };
const NEWEST = Object.keys(FIELDS).length;
const CHECK_DIGITS = 8;

/** What travels with a committed offset: the witness of the commit, task time and the decisions of replay. */
export interface CommitMetadata {
  /** Which history of the task this is: 1 to 64 letters, digits, `_` or `-`. */
  readonly lineage: string;
  /** Position at which the lineage began with empty state. */
  readonly origin: bigint;
  /** Token of the owner that commits. */
  readonly ownerToken: number;
  /** Number of this commit in its lineage, from 1. */
  readonly commitSequence: number;
  /** Task time after the commit, epoch ms; `null` before the first record. */
  readonly taskTimeMs: number | null;
  /** Every decision since the oldest retained checkpoint. */
  readonly journal: DecisionJournal;
  /** Who wrote it, so that a successor can end that producer's open transaction; `null` without transactions. */
  readonly transactionalId: string | null;
}

/** What was found with a committed offset. */
export type ReadMetadata =
  | ({ readonly kind: "ours" } & CommitMetadata)
  /** Empty: written by a tool or by another client. */
  | { readonly kind: "missing" }
  /** Not readable; `isNewer` when a newer version of the library wrote it. */
  | { readonly kind: "foreign"; readonly text: string; readonly isNewer: boolean };

/**
 * Writes metadata as ASCII text of at most {@linkcode METADATA_BYTES_MAX} bytes. The journal was asked before each entry
 * whether it can hold it, so that nothing has to be left out here.
 *
 * @param metadata What to write.
 */
export function encodeCommitMetadata(metadata: CommitMetadata): string {
  const { journal } = metadata;
  invariant(LINEAGE.test(metadata.lineage), `a lineage cannot be '${metadata.lineage}'`);
  const decisions = encodeDecisions(journal.from, journal.entries);
  invariant(decisions.length <= JOURNAL_BYTES_MAX, `a decision journal of ${decisions.length} bytes was let in`);
  const writer = metadata.transactionalId === null ? "" : encodeURIComponent(metadata.transactionalId);
  const body = [
    metadata.lineage,
    metadata.origin.toString(36),
    metadata.ownerToken.toString(36),
    metadata.commitSequence.toString(36),
    metadata.taskTimeMs === null ? "" : String(metadata.taskTimeMs),
    writer.length > TRANSACTIONAL_ID_BYTES_MAX ? "" : writer,
    journal.from.toString(36),
    decisions,
    ...journal.digest === 0n ? [] : [journal.digest.toString(36)],
  ].join(":");
  const text = `${PREFIX}${journal.digest === 0n ? 1 : 2}:${checkOf(body)}:${body}`;
  invariant(text.length <= METADATA_BYTES_MAX, `commit metadata of ${text.length} bytes does not fit`);
  return text;
}

/**
 * Reads the metadata of a committed offset.
 *
 * @param text What the group holds.
 */
export function decodeCommitMetadata(text: string): ReadMetadata {
  if (text === "") return { kind: "missing" };
  const [name, version, check, ...fields] = text.split(":");
  if (`${name}:` !== PREFIX) return foreign(text);
  const count = FIELDS[version!];
  if (count === undefined) return { kind: "foreign", text, isNewer: Number(version) > NEWEST };
  if (fields.length !== count || check !== checkOf(fields.join(":"))) return foreign(text);
  const [lineage, origin, owner, sequence, time, writer, journalFrom, decisions, digest = ""] = fields as string[];
  const from = parseBase36(journalFrom!);
  const entries = decodeDecisions(from, decisions!);
  if (entries === undefined) return foreign(text);
  return {
    kind: "ours",
    lineage: lineage!,
    origin: parseBase36(origin!),
    ownerToken: parseInt(owner!, 36),
    commitSequence: parseInt(sequence!, 36),
    taskTimeMs: time === "" ? null : Number(time),
    journal: new DecisionJournal(from, entries, parseBase36(digest)),
    transactionalId: writer === "" ? null : decodeURIComponent(writer!),
  };
}

function foreign(text: string): ReadMetadata {
  return { kind: "foreign", text, isNewer: false };
}

function checkOf(body: string): string {
  return sha256HexOfText(body).slice(0, CHECK_DIGITS);
}
