/** What the groups have committed, decoded once for all checkers. */
import { type CommitMetadata, decodeCommitMetadata, type ReadMetadata } from "../../../lib/core/commit_metadata.ts";
import type { Change, OffsetEntry } from "../../../lib/embedded/change.ts";
import { partitionKey } from "../../../lib/embedded/cluster_state.ts";
import type { Checker, InvariantId, RunView } from "../contracts.ts";

/** One committed offset of one partition. */
export interface Committed {
  /** Consumer group. */
  readonly groupId: string;
  /** Topic. */
  readonly topic: string;
  /** Partition. */
  readonly partition: number;
  /** Next offset to read. */
  readonly offset: number;
  /** Metadata as it was written. */
  readonly text: string;
  /** What it says. */
  readonly metadata: ReadMetadata;
  /** Whether it was committed by a transaction, plainly, or by an operator. */
  readonly via: "plain" | "transaction";
  /** When, simulated. */
  readonly atMs: number;
}

/** A committed offset whose metadata is of this library. */
export type OurCommit = Committed & { readonly metadata: { readonly kind: "ours" } & CommitMetadata };

/** Whether a commit was made by this library. */
export function isOurs(commit: Committed | undefined): commit is OurCommit {
  return commit?.metadata.kind === "ours";
}

/** Text for messages: where a commit stands. */
export function describeCommit(commit: Committed | undefined): string {
  if (commit === undefined) return "nothing";
  const { offset, metadata } = commit;
  if (metadata.kind !== "ours") return `offset ${offset} with ${metadata.kind} metadata`;
  return `offset ${offset}, sequence ${metadata.commitSequence}, lineage ${metadata.lineage}, owner ${metadata.ownerToken}`;
}

/** Text for messages: a partition of a group. */
export function describePlace(place: { groupId: string; topic: string; partition: number }): string {
  return `${place.topic}:${place.partition} of group '${place.groupId}'`;
}

/** Is told of a commit when it becomes visible. */
export type OnCommit = (commit: Committed, before: Committed | undefined) => void;

/**
 * Follows the changes of the broker and knows what each group has committed, now and ever. The first of the checkers, so
 * that the others find it up to date.
 */
export class CommitHistory implements Checker {
  readonly invariants: readonly InvariantId[] = [];
  readonly #view: RunView;
  readonly #now = new Map<string, Committed>();
  readonly #staged = new Map<string, Map<string, Committed>>();
  /** Commits that are decided and not visible yet. */
  readonly #decided = new Map<string, Committed>();
  /** Offsets that were committed under a sequence of a lineage. */
  readonly #ever = new Map<string, number[]>();
  readonly #listeners: OnCommit[] = [];
  readonly #deleted = new Map<string, number>();

  /** @param view The run. */
  constructor(view: RunView) {
    this.#view = view;
  }

  /** Is told of each commit from now on. */
  onCommit(listener: OnCommit): void {
    this.#listeners.push(listener);
  }

  /** What a group has committed for a partition. */
  of(groupId: string, topic: string, partition: number): Committed | undefined {
    return this.#now.get(`${groupId}\n${partitionKey(topic, partition)}`);
  }

  /** The same, counting a commit that is decided though its transaction still waits for its markers. */
  decidedOf(groupId: string, topic: string, partition: number): Committed | undefined {
    return this.#decided.get(`${groupId}\n${partitionKey(topic, partition)}`) ?? this.of(groupId, topic, partition);
  }

  /** How often committed offsets of a partition were deleted: they expired, or the topic is gone. */
  deletions(groupId: string, topic: string, partition: number): number {
    return this.#deleted.get(`${groupId}\n${partitionKey(topic, partition)}`) ?? 0;
  }

  /** Whether a commit of this lineage and sequence has ever been decided at this offset. */
  hasBeen(place: { groupId: string; topic: string; partition: number }, at: {
    readonly lineage: string;
    readonly commitSequence: number;
    readonly offset: number;
  }): boolean {
    const { groupId, topic, partition } = place;
    const key = `${groupId}\n${partitionKey(topic, partition)}\n${at.lineage}\n${at.commitSequence}`;
    return this.#ever.get(key)?.includes(at.offset) ?? false;
  }

  change(change: Change): void {
    switch (change.kind) {
      case "offsets-committed":
        for (const entry of change.offsets) this.#commit(this.#read(change.groupId, entry, "plain"));
        return;
      case "transaction-offsets-staged":
        return this.#stage(change.transactionalId, change.groupId, change.offsets);
      case "transaction-prepared":
        if (change.isCommit) this.#decide(change.transactionalId);
        return;
      case "transaction-offsets-resolved":
        return this.#resolve(change.transactionalId, change.groupId);
      case "offsets-deleted":
        for (const [topic, partition] of change.partitions) this.#delete(change.groupId, topic, partition);
        return;
      case "group-deleted":
      case "topic-deleted":
        if (change.kind === "topic-deleted") this.#unstage(change.topic);
        for (const { groupId, topic, partition } of [...this.#now.values()]) {
          const isGone = change.kind === "group-deleted" ? groupId === change.groupId : topic === change.topic;
          if (isGone) this.#delete(groupId, topic, partition);
        }
        return;
    }
  }

  #read(groupId: string, entry: OffsetEntry, via: Committed["via"]): Committed {
    const { topic, partition, offset, metadata: text } = entry;
    const metadata = decodeCommitMetadata(text);
    return { groupId, topic, partition, offset, text, metadata, via, atMs: this.#view.nowMs };
  }

  #stage(transactionalId: string, groupId: string, offsets: readonly OffsetEntry[]): void {
    const key = `${transactionalId}\n${groupId}`;
    let staged = this.#staged.get(key);
    if (staged === undefined) this.#staged.set(key, staged = new Map());
    for (const entry of offsets) {
      staged.set(partitionKey(entry.topic, entry.partition), this.#read(groupId, entry, "transaction"));
    }
  }

  #unstage(topic: string): void {
    for (const staged of this.#staged.values()) {
      for (const [key, commit] of staged) if (commit.topic === topic) staged.delete(key);
    }
  }

  /** From here on it cannot be undone, though nobody sees it before the markers are written. */
  #decide(transactionalId: string): void {
    const prefix = `${transactionalId}\n`;
    for (const [key, staged] of this.#staged) {
      if (!key.startsWith(prefix)) continue;
      for (const commit of staged.values()) {
        this.#decided.set(`${commit.groupId}\n${partitionKey(commit.topic, commit.partition)}`, commit);
        this.#note(commit);
      }
    }
  }

  #resolve(transactionalId: string, groupId: string): void {
    const key = `${transactionalId}\n${groupId}`;
    const staged = this.#staged.get(key);
    this.#staged.delete(key);
    // The status is Prepare* until all markers are written.
    const { state } = this.#view.broker.cluster;
    if (staged === undefined || state.transactions.get(transactionalId)?.status !== "PrepareCommit") return;
    for (const commit of staged.values()) {
      if (state.topics.has(commit.topic)) this.#commit({ ...commit, atMs: this.#view.nowMs });
    }
  }

  #commit(commit: Committed): void {
    const { groupId, topic, partition } = commit;
    const key = `${groupId}\n${partitionKey(topic, partition)}`;
    const before = this.#now.get(key);
    this.#now.set(key, commit);
    this.#decided.delete(key);
    this.#note(commit);
    for (const listener of this.#listeners) listener(commit, before);
  }

  #note({ groupId, topic, partition, offset, metadata }: Committed): void {
    if (metadata.kind !== "ours") return;
    const at = `${groupId}\n${partitionKey(topic, partition)}\n${metadata.lineage}\n${metadata.commitSequence}`;
    const known = this.#ever.get(at);
    if (known === undefined) this.#ever.set(at, [offset]);
    else if (!known.includes(offset)) known.push(offset);
  }

  #delete(groupId: string, topic: string, partition: number): void {
    const key = `${groupId}\n${partitionKey(topic, partition)}`;
    this.#decided.delete(key);
    if (!this.#now.delete(key)) return;
    this.#deleted.set(key, (this.#deleted.get(key) ?? 0) + 1);
  }
}
