import { CheckpointCorruptError, type CheckpointIncompatibleError } from "../base/errors.ts";
import { type CheckpointExpectations, findIncompatibility, incompatibleError } from "./checkpoint_compatibility.ts";
import { type CheckpointManifest, type CheckpointPosition, compareManifests } from "./checkpoint_manifest.ts";
import { type CheckpointKey, compareCheckpointKeys } from "./checkpoint_names.ts";

/** A checkpoint that may be restored, as far as its manifest and the listing tell. */
export interface CheckpointCandidate extends CheckpointKey {
  /** Name of its manifest. */
  readonly name: string;
  /** Position that its state reflects. */
  readonly position: CheckpointPosition;
  /** The whole manifest. */
  readonly manifest: CheckpointManifest;
  /** Sum of the sizes of its files, in bytes. */
  readonly bytes: number;
  /** Sum of the rows of its files. */
  readonly rows: number;
}

/** A checkpoint that cannot be used, and why. */
export interface RefusedCheckpoint<E extends Error = Error> extends CheckpointKey {
  /** Name of its manifest. */
  readonly name: string;
  /** Why. */
  readonly error: E;
}

/** A checkpoint of another lineage: never restored. */
export interface ForeignCheckpoint extends CheckpointKey {
  /** Name of its manifest. */
  readonly name: string;
}

/** All checkpoints of a task, each in one class, each class newest first. */
export interface CheckpointSurvey {
  /** Intact and compatible. */
  readonly candidates: readonly CheckpointCandidate[];
  /** Damaged: the manifest's bytes, or a file that is missing or of another size. */
  readonly damaged: readonly RefusedCheckpoint<CheckpointCorruptError>[];
  /** Intact, but of another topic, cluster, schema, handler or of a newer format. */
  readonly incompatible: readonly RefusedCheckpoint<CheckpointIncompatibleError>[];
  /** Of another lineage. */
  readonly foreign: readonly ForeignCheckpoint[];
}

/** One manifest of our lineage as it was found. */
export type SurveyedManifest =
  & CheckpointKey
  & { readonly name: string }
  & (
    | { readonly manifest: CheckpointManifest }
    | { readonly error: CheckpointCorruptError | CheckpointIncompatibleError }
  );

/** What {@linkcode classifyCheckpoints} sorts. */
export interface SurveyInput {
  /** Manifests of the lineage that is restored. */
  readonly found: readonly SurveyedManifest[];
  /** Manifests of other lineages. */
  readonly foreign: readonly ForeignCheckpoint[];
}

/**
 * Puts each checkpoint in its class.
 *
 * @param input What was found.
 * @param expected What the running task needs.
 * @returns The classes, each newest first.
 */
export function classifyCheckpoints(input: SurveyInput, expected: CheckpointExpectations): CheckpointSurvey {
  const candidates: CheckpointCandidate[] = [];
  const damaged: RefusedCheckpoint<CheckpointCorruptError>[] = [];
  const incompatible: RefusedCheckpoint<CheckpointIncompatibleError>[] = [];
  for (const found of input.found) {
    const { name, lineage, ownerToken, sequence } = found;
    const key = { name, lineage, ownerToken, sequence };
    if ("error" in found) {
      const { error } = found;
      if (error instanceof CheckpointCorruptError) damaged.push({ ...key, error });
      else incompatible.push({ ...key, error });
      continue;
    }
    const difference = findIncompatibility(found.manifest, expected);
    if (difference === undefined) candidates.push(toCandidate(name, found.manifest));
    else incompatible.push({ ...key, error: incompatibleError(name, difference) });
  }
  const newestFirst = (left: CheckpointKey, right: CheckpointKey) => compareCheckpointKeys(right, left);
  return {
    candidates: candidates.sort((left, right) => compareManifests(right.manifest, left.manifest)),
    damaged: damaged.sort(newestFirst),
    incompatible: incompatible.sort(newestFirst),
    foreign: input.foreign.toSorted(newestFirst),
  };
}

/**
 * The incompatible checkpoint that must stop a restore: the newest one, unless a usable one is newer. An older one that
 * a change of version left behind is no reason to stop.
 *
 * @param survey All checkpoints.
 * @returns It, or `undefined` when the candidates may be used.
 */
export function stoppingCheckpoint(
  survey: CheckpointSurvey,
): RefusedCheckpoint<CheckpointIncompatibleError> | undefined {
  const newest = survey.incompatible[0];
  if (newest === undefined) return undefined;
  return survey.candidates.some((candidate) => compareCheckpointKeys(candidate, newest) > 0) ? undefined : newest;
}

function toCandidate(name: string, manifest: CheckpointManifest): CheckpointCandidate {
  const { lineage, ownerToken, sequence, position, segments } = manifest;
  let bytes = 0;
  let rows = 0;
  for (const segment of segments) {
    bytes += segment.bytes;
    rows += segment.rows;
  }
  return { name, lineage, ownerToken, sequence, position, manifest, bytes, rows };
}
