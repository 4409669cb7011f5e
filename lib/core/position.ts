import { StateCorruptError } from "../base/errors.ts";
import { sha256HexOfText } from "../base/sha256.ts";
import { invariant } from "../base/assert.ts";
import type { TopicPartition } from "../seams/broker.ts";
import { decodeDecisions, encodeDecisions, parseBase36 } from "./decision_codec.ts";
import { DecisionJournal } from "./decision_journal.ts";

/** Position in one input. */
export interface InputPosition extends TopicPartition {
  /** Next offset to read. */
  readonly offset: bigint;
  /** Leader epoch of the last record read, or -1 when unknown. */
  readonly leaderEpoch: number;
  /** Id of the incarnation of the topic that the offset counts in; absent in what older releases wrote. */
  readonly topicId?: string;
}

/** How an input position is stored; the topic id stands last, where older releases do not look. */
type StoredInput = [topic: string, partition: number, offset: string, leaderEpoch: number, topicId?: string];

/** How a journal is stored; a digest of nothing is left out, as by older releases. */
type StoredJournal = [from: string, entries: string, digest?: string];

/** Where a task stands: what is written together with its state, and what a checkpoint is taken at. */
export interface TaskPosition {
  /** One entry for each input, sorted by topic and partition. */
  readonly offsets: readonly InputPosition[];
  /** Task time, or `null` before the first record. */
  readonly taskTimeMs: number | null;
  /** Number of commits of the lineage up to this position. */
  readonly commitSequence: number;
  /** Which history of the task this belongs to; another one begins with a reset, a rebuild or a skip. */
  readonly lineage: string;
  /** Position at which the lineage began with empty state. */
  readonly origin: bigint;
  /** Token of the owner that wrote it. */
  readonly ownerToken: number;
  /**
   * Decisions up to here. At-least-once, a late offset commit can put the committed offset, with its older journal, below
   * the store: then this is the only copy of the newer decisions.
   */
  readonly journal: DecisionJournal;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const VERSION = "turbine-position 1";
const CHECK_DIGITS = 16;

/**
 * Writes a position as bytes that detect any damage.
 *
 * @param position What to write.
 */
export function encodePosition(position: TaskPosition): Uint8Array {
  const { journal } = position;
  const body = JSON.stringify({
    offsets: position.offsets.map(toStored),
    taskTimeMs: position.taskTimeMs,
    commitSequence: position.commitSequence,
    lineage: position.lineage,
    origin: String(position.origin),
    ownerToken: position.ownerToken,
    journal: toStoredJournal(journal),
  });
  return encoder.encode(`${VERSION} ${checkOf(body)}\n${body}`);
}

/**
 * Reads what {@linkcode encodePosition} wrote.
 *
 * @param bytes The bytes.
 * @throws {StateCorruptError} when they are damaged, or of a format that this version does not know.
 */
export function decodePosition(bytes: Uint8Array): TaskPosition {
  const text = decoder.decode(bytes);
  const lineEnd = text.indexOf("\n");
  const head = text.slice(0, Math.max(lineEnd, 0));
  const body = text.slice(lineEnd + 1);
  if (!head.startsWith(VERSION + " ")) {
    throw corrupt(`it begins with '${text.slice(0, 24)}' instead of '${VERSION}'`);
  }
  if (head.slice(VERSION.length + 1) !== checkOf(body)) throw corrupt("its checksum does not match");
  const raw = JSON.parse(body) as {
    offsets: StoredInput[];
    taskTimeMs: number | null;
    commitSequence: number;
    lineage: string;
    origin: string;
    ownerToken: number;
    journal: StoredJournal;
  };
  const from = BigInt(raw.journal[0]);
  const entries = decodeDecisions(from, raw.journal[1]);
  if (entries === undefined) throw corrupt(`its decision journal is '${raw.journal[1].slice(0, 40)}'`);
  return {
    offsets: raw.offsets.map(fromStored),
    taskTimeMs: raw.taskTimeMs,
    commitSequence: raw.commitSequence,
    lineage: raw.lineage,
    origin: BigInt(raw.origin),
    ownerToken: raw.ownerToken,
    journal: new DecisionJournal(from, entries, parseBase36(raw.journal[2] ?? "")),
  };
}

/**
 * Offset of one input in a position.
 *
 * @returns The offset, or `undefined` when the position does not name that input.
 */
export function offsetOf(position: TaskPosition, input: TopicPartition): bigint | undefined {
  return position.offsets.find((at) => at.topic === input.topic && at.partition === input.partition)?.offset;
}

/**
 * Compares two positions of one lineage in one input: by offset, then by commit sequence, since a commit in which only
 * time moved ends where it began.
 *
 * @returns Negative when `a` is before `b`, 0 when they are the same, positive when it is after.
 */
export function comparePositions(a: TaskPosition, b: TaskPosition): number {
  invariant(a.lineage === b.lineage, `positions of two lineages have no order: '${a.lineage}' and '${b.lineage}'`);
  invariant(a.offsets.length === 1 && b.offsets.length === 1, "only positions of one input have an order");
  const [x, y] = [a.offsets[0]!.offset, b.offsets[0]!.offset];
  if (x !== y) return x < y ? -1 : 1;
  return a.commitSequence - b.commitSequence;
}

function toStored({ topic, partition, offset, leaderEpoch, topicId }: InputPosition): StoredInput {
  const text = String(offset);
  return topicId === undefined ? [topic, partition, text, leaderEpoch] : [topic, partition, text, leaderEpoch, topicId];
}

function checkOf(body: string): string {
  return sha256HexOfText(body).slice(0, CHECK_DIGITS);
}

function toStoredJournal({ from, entries, digest }: DecisionJournal): StoredJournal {
  const text = encodeDecisions(from, entries);
  return digest === 0n ? [String(from), text] : [String(from), text, digest.toString(36)];
}

function fromStored([topic, partition, offset, leaderEpoch, topicId]: StoredInput): InputPosition {
  const at = { topic, partition, offset: BigInt(offset), leaderEpoch };
  return topicId === undefined ? at : { ...at, topicId };
}

function corrupt(found: string): StateCorruptError {
  return new StateCorruptError(
    `Cannot read the position of a local store as ${found}: the store is to be deleted and restored from a checkpoint`,
  );
}
