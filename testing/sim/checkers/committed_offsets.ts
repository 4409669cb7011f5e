/**
 * I-08: exactly-once, committed offsets and commit sequences never go back within a lineage; at-least-once, what a late
 * commit took back is healed by the next one. A lineage ends only by a reset, a rebuild or a loss that a fault explains.
 */
import type { LogLevel, StepDetail } from "../../../lib/seams/observer.ts";
import type { Change } from "../../../lib/embedded/change.ts";
import { findLog } from "../../../lib/embedded/cluster_state.ts";
import type { Checker, InvariantId, RunView, SimProcess } from "../contracts.ts";
import {
  type CommitHistory,
  type Committed,
  describeCommit,
  describePlace,
  isOurs,
  type OurCommit,
} from "./commit_history.ts";

/** What a partition of a group went through. */
interface Chain {
  /** The newest commit, leaving late ones out. */
  high: OurCommit;
  /** Whether a late commit has taken the group back since. */
  isBehind: boolean;
  /** Offsets that were deleted before the newest commit. */
  deletions: number;
}

/** Watches what the groups commit. */
export class CommittedOffsets implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-08"];
  readonly #view: RunView;
  readonly #history: CommitHistory;
  readonly #chains = new Map<string, Chain>();
  /** Partitions whose task said that it begins anew, as an option allows. */
  readonly #renewals = new Set<string>();
  readonly #truncated = new Set<string>();
  /** What is committed for a topic that was deleted may belong to the one before. */
  readonly #deleted = new Set<string>();

  /**
   * @param view The run.
   * @param history What the groups have committed.
   */
  constructor(view: RunView, history: CommitHistory) {
    this.#view = view;
    this.#history = history;
    history.onCommit((commit, before) => this.#committed(commit, before));
  }

  change(change: Change): void {
    if (change.kind === "log-truncated") this.#truncated.add(`${change.topic}:${change.partition}`);
    else if (change.kind === "topic-deleted") this.#deleted.add(change.topic);
  }

  log(_process: SimProcess, _level: LogLevel, message: string, detail: StepDetail): void {
    if (message.includes("as 'onCrashRecovery' says")) this.#renewals.add(`${detail.subscription}:${detail.partition}`);
  }

  quiet(): void {
    for (const { high, isBehind } of this.#chains.values()) {
      const { groupId, topic, partition } = high;
      if (!isBehind || this.#view.excused.has(`${topic}:${partition}`)) continue;
      const now = this.#history.of(groupId, topic, partition);
      if (now === undefined || now.offset >= high.offset) continue;
      this.#view.violate(
        "I-08",
        `the committed offset of ${
          describePlace(high)
        } was taken back by a late commit and never healed: expected at ` +
          `least ${describeCommit(high)}, found ${describeCommit(now)}`,
      );
    }
  }

  #committed(commit: Committed, before: Committed | undefined): void {
    const { groupId, topic, partition, offset } = commit;
    this.#checkBounds(commit);
    const key = `${groupId}\n${topic}:${partition}`;
    if (!isOurs(commit)) {
      // An operator has set the offset: the next commit begins a new lineage.
      this.#chains.delete(key);
      return;
    }
    const deletions = this.#history.deletions(groupId, topic, partition);
    const chain = this.#chains.get(key);
    if (chain === undefined || !isOurs(before) || chain.deletions !== deletions) {
      this.#chains.set(key, { high: commit, isBehind: false, deletions });
      return;
    }
    const { high } = chain;
    if (high.metadata.lineage !== commit.metadata.lineage) return this.#renewed(chain, commit);
    const step = commit.metadata.commitSequence - high.metadata.commitSequence;
    if (commit.via === "transaction") {
      if (step !== 1 || offset < high.offset) this.#fail(high, commit, "the next sequence at the same offset or above");
    } else if (step <= 0) {
      if (step < 0 || offset !== high.offset) this.#view.mark("a late offset commit has landed");
      chain.isBehind = offset < high.offset;
      return;
    } else if (offset < high.offset) {
      this.#fail(high, commit, "the same offset or above, as a commit in order heals a late one");
    }
    chain.high = commit;
    chain.isBehind = false;
  }

  #renewed(chain: Chain, commit: OurCommit): void {
    const { topic, partition, groupId } = commit;
    const subscription = groupId.slice(groupId.lastIndexOf(".") + 1);
    const isKnown = this.#renewals.delete(`${subscription}:${partition}`) ||
      this.#view.excused.has(`${topic}:${partition}`);
    if (!isKnown) this.#fail(chain.high, commit, "the same lineage, as nobody has reset it");
    chain.high = commit;
    chain.isBehind = false;
  }

  /** What is committed has been read, and lies in the log. */
  #checkBounds(commit: Committed): void {
    const { topic, partition, offset } = commit;
    const log = findLog(this.#view.broker.cluster.state, topic, partition);
    if (log === undefined || !isOurs(commit)) return;
    const place = `${topic}:${partition}`;
    if (offset <= log.lastStableOffset || this.#truncated.has(place) || this.#view.excused.has(place)) return;
    if (this.#deleted.has(topic)) return;
    this.#view.violate(
      "I-03",
      `more of ${
        describePlace(commit)
      } was committed than can be read: expected at most ${log.lastStableOffset}, where ` +
        `undecided records begin, found ${describeCommit(commit)}`,
    );
  }

  #fail(before: Committed, after: Committed, expected: string): void {
    // An operator may have set the offset to what an older export holds.
    if (this.#view.excused.has(`${after.topic}:${after.partition}`)) return;
    this.#view.violate(
      "I-08",
      `the commits of ${describePlace(after)} do not follow each other: expected ${expected} after ` +
        `${describeCommit(before)}, found ${describeCommit(after)}`,
    );
  }
}
