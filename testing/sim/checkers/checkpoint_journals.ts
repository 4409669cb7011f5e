/**
 * I-18 (in part): of n checkpoints that are retained n - 1 may turn out damaged, so the decisions that a commit carries
 * reach back to the oldest of them: what comes after them could not be replayed otherwise.
 */
import { compareManifests } from "../../../lib/core/checkpoint_manifest.ts";
import type { Checker, InvariantId, RunView } from "../contracts.ts";
import type { CheckpointBook, KnownCheckpoint } from "./checkpoint_book.ts";
import { type CommitHistory, type Committed, describePlace, isOurs, type OurCommit } from "./commit_history.ts";

/** Watches how far back the decision journals of commits reach. */
export class CheckpointJournals implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-18"];
  readonly #view: RunView;
  readonly #book: CheckpointBook;

  /**
   * @param view The run.
   * @param parts What lies in the object store, what was committed.
   */
  constructor(view: RunView, parts: { readonly book: CheckpointBook; readonly history: CommitHistory }) {
    this.#view = view;
    this.#book = parts.book;
    parts.history.onCommit((commit) => this.#committed(commit));
  }

  #committed(commit: Committed): void {
    if (!isOurs(commit) || commit.metadata.ownerToken === 0) return;
    const retained = this.#retained(commit);
    const { topic, partition, metadata: { journal, ownerToken } } = commit;
    for (const { name, position } of retained) {
      const at = position?.offsets.find((each) => each.topic === topic && each.partition === partition);
      if (at === undefined || at.offset >= journal.from) continue;
      this.#view.violate(
        "I-18",
        `the commit of ${
          describePlace(commit)
        } at ${commit.offset} by owner ${ownerToken} carries no decisions from before ` +
          `${journal.from}: expected them to reach back to the checkpoint '${name}' at ${at.offset}, one of the newest ` +
          `${retained.length}`,
      );
      return;
    }
  }

  /** The newest checkpoints of the commit's own owner that nothing is wrong with; those of zombies come at any time. */
  #retained({ groupId, partition, metadata }: OurCommit): readonly KnownCheckpoint[] {
    const own: KnownCheckpoint[] = [];
    for (const checkpoint of this.#book.all()) {
      const { application, subscription, partition: number, lineage, ownerToken } = checkpoint.manifest;
      if (ownerToken !== metadata.ownerToken || lineage !== metadata.lineage || number !== partition) continue;
      if (`${application}.${subscription}` !== groupId || this.#book.isSuspect(checkpoint)) continue;
      if (this.#book.isIntact(checkpoint)) own.push(checkpoint);
    }
    own.sort((left, right) => compareManifests(right.manifest, left.manifest));
    return own.slice(0, this.#view.options.retainedCheckpoints);
  }
}
