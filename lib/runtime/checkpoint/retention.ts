import type { CheckpointManifest } from "../../core/checkpoint_manifest.ts";
import type { CheckpointNames } from "../../core/checkpoint_names.ts";
import { type ManifestReading, planRetention, type RetentionInput } from "../../core/retention_plan.ts";
import type { BlobStore } from "../../seams/blob_store.ts";
import type { Observer } from "../../seams/observer.ts";
import { readManifest } from "./read_manifest.ts";

/** Whose checkpoints are kept and how many. */
export interface RetentionOptions {
  /** Names of the task's objects. */
  readonly names: CheckpointNames;
  /** Our lineage. */
  readonly lineage: string;
  /** Our owner token. */
  readonly ownerToken: number;
  /** Intact checkpoints to keep; at least 1. */
  readonly retained: number;
  /** Sees each step. */
  readonly observer: Observer;
}

/** Where an owner stands when it runs a round. */
export type RetentionPlace = Pick<RetentionInput, "isUsable" | "hasCommitted">;

/** Deletes what no restore can need any more; remembers between rounds what it read and which files were orphans. */
export class Retention {
  readonly #options: RetentionOptions;
  #intact: Map<string, CheckpointManifest> = new Map();
  #orphans: ReadonlySet<string> = new Set();

  /** @param options Whose checkpoints are kept and how many. */
  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /**
   * Runs one round. Deletions stop at the first that fails, so that no file goes before its manifest.
   *
   * @param blobs Where.
   * @param lastSequence Number of our last attempt that has ended.
   * @param place Where we stand.
   * @returns Checkpoints that remain to restore from where we stand, newest first.
   * @throws {BlobError} when the store cannot be used; a later round goes on.
   */
  async run(blobs: BlobStore, lastSequence: number, place: RetentionPlace): Promise<readonly CheckpointManifest[]> {
    const { names, lineage, ownerToken, retained, observer } = this.#options;
    observer.step("retention:begin", { ...names.task, ownerToken });
    const objects = await blobs.list(names.prefix);
    const manifests = await this.#read(blobs, objects.map((object) => object.name));
    const orphans = this.#orphans;
    const ours = { names, ownerToken, lineage, lastSequence, retained, ...place };
    const plan = planRetention({ ...ours, objects, manifests, orphans });
    if (plan.holdReason !== undefined) {
      observer.log("warn", `Checkpoint retention deletes nothing as ${plan.holdReason}`, { ...names.task, ownerToken });
    }
    const listed = new Set(objects.map((object) => object.name));
    for (const { kind, name } of plan.deletions) {
      if (kind === "file" && await this.#hasUnlistedManifest(blobs, name, listed)) continue;
      await blobs.delete(name);
      observer.step(kind === "manifest" ? "retention:manifest-deleted" : "retention:file-deleted", { kind, name });
    }
    this.#orphans = plan.orphans;
    return plan.kept;
  }

  /** A listing may miss what is there, also twice in a row: a file is an orphan only if nobody can read its manifest. */
  async #hasUnlistedManifest(blobs: BlobStore, name: string, listed: ReadonlySet<string>): Promise<boolean> {
    const { names, observer } = this.#options;
    const file = names.parse(name);
    if (file?.kind !== "segment") return false;
    const manifest = names.manifest(file);
    if (listed.has(manifest) || await blobs.get(manifest) === undefined) return false;
    observer.log("warn", `Checkpoint retention keeps '${name}' as its manifest is there, though it was not listed`, {
      ...names.task,
    });
    return true;
  }

  /** Objects never change, so what was intact once is not read again. */
  async #read(blobs: BlobStore, listed: readonly string[]): Promise<Map<string, ManifestReading>> {
    const { names } = this.#options;
    const readings = new Map<string, ManifestReading>();
    const intact = new Map<string, CheckpointManifest>();
    for (const name of listed) {
      if (names.parse(name)?.kind !== "manifest") continue;
      const known = this.#intact.get(name);
      const finding = known ? { kind: "intact" as const, manifest: known } : await readManifest(blobs, name, names);
      if (finding.kind === "intact") {
        intact.set(name, finding.manifest);
        readings.set(name, { kind: "intact", manifest: finding.manifest });
      } else readings.set(name, { kind: finding.kind === "damaged" ? "damaged" : "unknown" });
    }
    this.#intact = intact;
    return readings;
  }
}
