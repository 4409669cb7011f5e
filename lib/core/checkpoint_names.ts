/** What a lineage looks like. */
export const LINEAGE_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

/** Names one task; the identity of its checkpoints. */
export interface CheckpointTask {
  /** Application id. */
  readonly application: string;
  /** Subscription name. */
  readonly subscription: string;
  /** Partition number of the task. */
  readonly partition: number;
}

/** Where a checkpoint stands among those of its task. */
export interface CheckpointKey {
  /** History of the committed offsets that it belongs to: letters, digits, `_` and `-`. */
  readonly lineage: string;
  /** Token of the owner that wrote it; a later owner has a greater one. */
  readonly ownerToken: number;
  /** Number of the attempt within its owner, from 1. */
  readonly sequence: number;
}

/** Whether a segment holds the whole state or changes to it. */
export type SegmentKind = "base" | "delta";

/** What the name of an object says. */
export type CheckpointObject =
  | { readonly kind: "owner"; readonly ownerToken: number }
  | { readonly kind: "manifest" } & CheckpointKey
  | { readonly kind: "segment"; readonly segmentKind: SegmentKind; readonly index: number } & CheckpointKey;

const NUMBER_DIGITS = 12;
const INDEX_DIGITS = 6;
const NUMBER_MAX = 10 ** NUMBER_DIGITS - 1;
const INDEX_MAX = 10 ** INDEX_DIGITS - 1;
const PART_LENGTH_MAX = 200;
const PARTITION_MAX = 2 ** 31 - 1;

const OWNER = /^owners\/(\d{12})$/;
const OBJECT = /^lineage-([A-Za-z0-9_-]{1,64})\/(\d{12})\/(\d{12})-(?:(manifest)\.json|(base|delta)-(\d{6})\.arrow)$/;

/**
 * The only place where names of a task's checkpoint objects are made and read:
 *
 * ```text
 * <application>/<subscription>/<partition>/owners/<owner token>
 * <application>/<subscription>/<partition>/lineage-<lineage>/<owner token>/<sequence>-base-<index>.arrow
 * <application>/<subscription>/<partition>/lineage-<lineage>/<owner token>/<sequence>-delta-<index>.arrow
 * <application>/<subscription>/<partition>/lineage-<lineage>/<owner token>/<sequence>-manifest.json
 * ```
 *
 * Numbers are padded with zeros, so that names of one owner sort as its checkpoints followed each other. No name is a
 * folder of another one's. Characters that object names do not take are written `=XX` for each UTF-8 byte.
 */
export class CheckpointNames {
  /** Whose checkpoints these are. */
  readonly task: CheckpointTask;
  /** Start of the names of all objects of the task, with its `/`. */
  readonly prefix: string;
  /** Start of the names of all claims of ownership. */
  readonly ownersPrefix: string;

  /**
   * @param task Whose checkpoints.
   * @throws {RangeError} when a part is empty or, written for a name, longer than 200 characters, or the partition is
   * not an integer in [0, 2^31).
   */
  constructor(task: CheckpointTask) {
    this.task = Object.freeze({ ...task });
    checkNumber("partition", task.partition, 0, PARTITION_MAX);
    const application = escapePart("application", task.application);
    this.prefix = `${application}/${escapePart("subscription", task.subscription)}/${task.partition}/`;
    this.ownersPrefix = `${this.prefix}owners/`;
  }

  /** Name of the claim of an owner token. @throws {RangeError} when the token is out of range. */
  owner(ownerToken: number): string {
    return this.ownersPrefix + padded("ownerToken", ownerToken);
  }

  /** Name of a manifest. @throws {RangeError} when a part of the key is out of range. */
  manifest(key: CheckpointKey): string {
    return `${this.#stem(key)}-manifest.json`;
  }

  /**
   * Name of a segment.
   *
   * @param key Checkpoint that the segment was written for.
   * @param kind Whether it is a base or a delta.
   * @param index Number of the segment within the checkpoint, from 0.
   * @throws {RangeError} when a part of the key or the index is out of range.
   */
  segment(key: CheckpointKey, kind: SegmentKind, index: number): string {
    checkNumber("index", index, 0, INDEX_MAX);
    return `${this.#stem(key)}-${kind}-${String(index).padStart(INDEX_DIGITS, "0")}.arrow`;
  }

  /**
   * Reads a name.
   *
   * @param name Any name.
   * @returns What it says, or `undefined` when this task never writes such a name.
   */
  parse(name: string): CheckpointObject | undefined {
    if (!name.startsWith(this.prefix)) return undefined;
    const rest = name.slice(this.prefix.length);
    const owner = OWNER.exec(rest);
    if (owner !== null) return Number(owner[1]) < 1 ? undefined : { kind: "owner", ownerToken: Number(owner[1]) };
    const parts = OBJECT.exec(rest);
    if (parts === null) return undefined;
    const key = { lineage: parts[1]!, ownerToken: Number(parts[2]), sequence: Number(parts[3]) };
    if (key.ownerToken < 1 || key.sequence < 1) return undefined;
    if (parts[4] !== undefined) return { kind: "manifest", ...key };
    return { kind: "segment", segmentKind: parts[5] as SegmentKind, index: Number(parts[6]), ...key };
  }

  #stem(key: CheckpointKey): string {
    const { ownerToken, sequence } = key;
    const lineage = checkLineage(key.lineage);
    return `${this.prefix}lineage-${lineage}/${padded("ownerToken", ownerToken)}/${padded("sequence", sequence)}`;
  }
}

/**
 * Checks a lineage.
 *
 * @param lineage 1 to 64 letters, digits, `_` or `-`.
 * @returns The same lineage.
 * @throws {RangeError} when it is not of that form.
 */
export function checkLineage(lineage: string): string {
  if (LINEAGE_PATTERN.test(lineage)) return lineage;
  throw badPart("lineage", "1 to 64 letters, digits, '_' or '-'", JSON.stringify(lineage));
}

/**
 * Order of two checkpoints of one lineage by who wrote them and when.
 *
 * @returns Negative when `left` is older, positive when it is newer, 0 when they are the same.
 */
export function compareCheckpointKeys(left: CheckpointKey, right: CheckpointKey): number {
  return left.ownerToken - right.ownerToken || left.sequence - right.sequence;
}

function padded(field: string, value: number): string {
  checkNumber(field, value, 1, NUMBER_MAX);
  return String(value).padStart(NUMBER_DIGITS, "0");
}

function checkNumber(field: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw badPart(field, `an integer in [${min}, ${max}]`, String(value));
}

function escapePart(field: string, text: string): string {
  let escaped = "";
  for (const byte of new TextEncoder().encode(text)) {
    const character = String.fromCharCode(byte);
    const isPlain = /[A-Za-z0-9_-]/.test(character) || (character === "." && escaped !== "");
    escaped += isPlain ? character : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  if (escaped !== "" && escaped.length <= PART_LENGTH_MAX && text.isWellFormed()) return escaped;
  throw badPart(
    field,
    "1 to 200 characters, a character outside [A-Za-z0-9._-] counting 3 or more",
    JSON.stringify(text),
  );
}

function badPart(field: string, rule: string, shown: string): RangeError {
  return new RangeError(`Cannot name checkpoint object as '${field}' must be ${rule}: current value is ${shown}`);
}
