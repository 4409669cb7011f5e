/**
 * I-15: a visible manifest implies that all its files exist with the stated size and checksum. (One thing nobody can
 * prevent: the manifest of a zombie comes after a later owner has collected its files as torn. Everybody passes it over.)
 * A file that was never stored as it was written, whatever the object store said, is seen by whoever looks before the
 * manifest is created; what happens to a file later is not.
 *
 * I-16: no object is ever overwritten, and no name stands for two contents. (An upload that is tried again after its object
 * has been collected writes the same bytes once more.)
 */
import { sha256Hex } from "../../../lib/base/sha256.ts";
import type { Checker, InvariantId, RunView } from "../contracts.ts";
import type { BlobEvent } from "../stores/sim_blob_store.ts";
import { CheckpointNames } from "../../../lib/core/checkpoint_names.ts";
import type { CheckpointBook, KnownCheckpoint, ParsedName } from "./checkpoint_book.ts";

/** Watches what is created in the object store. */
export class CheckpointObjects implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-15", "I-16"];
  readonly #view: RunView;
  readonly #book: CheckpointBook;
  /** Every name that was ever created by a process, by whom, and the checksum of its content. */
  readonly #ever = new Map<string, { readonly who: string; readonly checksum: string; isDeleted: boolean }>();

  /**
   * @param view The run.
   * @param book What lies in the object store.
   */
  constructor(view: RunView, book: CheckpointBook) {
    this.#view = view;
    this.#book = book;
    book.onCreated((event, parsed) => this.#created(event, parsed));
    book.onDeleted((event) => {
      const known = this.#ever.get(event.name);
      // What an operator has deleted may be made anew.
      if (!isProcess(event.who)) this.#ever.delete(event.name);
      else if (known !== undefined) known.isDeleted = true;
    });
  }

  /** All manifests that are there, once more: nothing may have come apart meanwhile. */
  quiet(): void {
    for (const { name, manifest } of this.#book.all()) {
      // What an operator or a fault has taken away is not missed.
      const isVisible = this.#view.blobs.peek(name) !== undefined;
      const isOurs = isVisible && this.#ever.has(name) &&
        manifest.segments.every((segment) => this.#ever.has(segment.name));
      if (isOurs && !this.#view.blobs.damaged.has(name)) this.#checkFiles(name);
    }
  }

  end(): void {
    this.quiet();
  }

  #created({ name, who }: BlobEvent, parsed: ParsedName | undefined): void {
    if (!isProcess(who)) return;
    const before = this.#ever.get(name);
    const checksum = sha256Hex(this.#view.blobs.written(name)!);
    this.#ever.set(name, { who, checksum, isDeleted: false });
    // What a fault has lost is not there: its name is free as far as anybody can know.
    const isFree = before === undefined || (!before.isDeleted && this.#view.blobs.hasLied(name));
    if (!isFree && (before.who !== who || before.checksum !== checksum)) {
      this.#view.violate(
        "I-16",
        `the name '${name}' was used twice: expected a new name for each object, found one that '${before.who}' had ` +
          `created, now by '${who}' with ${before.checksum === checksum ? "the same" : "another"} content`,
      );
    }
    if (parsed === undefined) {
      this.#view.violate(
        "I-16",
        `'${who}' created '${name}': expected a name as checkpoints have it, which one place derives`,
      );
    } else if (parsed.object.kind === "manifest") {
      this.#checkFiles(name);
      this.#checkUploads(name);
    }
  }

  /** Files that a fault has torn or lost in their upload. */
  #checkUploads(name: string): void {
    for (const segment of this.#book.checkpoint(name)?.manifest.segments ?? []) {
      const kind = this.#view.blobs.damaged.get(segment.name)?.kind;
      if (kind !== "S10" && kind !== "S11") continue;
      const found = this.#view.blobs.peek(segment.name)?.length ?? 0;
      this.#view.violate(
        "I-15",
        `the manifest '${name}' was created though ${kind} has struck the upload of its file '${segment.name}': expected ` +
          `${segment.bytes} bytes to be there, found ${found}`,
      );
    }
  }

  #checkFiles(name: string): void {
    const checkpoint = this.#book.checkpoint(name);
    const flaw = checkpoint === undefined ? "it cannot be read as it was written" : this.#book.findFlaw(checkpoint);
    if (flaw === undefined) return;
    if (checkpoint !== undefined && this.#isZombies(checkpoint)) {
      this.#view.mark("a zombie's manifest has come after its files were collected");
      return;
    }
    this.#view.violate("I-15", `the manifest '${name}' is visible without all its files: ${flaw}`);
  }

  /** Whether a file of it was collected under the eyes of a later owner, and all that are there are as they should be. */
  #isZombies({ manifest }: KnownCheckpoint): boolean {
    const { application, subscription, partition, ownerToken } = manifest;
    const { prefix } = new CheckpointNames({ application, subscription, partition });
    if (this.#book.newestOwner(prefix) <= ownerToken) return false;
    const missing = manifest.segments.filter(({ name }) => this.#view.blobs.peek(name) === undefined);
    return missing.length > 0 && missing.every(({ name }) => this.#ever.get(name)?.isDeleted === true);
  }
}

/** Whether a process of the job did something, and no operator. */
export function isProcess(who: string): boolean {
  return who.startsWith("process-");
}
