import type { Change, OffsetEntry } from "../../../lib/embedded/change.ts";
import { partitionKey } from "../../../lib/embedded/cluster_state.ts";
import type { RunView } from "../contracts.ts";

/**
 * Tells of each offset that a group commits, plainly or by a transaction, as it is written: nothing is decoded.
 */
export class CommittedEntries {
  readonly #view: RunView;
  readonly #groupId: string;
  readonly #tell: (entry: OffsetEntry) => void;
  /** Offsets of open transactions, by transactional id, then by partition. */
  readonly #staged = new Map<string, Map<string, OffsetEntry>>();

  /**
   * @param view The run.
   * @param groupId Consumer group.
   * @param tell Is told of each offset when it is committed.
   */
  constructor(view: RunView, groupId: string, tell: (entry: OffsetEntry) => void) {
    this.#view = view;
    this.#groupId = groupId;
    this.#tell = tell;
  }

  /** Takes in a change of the broker. */
  change(change: Change): void {
    if (!("groupId" in change) || change.groupId !== this.#groupId) return;
    switch (change.kind) {
      case "offsets-committed":
        return change.offsets.forEach(this.#tell);
      case "transaction-offsets-staged": {
        const staged = this.#staged.get(change.transactionalId) ?? new Map<string, OffsetEntry>();
        for (const entry of change.offsets) staged.set(partitionKey(entry.topic, entry.partition), entry);
        this.#staged.set(change.transactionalId, staged);
        return;
      }
      case "transaction-offsets-resolved": {
        const staged = this.#staged.get(change.transactionalId);
        this.#staged.delete(change.transactionalId);
        // The status stays until all markers are written.
        const { status } = this.#view.broker.cluster.state.transactions.get(change.transactionalId) ?? {};
        if (status === "PrepareCommit") staged?.forEach(this.#tell);
        return;
      }
    }
  }
}
