/**
 * I-15: a visible manifest implies that all its files exist with the stated size and checksum.
 *
 * I-16: no object is ever overwritten, and no name is used twice.
 */
import type { Checker, InvariantId, RunView } from "../contracts.ts";
import type { BlobEvent } from "../stores/sim_blob_store.ts";
import type { CheckpointBook, ParsedName } from "./checkpoint_book.ts";

/** Watches what is created in the object store. */
export class CheckpointObjects implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-15", "I-16"];
  readonly #view: RunView;
  readonly #book: CheckpointBook;
  /** Every name that was ever created, and by whom. */
  readonly #ever = new Map<string, string>();

  /**
   * @param view The run.
   * @param book What lies in the object store.
   */
  constructor(view: RunView, book: CheckpointBook) {
    this.#view = view;
    this.#book = book;
    book.onCreated((event, parsed) => this.#created(event, parsed));
  }

  /** All manifests that are there, once more: nothing may have come apart meanwhile. */
  quiet(): void {
    for (const name of this.#view.blobs.names()) {
      const checkpoint = this.#book.checkpoint(name);
      if (checkpoint !== undefined && !this.#view.blobs.damaged.has(name)) this.#checkFiles(name);
    }
  }

  end(): void {
    this.quiet();
  }

  #created({ name, who }: BlobEvent, parsed: ParsedName | undefined): void {
    const before = this.#ever.get(name);
    this.#ever.set(name, who);
    if (before !== undefined) {
      this.#view.violate(
        "I-16",
        `the name '${name}' was used twice: expected a new name for each object, found one that '${before}' had created, ` +
          `now by '${who}'`,
      );
    }
    if (parsed === undefined) {
      this.#view.violate(
        "I-16",
        `'${who}' created '${name}': expected a name as checkpoints have it, which one place derives`,
      );
    } else if (parsed.object.kind === "manifest") this.#checkFiles(name);
  }

  #checkFiles(name: string): void {
    const checkpoint = this.#book.checkpoint(name);
    const flaw = checkpoint === undefined ? "it cannot be read as it was written" : this.#book.findFlaw(checkpoint);
    if (flaw === undefined) return;
    this.#view.violate("I-15", `the manifest '${name}' is visible without all its files: ${flaw}`);
  }
}
