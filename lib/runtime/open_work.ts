import { invariant } from "../base/assert.ts";
import { type CommitExtension, type CommitPoint, type OpenCommit, OpenCommits } from "../core/open_commits.ts";
import { CommitOutputs } from "./commit_outputs.ts";

/** State with a layer for each open commit. */
export interface LayeredState {
  /** Begins the layer that takes what is written from now on. */
  begin(): void;
  /** The oldest layer joins what is committed. */
  applyOldest(): void;
  /** Drops all layers, newest first. */
  abortAll(): void;
}

/** A commit that takes no more batches, and what it produces. */
export interface SealedWork {
  /** What is in it. */
  readonly commit: OpenCommit;
  /** What is produced. */
  readonly outputs: CommitOutputs;
}

/**
 * What a task has processed and not committed: each open commit with its outputs and its layer of state. The three are
 * begun, applied and dropped together, and only here.
 */
export class OpenWork {
  readonly #state: LayeredState;
  readonly #commits: OpenCommits;
  readonly #outputs = new Map<number, CommitOutputs>();

  /**
   * @param state State of the task, without open layers.
   * @param committed Where the task stands.
   */
  constructor(state: LayeredState, committed: CommitPoint) {
    this.#state = state;
    this.#commits = new OpenCommits(committed);
  }

  /** Where the last commit that is known to have happened ended. */
  get committed(): CommitPoint {
    return this.#commits.committed;
  }

  /** Where processing stands. */
  get head(): CommitPoint {
    return this.#commits.head;
  }

  /** The commit whose outcome is waited for next, if any. */
  get oldest(): OpenCommit | undefined {
    return this.#commits.oldest;
  }

  /** Rows that are processed and not committed. */
  get rows(): number {
    return this.#commits.commits.reduce((sum, each) => sum + each.rows, 0);
  }

  /** Bytes of output that are not committed, about. */
  get bytes(): number {
    let bytes = 0;
    for (const outputs of this.#outputs.values()) bytes += outputs.bytes;
    return bytes;
  }

  /** Outputs of the commit that takes the next batch; opens its layer of state when there is none. */
  begin(): CommitOutputs {
    const sequence = this.#commits.accumulating?.sequence ?? this.#commits.head.sequence + 1;
    let outputs = this.#outputs.get(sequence);
    if (outputs === undefined) {
      this.#outputs.set(sequence, outputs = new CommitOutputs());
      this.#state.begin();
    }
    return outputs;
  }

  /** Adds what was processed since {@linkcode OpenWork.begin}. @param more Where it ends, and what was decided. */
  extend(more: CommitExtension): void {
    invariant(
      this.#outputs.has(this.#commits.accumulating?.sequence ?? this.#commits.head.sequence + 1),
      "a batch joins a commit that was begun before it was processed",
    );
    this.#commits.extend(more);
  }

  /** Closes the commit that takes batches. @returns It, or `undefined` when there is none. */
  seal(): SealedWork | undefined {
    const commit = this.#commits.seal();
    return commit && { commit, outputs: this.#outputs.get(commit.sequence)! };
  }

  /** The oldest commit has happened. @param sequence Number of the commit that has. */
  apply(sequence: number): void {
    const resolved = this.#commits.resolveOldest("applied");
    invariant(resolved.sequence === sequence, `I-03: commit ${sequence} was applied out of order`);
    this.#state.applyOldest();
    this.#outputs.delete(sequence);
  }

  /** Drops everything. @returns Where to process again from, or `undefined` when nothing was open. */
  abortAll(): CommitPoint | undefined {
    if (this.#commits.oldest === undefined) return undefined;
    const { rewindTo } = this.#commits.abortAll();
    this.#state.abortAll();
    this.#outputs.clear();
    return rewindTo;
  }

  /** Forgets decisions that no replay needs. @param position Position of the oldest retained checkpoint. */
  trimJournal(position: bigint): void {
    this.#commits.trimJournal(position);
  }
}
