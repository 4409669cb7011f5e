import { CheckpointCorruptError, CheckpointIncompatibleError } from "../../base/errors.ts";
import type { CheckpointManifest } from "../../core/checkpoint_manifest.ts";
import type { CheckpointNames } from "../../core/checkpoint_names.ts";
import { decodeManifest } from "../../core/manifest_codec.ts";
import type { BlobStore } from "../../seams/blob_store.ts";

/** What was found under a manifest's name. */
export type ManifestFinding =
  | { readonly kind: "intact"; readonly manifest: CheckpointManifest; readonly checksum: string }
  | { readonly kind: "damaged"; readonly error: CheckpointCorruptError }
  | { readonly kind: "newer"; readonly error: CheckpointIncompatibleError }
  /** It was deleted since it was listed. */
  | { readonly kind: "gone" };

/** Reads of one object before it counts as damaged: a body may be damaged on its way only. */
export const READS_MAX = 2;

/**
 * Reads and verifies a manifest. Bytes that do not verify are read once more.
 *
 * @param blobs Where.
 * @param name Full name.
 * @param names Names of the task's objects.
 * @returns What was found; damage is a finding, not an error.
 * @throws {BlobError} when the store cannot be used.
 */
export async function readManifest(blobs: BlobStore, name: string, names: CheckpointNames): Promise<ManifestFinding> {
  let finding: ManifestFinding = { kind: "gone" };
  for (let read = 0; read < READS_MAX; read++) {
    const bytes = await blobs.get(name);
    if (bytes === undefined) return { kind: "gone" };
    finding = examine(bytes, name, names);
    if (finding.kind !== "damaged") break;
  }
  return finding;
}

function examine(bytes: Uint8Array, name: string, names: CheckpointNames): ManifestFinding {
  try {
    return { kind: "intact", ...decodeManifest(bytes, name, names) };
  } catch (error) {
    if (error instanceof CheckpointCorruptError) return { kind: "damaged", error };
    if (error instanceof CheckpointIncompatibleError) return { kind: "newer", error };
    throw error;
  }
}
