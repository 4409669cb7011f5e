import { CheckpointCorruptError } from "../../base/errors.ts";
import type { CheckpointManifest } from "../../core/checkpoint_manifest.ts";
import { type CheckpointKey, type CheckpointNames, compareCheckpointKeys } from "../../core/checkpoint_names.ts";
import type { ForeignCheckpoint, SurveyedManifest, SurveyInput } from "../../core/checkpoint_survey.ts";
import type { BlobStore } from "../../seams/blob_store.ts";
import { readManifest } from "./read_manifest.ts";

/**
 * Lists a task's manifests and reads those of one lineage.
 *
 * @param blobs Where.
 * @param names Names of the task's objects.
 * @param lineage The lineage; `undefined` takes that of the newest manifest.
 * @returns What was found. A manifest whose files are missing or of another size counts as damaged.
 * @throws {BlobError} when the store cannot be used.
 */
export async function surveyManifests(
  blobs: BlobStore,
  names: CheckpointNames,
  lineage: string | undefined,
): Promise<SurveyInput> {
  const entries = await blobs.list(names.prefix);
  const sizes = new Map(entries.map((entry) => [entry.name, entry.size]));
  const manifests: ForeignCheckpoint[] = [];
  for (const { name } of entries) {
    const object = names.parse(name);
    if (object?.kind !== "manifest") continue;
    const { lineage, ownerToken, sequence } = object;
    manifests.push({ name, lineage, ownerToken, sequence });
  }
  const current = lineage ?? manifests.toSorted(compareCheckpointKeys).at(-1)?.lineage;
  const found: SurveyedManifest[] = [];
  for (const key of manifests.filter((manifest) => manifest.lineage === current)) {
    const finding = await readManifest(blobs, key.name, names);
    if (finding.kind === "gone") continue;
    if (finding.kind !== "intact") found.push({ ...key, error: finding.error });
    else found.push({ ...key, ...checkFiles(blobs, key, { manifest: finding.manifest, sizes }) });
  }
  return { found, foreign: manifests.filter((manifest) => manifest.lineage !== current) };
}

function checkFiles(
  blobs: BlobStore,
  key: CheckpointKey & { readonly name: string },
  { manifest, sizes }: { manifest: CheckpointManifest; sizes: ReadonlyMap<string, number> },
): { manifest: CheckpointManifest } | { error: CheckpointCorruptError } {
  for (const { name, bytes } of manifest.segments) {
    const size = sizes.get(name);
    if (size === bytes) continue;
    const found = size === undefined ? "is missing" : `has ${size} bytes instead of ${bytes}`;
    const error = new CheckpointCorruptError(
      `Cannot use checkpoint '${key.name}' in ${blobs.location}: its file '${name}' ${found}; an older checkpoint is ` +
        "used if there is one",
      { context: { location: blobs.location, manifest: key.name, name, found } },
    );
    return { error };
  }
  return { manifest };
}
