/** What lies in the object store, read once for all checkers: manifests as they were written, and which files they need. */
import { sha256Hex } from "../../../lib/base/sha256.ts";
import type { CheckpointManifest } from "../../../lib/core/checkpoint_manifest.ts";
import { CheckpointNames, type CheckpointObject } from "../../../lib/core/checkpoint_names.ts";
import { decodeManifest } from "../../../lib/core/manifest_codec.ts";
import { decodePosition, type TaskPosition } from "../../../lib/core/position.ts";
import type { Checker, InvariantId, RunView } from "../contracts.ts";
import type { BlobEvent } from "../stores/sim_blob_store.ts";

/** A checkpoint whose manifest is there, as it was written. */
export interface KnownCheckpoint {
  /** Name of the manifest. */
  readonly name: string;
  /** Its content. */
  readonly manifest: CheckpointManifest;
  /** Where its state stands; `undefined` for a store that was never written. */
  readonly position: TaskPosition | undefined;
}

/** Prefix of the names of a task's objects, and the rest of a name. */
export interface ParsedName {
  /** Names of the task. */
  readonly names: CheckpointNames;
  /** What the name says. */
  readonly object: CheckpointObject;
}

/** Is told of an object. */
export type OnObject = (event: BlobEvent, parsed: ParsedName | undefined) => void;

/** Follows the object store. Among the first of the checkers, so that the others find it up to date. */
export class CheckpointBook implements Checker {
  readonly invariants: readonly InvariantId[] = [];
  readonly #view: RunView;
  readonly #names = new Map<string, CheckpointNames>();
  readonly #checkpoints = new Map<string, Map<string, KnownCheckpoint>>();
  readonly #owners = new Map<string, number>();
  readonly #references = new Map<string, Set<string>>();
  readonly #onCreated: OnObject[] = [];
  readonly #onDeleted: OnObject[] = [];

  /** @param view The run. */
  constructor(view: RunView) {
    this.#view = view;
    view.blobs.watch({ onCreate: (event) => this.#created(event), onDelete: (event) => this.#deleted(event) });
  }

  /** Is told of each object that was created, once the book knows it. */
  onCreated(listener: OnObject): void {
    this.#onCreated.push(listener);
  }

  /** Is told of each object that was deleted, before the book forgets it. */
  onDeleted(listener: OnObject): void {
    this.#onDeleted.push(listener);
  }

  /** Manifests of a task that were created and not deleted, whatever faults made of them. */
  checkpointsOf(prefix: string): Iterable<KnownCheckpoint> {
    return this.#checkpoints.get(prefix)?.values() ?? [];
  }

  /** Manifests of all tasks that were created and not deleted. */
  *all(): Iterable<KnownCheckpoint> {
    for (const known of this.#checkpoints.values()) yield* known.values();
  }

  /** A checkpoint by the name of its manifest. */
  checkpoint(name: string): KnownCheckpoint | undefined {
    const parsed = this.parse(name);
    return parsed === undefined ? undefined : this.#checkpoints.get(parsed.names.prefix)?.get(name);
  }

  /** The greatest owner token that was ever used for a task. */
  newestOwner(prefix: string): number {
    return this.#owners.get(prefix) ?? 0;
  }

  /** Names of the manifests that are there as they were written and reference a file. */
  referencesTo(name: string): readonly string[] {
    return [...this.#references.get(name) ?? []].filter((manifest) => this.#view.blobs.intact(manifest));
  }

  /** Whether manifest and files are there as they were written. */
  isIntact({ name, manifest }: KnownCheckpoint): boolean {
    const { blobs } = this.#view;
    return blobs.intact(name) && manifest.segments.every((segment) => blobs.intact(segment.name));
  }

  /** Whether a fault may have made a reader believe that something is wrong with a checkpoint. */
  isSuspect({ name, manifest }: KnownCheckpoint): boolean {
    const { blobs } = this.#view;
    return blobs.hasLied(name) || manifest.segments.some((segment) => blobs.hasLied(segment.name));
  }

  /** What is wrong with a visible manifest's files, or `undefined`. Files that a fault has damaged are left out. */
  findFlaw({ manifest }: KnownCheckpoint): string | undefined {
    const { blobs } = this.#view;
    for (const { name, bytes, sha256 } of manifest.segments) {
      if (blobs.damaged.has(name)) continue;
      const content = blobs.peek(name);
      if (content === undefined) return `'${name}' is not there`;
      if (content.length !== bytes) return `'${name}' has ${content.length} bytes instead of ${bytes}`;
      if (sha256Hex(content) !== sha256) return `the content of '${name}' does not have its checksum`;
    }
    return undefined;
  }

  /** Takes a name apart; `undefined` when no checkpoint has such a name. */
  parse(name: string): ParsedName | undefined {
    const prefix = /^[^/]+\/[^/]+\/\d+\//.exec(name)?.[0];
    if (prefix === undefined) return undefined;
    const names = this.#namesOf(prefix);
    const object = names.parse(name);
    return object === undefined ? undefined : { names, object };
  }

  #namesOf(prefix: string): CheckpointNames {
    let names = this.#names.get(prefix);
    if (names === undefined) {
      const [application, subscription, partition] = prefix.split("/").map(unescape);
      const task = { application: application!, subscription: subscription!, partition: Number(partition) };
      this.#names.set(prefix, names = new CheckpointNames(task));
    }
    return names;
  }

  #created(event: BlobEvent): void {
    const parsed = this.parse(event.name);
    if (parsed !== undefined) {
      const { names: { prefix }, object: { ownerToken } } = parsed;
      this.#owners.set(prefix, Math.max(this.newestOwner(prefix), ownerToken));
    }
    if (parsed?.object.kind === "manifest") this.#remember(event.name, parsed.names);
    for (const listener of this.#onCreated) listener(event, parsed);
  }

  #remember(name: string, names: CheckpointNames): void {
    const written = this.#view.blobs.written(name);
    if (written === undefined) return;
    let manifest: CheckpointManifest;
    try {
      ({ manifest } = decodeManifest(written, name, names));
    } catch {
      // Written by somebody else, as another version would; checkers of what may be restored look at these themselves.
      return;
    }
    const { storePosition, segments } = manifest;
    const position = storePosition === null ? undefined : decodePosition(storePosition);
    let known = this.#checkpoints.get(names.prefix);
    if (known === undefined) this.#checkpoints.set(names.prefix, known = new Map());
    known.set(name, { name, manifest, position });
    for (const segment of segments) {
      const references = this.#references.get(segment.name);
      if (references === undefined) this.#references.set(segment.name, new Set([name]));
      else references.add(name);
    }
  }

  #deleted(event: BlobEvent): void {
    const parsed = this.parse(event.name);
    for (const listener of this.#onDeleted) listener(event, parsed);
    if (parsed?.object.kind !== "manifest") return;
    const known = this.#checkpoints.get(parsed.names.prefix);
    const checkpoint = known?.get(event.name);
    if (checkpoint === undefined) return;
    known!.delete(event.name);
    for (const { name } of checkpoint.manifest.segments) {
      const references = this.#references.get(name);
      references?.delete(event.name);
      if (references?.size === 0) this.#references.delete(name);
    }
  }
}

const decoder = new TextDecoder();

/** Undoes what names do with characters that they do not take. */
function unescape(part: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < part.length; at++) {
    if (part[at] !== "=") bytes.push(part.charCodeAt(at));
    else {
      bytes.push(parseInt(part.slice(at + 1, at + 3), 16));
      at += 2;
    }
  }
  return decoder.decode(new Uint8Array(bytes));
}
