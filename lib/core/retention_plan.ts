import { invariant } from "../base/assert.ts";
import { type CheckpointManifest, compareManifests } from "./checkpoint_manifest.ts";
import {
  type CheckpointKey,
  type CheckpointNames,
  type CheckpointObject,
  compareCheckpointKeys,
} from "./checkpoint_names.ts";
import { greatestOwnerToken } from "./checkpoint_owner.ts";

/*
 * What may be deleted, and in which order. Kept by it:
 *
 *   I-19  what a remaining manifest references stays; a manifest goes before its files; of the checkpoints that a restore
 *         could choose where the owner stands now, the newest intact ones stay
 *   I-20  files of a torn upload go in the second round in a row that finds them without a manifest
 *   I-21  an owner that sees a greater token deletes nothing at all
 *
 * What stands ahead of the owner, or on another way there, is of no use to it: after an operator has put a group back,
 * that is the future which was abandoned. It is not counted, and goes once there are enough others.
 *
 * An owner of which no commit has happened yet deletes no checkpoint: it may be a zombie that was opened long ago and has
 * claimed its token late, and what it takes for abandoned or for old be all that the real owner has.
 *
 * A manifest that is damaged may only have been misread: until it is older than everything kept, it shields the files
 * that it could reference. What a manifest of a newer format references is unknown: then nothing is deleted.
 */

/** Claims below our own that stay, so that a claimer whose listing is slow still sees a recent one. */
const OWNER_CLAIMS_KEPT = 16;

/** One object as it was listed. */
export interface ListedObject {
  /** Full name. */
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
}

/** What was found in a manifest's object. */
export type ManifestReading =
  | { readonly kind: "intact"; readonly manifest: CheckpointManifest }
  /** Its bytes are not what was written. */
  | { readonly kind: "damaged" }
  /** Written by a newer version, or not read. */
  | { readonly kind: "unknown" };

/** What a retention round decides by. */
export interface RetentionInput {
  /** Names of the task's objects. */
  readonly names: CheckpointNames;
  /** Everything listed; what the task never names is left alone. */
  readonly objects: readonly ListedObject[];
  /** Reading of each listed manifest by name; a missing one counts as unknown. */
  readonly manifests: ReadonlyMap<string, ManifestReading>;
  /** Our owner token. */
  readonly ownerToken: number;
  /** Our lineage. */
  readonly lineage: string;
  /** Number of our last attempt that has ended. */
  readonly lastSequence: number;
  /** Number of intact checkpoints to keep; at least 1. */
  readonly retained: number;
  /** Whether a restore could choose a checkpoint of our lineage at the place that our newest one has reached. */
  readonly isUsable: (manifest: CheckpointManifest) => boolean;
  /** Whether a commit of ours has happened since we were opened: then we are the owner. */
  readonly hasCommitted: boolean;
  /** Files that the last round found without a manifest. */
  readonly orphans: ReadonlySet<string>;
}

/** One deletion. */
export interface RetentionDeletion {
  /** What it is. */
  readonly kind: "manifest" | "file" | "owner";
  /** Full name. */
  readonly name: string;
}

/** What a retention round decided. */
export interface RetentionPlan {
  /** To be deleted in this order; after a failure the rest must stay. */
  readonly deletions: readonly RetentionDeletion[];
  /** Files without a manifest, for the next round. */
  readonly orphans: ReadonlySet<string>;
  /** Checkpoints that remain to restore from where we stand, newest first. */
  readonly kept: readonly CheckpointManifest[];
  /** Why nothing may be deleted; `undefined` when deletions were planned as usual. */
  readonly holdReason: string | undefined;
}

type ManifestObject = { readonly name: string; readonly key: CheckpointKey; readonly reading: ManifestReading };
type FileObject = { readonly name: string; readonly key: CheckpointKey };

/**
 * Decides what a retention round deletes.
 *
 * @param input What was listed and read.
 * @returns The deletions in order, and what to remember.
 */
export function planRetention(input: RetentionInput): RetentionPlan {
  invariant(Number.isSafeInteger(input.retained) && input.retained >= 1, "at least one checkpoint is retained");
  const { manifests, files, owners } = sortOut(input);
  const complete = completeManifests(input, manifests);
  const kept = complete.filter(input.isUsable).slice(0, input.retained);
  const greatest = greatestOwnerToken(input.objects.map((object) => object.name), input.names);
  const unknown = manifests.find((manifest) => manifest.reading.kind === "unknown");
  if (greatest > input.ownerToken) {
    return hold(kept, `owner ${greatest} has taken over from owner ${input.ownerToken}`);
  }
  if (unknown !== undefined) return hold(kept, `what manifest '${unknown.name}' references is unknown`);

  const isRetired = retiredBy(input, { complete, kept });
  const retired = manifests.filter(isRetired).sort(byAge);
  const remaining = manifests.filter((manifest) => !isRetired(manifest));
  const free = files.filter(freedBy(remaining));
  const released = releasedBy(retired);
  const deletions: RetentionDeletion[] = retired.map(({ name }) => ({ kind: "manifest", name }));
  const orphans = new Set<string>();
  for (const file of free.sort((left, right) => left.name < right.name ? -1 : 1)) {
    const isInFlight = file.key.ownerToken === input.ownerToken && file.key.sequence > input.lastSequence;
    if (isInFlight) continue;
    if (released(file) || input.orphans.has(file.name)) deletions.push({ kind: "file", name: file.name });
    else orphans.add(file.name);
  }
  for (const name of spentClaims(owners, input)) deletions.push({ kind: "owner", name });
  const deleted = new Set(deletions.map(({ name }) => name));
  for (const manifest of kept) {
    const names = [input.names.manifest(manifest), ...manifest.segments.map(({ name }) => name)];
    invariant(!names.some((name) => deleted.has(name)), `I-19: what checkpoint '${names[0]}' references stays`);
  }
  return { deletions, orphans, kept, holdReason: undefined };
}

function hold(kept: readonly CheckpointManifest[], holdReason: string): RetentionPlan {
  return { deletions: [], orphans: new Set(), kept, holdReason };
}

function sortOut({ names, objects, manifests: readings }: RetentionInput) {
  const manifests: ManifestObject[] = [];
  const files: FileObject[] = [];
  const owners: { name: string; ownerToken: number }[] = [];
  for (const { name } of objects) {
    const object: CheckpointObject | undefined = names.parse(name);
    if (object === undefined) continue;
    if (object.kind === "owner") owners.push({ name, ownerToken: object.ownerToken });
    else if (object.kind === "segment") files.push({ name, key: object });
    else manifests.push({ name, key: object, reading: readings.get(name) ?? { kind: "unknown" } });
  }
  return { manifests, files, owners };
}

/** Manifests of our lineage that are intact and whose files are all listed with their size, newest first. */
function completeManifests(input: RetentionInput, manifests: readonly ManifestObject[]): CheckpointManifest[] {
  const sizes = new Map(input.objects.map((object) => [object.name, object.size]));
  const complete: CheckpointManifest[] = [];
  for (const { key, reading } of manifests) {
    if (reading.kind !== "intact" || key.lineage !== input.lineage) continue;
    const { segments } = reading.manifest;
    if (segments.every(({ name, bytes }) => sizes.get(name) === bytes)) complete.push(reading.manifest);
  }
  return complete.sort((left, right) => compareManifests(right, left));
}

/**
 * A manifest is retired once as many intact checkpoints as wanted are newer and of use. Another lineage, or a way that the
 * owner has not gone, is as old as can be, but as long as ours is not complete, a crash may still lead back to it.
 */
function retiredBy(
  input: RetentionInput,
  { complete, kept }: { complete: readonly CheckpointManifest[]; kept: readonly CheckpointManifest[] },
): (manifest: ManifestObject) => boolean {
  if (!input.hasCommitted || kept.length < input.retained) return () => false;
  const oldest = kept.reduce((left, right) => compareCheckpointKeys(left, right) <= 0 ? left : right);
  const nameOf = (manifest: CheckpointManifest) => input.names.manifest(manifest);
  const keptNames = new Set(kept.map(nameOf));
  const completeNames = new Set(complete.map(nameOf));
  return ({ name, key }) => {
    if (keptNames.has(name)) return false;
    return key.lineage !== input.lineage || completeNames.has(name) || compareCheckpointKeys(key, oldest) < 0;
  };
}

/** Whether no remaining manifest references a file, nor could one that is damaged. */
function freedBy(remaining: readonly ManifestObject[]): (file: FileObject) => boolean {
  const referenced = new Set<string>();
  const shields = new Map<string, CheckpointKey>();
  for (const { key, reading } of remaining) {
    if (reading.kind === "intact") { for (const { name } of reading.manifest.segments) referenced.add(name); }
    else {
      const shield = shields.get(key.lineage);
      if (shield === undefined || compareCheckpointKeys(shield, key) < 0) shields.set(key.lineage, key);
    }
  }
  return ({ name, key }) => {
    const shield = shields.get(key.lineage);
    return !referenced.has(name) && !(shield !== undefined && compareCheckpointKeys(key, shield) <= 0);
  };
}

/** Whether a file belonged to a manifest that goes in this round, so that it need not be found orphaned twice. */
function releasedBy(retired: readonly ManifestObject[]): (file: FileObject) => boolean {
  const referenced = new Set<string>();
  const places = new Set(retired.map(({ key }) => placeOf(key)));
  for (const { reading } of retired) {
    if (reading.kind === "intact") { for (const { name } of reading.manifest.segments) referenced.add(name); }
  }
  return ({ name, key }) => referenced.has(name) || places.has(placeOf(key));
}

function placeOf(key: CheckpointKey): string {
  return `${key.lineage}/${key.ownerToken}/${key.sequence}`;
}

function byAge(left: ManifestObject, right: ManifestObject): number {
  return compareCheckpointKeys(left.key, right.key) || (left.name < right.name ? -1 : 1);
}

function spentClaims(owners: readonly { name: string; ownerToken: number }[], input: RetentionInput): string[] {
  const below = owners.filter((owner) => owner.ownerToken < input.ownerToken);
  below.sort((left, right) => right.ownerToken - left.ownerToken);
  return below.slice(OWNER_CLAIMS_KEPT).map((owner) => owner.name).reverse();
}
