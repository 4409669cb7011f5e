/**
 * I-21: a zombie's checkpoint has another owner token in its name; it never removes anything of a higher token; a restore
 * ignores other lineages. Who can see that a later owner has claimed the task creates no manifest and deletes nothing.
 */
import { CheckpointNames, type CheckpointTask } from "../../../lib/core/checkpoint_names.ts";
import type { StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, InvariantId, RunView, SimProcess } from "../contracts.ts";
import type { BlobEvent } from "../stores/sim_blob_store.ts";
import type { CheckpointBook, ParsedName } from "./checkpoint_book.ts";
import { isProcess } from "./checkpoint_objects.ts";
import { describeProcess, lifeKey } from "./seam_handles.ts";

/** Watches under which owner token checkpoints are written and deleted. */
export class CheckpointOwners implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-21"];
  readonly #view: RunView;
  readonly #book: CheckpointBook;
  readonly #holders = new Map<string, { readonly life: number; readonly who: string }>();
  /** Round of retention that a task is in: its owner, and the latest claim that it can see. */
  readonly #rounds = new Map<string, { readonly ownerToken: number; readonly claimed: number }>();
  /** The latest claim that an owner can see when it verifies its upload, by prefix and token. */
  readonly #uploads = new Map<string, number>();

  /**
   * @param view The run.
   * @param book What lies in the object store.
   */
  constructor(view: RunView, book: CheckpointBook) {
    this.#view = view;
    this.#book = book;
    book.onCreated((event, parsed) => this.#created(event, parsed));
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    switch (label) {
      case "checkpoint:begin":
        this.#uploading(namesOf(detail), detail.ownerToken as number);
        return this.#begun(process, detail);
      case "checkpoint:segment-uploaded": {
        const parsed = this.#book.parse(detail.name as string);
        if (parsed !== undefined) this.#uploading(parsed.names, parsed.object.ownerToken);
        return;
      }
      case "retention:begin":
        this.#rounds.set(`${lifeKey(process)} ${taskOf(detail)}`, {
          ownerToken: detail.ownerToken as number,
          claimed: this.#claimed(namesOf(detail)),
        });
        return;
      case "retention:manifest-deleted":
      case "retention:file-deleted":
        return this.#deleted(process, detail.name as string);
    }
  }

  /** An owner token is of one opening of a task, and so of one process. */
  #begun(process: SimProcess, detail: StepDetail): void {
    // Where an operator has deleted everything, tokens begin anew, in another lineage.
    const key = `${taskOf(detail)} ${detail.lineage} ${detail.ownerToken}`;
    const holder = this.#holders.get(key);
    const who = describeProcess(process);
    if (holder === undefined) this.#holders.set(key, { life: lifeKey(process), who });
    else if (holder.life !== lifeKey(process) && !this.#isClaimLost(detail)) {
      this.#view.violate(
        "I-21",
        `two owners of task ${taskOf(detail)} have the token ${detail.ownerToken}: expected one for each, found ` +
          `${holder.who} and ${who}`,
      );
    }
  }

  /** Whether a fault has lost the claim of a token, so that it could be claimed twice. */
  #isClaimLost(detail: StepDetail): boolean {
    return this.#view.blobs.hasLied(namesOf(detail).owner(detail.ownerToken as number));
  }

  /** The latest claim of a task that anybody can see who looks from now on. */
  #claimed(names: CheckpointNames): number {
    const { blobs } = this.#view;
    // Names sort as their tokens do.
    for (const name of blobs.names(names.ownersPrefix).toReversed()) {
      const claimed = blobs.hasLied(name) ? undefined : names.parse(name)?.ownerToken;
      if (claimed !== undefined) return claimed;
    }
    return 0;
  }

  /** An upload is verified after its last file. */
  #uploading(names: CheckpointNames, ownerToken: number): void {
    this.#uploads.set(`${names.prefix} ${ownerToken}`, this.#claimed(names));
  }

  #created({ name, who }: BlobEvent, parsed: ParsedName | undefined): void {
    if (parsed?.object.kind !== "manifest" || !isProcess(who)) return;
    const { names, object: { ownerToken } } = parsed;
    const claimed = this.#uploads.get(`${names.prefix} ${ownerToken}`) ?? 0;
    if (claimed <= ownerToken || this.#view.blobs.hasLied(names.owner(claimed))) return;
    this.#view.violate(
      "I-21",
      `'${who}' created the manifest '${name}' as owner ${ownerToken} though owner ${claimed} had claimed the task before ` +
        `the upload was verified: expected a zombie to end there`,
    );
  }

  #deleted(process: SimProcess, name: string): void {
    const parsed = this.#book.parse(name);
    if (parsed === undefined) return;
    const round = this.#rounds.get(`${lifeKey(process)} ${taskOf({ ...parsed.names.task })}`);
    if (round === undefined) return;
    const { ownerToken, claimed } = round;
    if (claimed > ownerToken && !this.#view.blobs.hasLied(parsed.names.owner(claimed))) {
      this.#view.violate(
        "I-21",
        `${
          describeProcess(process)
        } deleted '${name}' as owner ${ownerToken} though owner ${claimed} had claimed the ` +
          `task before that round of retention: expected a zombie to delete nothing`,
      );
    }
    if (parsed.object.ownerToken <= ownerToken) return;
    this.#view.violate(
      "I-21",
      `${
        describeProcess(process)
      } deleted '${name}' as owner ${ownerToken}: expected nothing to be deleted of a later ` +
        `owner`,
    );
  }
}

function namesOf({ application, subscription, partition }: StepDetail): CheckpointNames {
  return new CheckpointNames({ application, subscription, partition } as CheckpointTask);
}

function taskOf({ application, subscription, partition }: StepDetail): string {
  return `${application}/${subscription}/${partition}`;
}
