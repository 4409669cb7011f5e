/**
 * I-21: a zombie's checkpoint has another owner token in its name; it never removes anything of a higher token; a restore
 * ignores other lineages.
 */
import { CheckpointNames, type CheckpointTask } from "../../../lib/core/checkpoint_names.ts";
import type { StepDetail, StepLabel } from "../../../lib/seams/observer.ts";
import type { Checker, InvariantId, RunView, SimProcess } from "../contracts.ts";
import type { CheckpointBook } from "./checkpoint_book.ts";
import { describeProcess, lifeKey } from "./seam_handles.ts";

/** Watches under which owner token checkpoints are written and deleted. */
export class CheckpointOwners implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-21"];
  readonly #view: RunView;
  readonly #book: CheckpointBook;
  readonly #holders = new Map<string, { readonly life: number; readonly who: string }>();
  /** Token of the round of retention that a task is in. */
  readonly #rounds = new Map<string, number>();

  /**
   * @param view The run.
   * @param book What lies in the object store.
   */
  constructor(view: RunView, book: CheckpointBook) {
    this.#view = view;
    this.#book = book;
  }

  step(process: SimProcess, label: StepLabel, detail: StepDetail): void {
    switch (label) {
      case "checkpoint:begin":
        return this.#begun(process, detail);
      case "retention:begin":
        this.#rounds.set(`${lifeKey(process)} ${taskOf(detail)}`, detail.ownerToken as number);
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
  #isClaimLost({ application, subscription, partition, ownerToken }: StepDetail): boolean {
    const task = { application, subscription, partition } as CheckpointTask;
    return this.#view.blobs.hasLied(new CheckpointNames(task).owner(ownerToken as number));
  }

  #deleted(process: SimProcess, name: string): void {
    const parsed = this.#book.parse(name);
    if (parsed === undefined) return;
    const { application, subscription, partition } = parsed.names.task;
    const ownerToken = this.#rounds.get(`${lifeKey(process)} ${application}/${subscription}/${partition}`);
    if (ownerToken === undefined || parsed.object.ownerToken <= ownerToken) return;
    this.#view.violate(
      "I-21",
      `${
        describeProcess(process)
      } deleted '${name}' as owner ${ownerToken}: expected nothing to be deleted of a later ` +
        `owner`,
    );
  }
}

function taskOf({ application, subscription, partition }: StepDetail): string {
  return `${application}/${subscription}/${partition}`;
}
