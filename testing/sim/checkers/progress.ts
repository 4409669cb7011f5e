/**
 * I-24: within a bounded time of quiet, lag is 0 and all transactions are finished. The run itself waits for it; here is
 * looked whether it holds then, record by record.
 *
 * I-28 (in part): a task that a full disk has stopped goes on once there is space, and the others meanwhile.
 */
import type { Checker, InvariantId, RunView } from "../contracts.ts";
import { type CommitHistory, describePlace } from "./commit_history.ts";
import type { SeamHandles } from "./seam_handles.ts";

/** Looks whether everything has been processed. */
export class Progress implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-24", "I-28"];
  readonly #view: RunView;
  readonly #history: CommitHistory;
  readonly #handles: SeamHandles;

  /**
   * @param view The run.
   * @param parts What was committed, who is who.
   */
  constructor(view: RunView, parts: { readonly history: CommitHistory; readonly handles: SeamHandles }) {
    this.#view = view;
    this.#history = parts.history;
    this.#handles = parts.handles;
  }

  quiet(): void {
    this.#checkTransactions();
    for (const [groupId, topics] of this.#handles.groups()) {
      for (const topic of topics) this.#checkTopic(groupId, topic);
    }
  }

  end(): void {
    this.quiet();
  }

  #checkTransactions(): void {
    for (const { transactionalId, status } of this.#view.broker.cluster.state.transactions.values()) {
      if (status !== "Ongoing" && !status.startsWith("Prepare")) continue;
      this.#view.violate(
        "I-24",
        `the transaction of '${transactionalId}' is not finished: expected none to be open when all is quiet, found ${status}`,
      );
    }
  }

  #checkTopic(groupId: string, topic: string): void {
    const { cluster } = this.#view.broker;
    for (const [partition, log] of cluster.state.topics.get(topic)?.logs.entries() ?? []) {
      if (this.#view.excused.has(`${topic}:${partition}`)) continue;
      const offset = this.#history.of(groupId, topic, partition)?.offset;
      const from = Math.max(offset ?? 0, log.logStart);
      const bounds = { from, maxRecords: 1, maxBytes: Infinity, isCommitted: true };
      const reply = cluster.fetch({ topic, partition }, bounds);
      // Control records and gaps behind the last record are no lag.
      if (reply.kind === "done" && (reply.value === null || reply.value.records.count === 0)) continue;
      this.#view.violate(
        "I-24",
        `records of ${
          describePlace({ groupId, topic, partition })
        } are not processed: expected a committed offset past ` +
          `the last record, found ${offset ?? "none"}; the log holds [${log.logStart}, ${log.lastStableOffset})`,
      );
    }
  }
}
