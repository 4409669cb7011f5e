/**
 * I-11: per partition at most one task can make an effect visible: who commits for a partition is the member to whom the
 * group gave it, in the generation in which it was given, and owner tokens never go back, so that a paused owner that
 * resumes after a takeover changes nothing.
 */
import type { Change, OffsetEntry } from "../../../lib/embedded/change.ts";
import type { CommittedPosition, GroupMetadata } from "../../../lib/seams/broker.ts";
import type { Checker, InvariantId, RunView, SeamCall } from "../contracts.ts";
import { type CommitHistory, type Committed, describeCommit, describePlace, isOurs } from "./commit_history.ts";
import { describeProcess } from "./seam_handles.ts";

/** Commits of one partition that are remembered, so that one that lands late is known again. */
const REMEMBERED = 16;

/** A commit as it was asked for. */
interface Asked {
  readonly text: string;
  readonly who: string;
  readonly group: GroupMetadata;
}

/** Watches who commits. */
export class Owners implements Checker {
  readonly invariants: readonly InvariantId[] = ["I-11"];
  readonly #view: RunView;
  readonly #asked = new Map<string, Asked[]>();

  /**
   * @param view The run.
   * @param history What the groups have committed.
   */
  constructor(view: RunView, history: CommitHistory) {
    this.#view = view;
    history.onCommit((commit, before) => this.#checkToken(commit, before));
  }

  seam({ kind, method, phase, args, process, incarnation }: SeamCall): void {
    if (phase !== "called" || (method !== "sendOffsets" && (method !== "commit" || kind !== "consumer"))) return;
    const [positions, group] = args as [readonly CommittedPosition[], GroupMetadata];
    const who = describeProcess(process, incarnation);
    for (const { topic, partition, metadata: text } of positions) {
      const key = `${group.groupId}\n${topic}:${partition}`;
      let asked = this.#asked.get(key);
      if (asked === undefined) this.#asked.set(key, asked = []);
      asked.push({ text, who, group });
      if (asked.length > REMEMBERED) asked.shift();
    }
  }

  change(change: Change): void {
    if (change.kind !== "offsets-committed" && change.kind !== "transaction-offsets-staged") return;
    const isOperator = change.kind === "offsets-committed" &&
      this.#view.broker.cluster.state.groups.get(change.groupId)?.members.size === 0;
    // Without members there is nobody to commit: an operator puts back what was committed once.
    if (isOperator) return;
    for (const entry of change.offsets) this.#checkMember(change.groupId, entry);
  }

  /** The broker fences by member and generation; that the member holds the partition is for the library to keep. */
  #checkMember(groupId: string, { topic, partition, metadata, offset }: OffsetEntry): void {
    const asked = this.#asked.get(`${groupId}\n${topic}:${partition}`)?.findLast(({ text }) => text === metadata);
    const group = this.#view.broker.cluster.state.groups.get(groupId);
    const members = group?.members;
    // A group without members may be set by an operator, also to what it held before.
    if (asked === undefined || metadata === "" || members === undefined || members.size === 0) return;
    const { memberId, generation } = asked.group;
    if (generation !== group!.generation) {
      this.#view.violate(
        "I-11",
        `${asked.who} committed offset ${offset} of ${topic}:${partition} of group '${groupId}' in a generation that is ` +
          `over, so that partitions may have changed hands since: expected nothing to come of what was asked in ` +
          `generation ${generation}, found it in generation ${group!.generation}`,
      );
      return;
    }
    const member = members.get(memberId);
    const isHeld = member?.assignment.some(([name, number]) => name === topic && number === partition) ?? false;
    if (isHeld) return;
    this.#view.violate(
      "I-11",
      `${asked.who} committed offset ${offset} of ${topic}:${partition} of group '${groupId}' as member '${memberId}': ` +
        `expected the member that holds it, found one that holds ${
          member?.assignment.map(([name, number]) => `${name}:${number}`).join(", ") || "nothing"
        }`,
    );
  }

  #checkToken(commit: Committed, before: Committed | undefined): void {
    if (!isOurs(commit) || !isOurs(before) || commit.metadata.lineage !== before.metadata.lineage) return;
    const isLate = commit.metadata.commitSequence <= before.metadata.commitSequence;
    if (commit.metadata.ownerToken >= before.metadata.ownerToken || isLate) return;
    this.#view.violate(
      "I-11",
      `an owner that was replaced committed for ${
        describePlace(commit)
      }: expected owner ${before.metadata.ownerToken} or ` +
        `a later one, found ${describeCommit(commit)}`,
    );
  }
}
