import {
  CheckpointIncompatibleError,
  OffsetOutOfRangeError,
  RecoveryImpossibleError,
  type StreamErrorOptions,
} from "../base/errors.ts";
import { invariant } from "../base/assert.ts";
import { type CommitMetadata, decodeCommitMetadata } from "./commit_metadata.ts";
import { checkedPlan } from "./checked_plan.ts";
import { witnessOf } from "./commit_witness.ts";
import { DecisionJournal } from "./decision_journal.ts";
import { offsetOf, type TaskPosition } from "./position.ts";
import type { RecoveryInput, RecoveryPlan, StateCandidate } from "./recovery_input.ts";
import { hasGoneThrough } from "./task_history.ts";
import { isOfPresentTopic, otherTopicError } from "./topic_incarnation.ts";

/** A state that could be taken. */
interface Stored {
  readonly candidate: StateCandidate;
  readonly position: TaskPosition;
  readonly offset: bigint;
}

/**
 * Chooses the state to take and where to go on, from what was found. Nothing is reset silently: whatever cannot be kept
 * is an error that names the option which decides, or a warning.
 *
 * 1. The state is the greatest position of the current lineage whose replay the log and the decision journal allow: in
 *    [log start, committed] exactly-once, in [log start, log end] at-least-once. Of equal ones the local store is taken.
 *    Empty state at the lineage's origin is such a position too. A state below the committed offset at which something
 *    else was decided than on the way there is of another history, as after a group was put back, and is not used.
 * 2. At-least-once, a state above the committed offset is legal (a late offset commit moved that back): live there, and
 *    commit again.
 * 3. No usable state: `onCrashRecovery` decides. A rebuilt or emptied state begins a new lineage.
 * 4. Committed offset without metadata of ours: an operator's reset. A new lineage, without task time (never 0).
 * 5. No committed offset: a fresh start, if there is no state either. Else at-least-once goes on from its state, loudly, and
 *    exactly-once stops unless `onCrashRecovery` says otherwise.
 *
 * @param input What was found.
 * @throws {OffsetOutOfRangeError} when the log no longer (or not yet) holds the committed offset or what a replay needs.
 * @throws {RecoveryImpossibleError} when no state reaches the committed offset and no option decides.
 * @throws {CheckpointIncompatibleError} when state or metadata is of another topic, also of one that had the same name, or
 * of a newer version.
 */
export function recoveryPlan(input: RecoveryInput): RecoveryPlan {
  return checkedPlan(input, chosenPlan(input));
}

function chosenPlan(input: RecoveryInput): RecoveryPlan {
  const { committed, log } = input;
  if (committed !== undefined && (committed.offset < log.logStart || committed.offset > log.logEnd)) {
    throw outOfRange(input, `the committed offset ${committed.offset}`);
  }
  const stored = input.hasState ? storedStates(input) : [];
  if (committed === undefined) return planWithoutOffset(input, stored);
  const metadata = decodeCommitMetadata(committed.metadata);
  if (metadata.kind === "ours") {
    const { offset, leaderEpoch = -1 } = committed;
    return planOrdinary(input, { stored, metadata, committed: offset, leaderEpoch });
  }
  if (metadata.kind === "foreign" && metadata.isNewer) {
    throw new CheckpointIncompatibleError(
      `Cannot recover ${input.task} as its committed offset carries metadata of a newer version: start the newer version, ` +
        `or reset the group's offset: current metadata is '${metadata.text.slice(0, 40)}'`,
      context(input),
    );
  }
  return planAfterReset(input, { stored, committed: committed.offset });
}

function planOrdinary(
  input: RecoveryInput,
  found: { stored: readonly Stored[]; metadata: CommitMetadata; committed: bigint; leaderEpoch: number },
): RecoveryPlan {
  const { metadata, committed } = found;
  const { lineage, origin, journal, commitSequence } = metadata;
  const base = {
    ...commonPlan(input),
    lineage,
    isLineageNew: false,
    origin,
    commitSequence,
    journal,
    liveFrom: committed,
    leaderEpoch: found.leaderEpoch,
  };
  const taskTimeAtLiveMs = metadata.taskTimeMs;
  if (!input.hasState) {
    return {
      ...base,
      candidate: { kind: "empty" },
      replayFrom: committed,
      taskTimeMs: taskTimeAtLiveMs,
      taskTimeAtLiveMs,
    };
  }
  const warnings = [...base.warnings];
  const isAhead = (at: Stored): boolean =>
    at.offset > committed || (at.offset === committed && at.position.commitSequence > commitSequence);
  const ours = found.stored.filter((at) => at.position.lineage === lineage);
  refuseOtherTopic(input, ours);
  const empty = emptyAtOrigin(input, metadata);
  const inLog = [...ours, empty].filter((at) => at.offset >= input.log.logStart && at.offset <= input.log.logEnd);
  const reached = inLog.filter((at) => !isAhead(at) && at.offset >= journal.from);
  const past = reached.filter((at) => isPast(at, { committed, journal, guarantee: input.guarantee }));
  for (const at of reached.filter((at) => !past.includes(at))) warnings.push(otherHistoryText(input, at, committed));
  const usable = input.guarantee === "at-least-once" ? [...inLog.filter(isAhead), ...past] : past;
  if (input.guarantee === "exactly-once" && inLog.some((at) => isAhead(at) && at.candidate.kind === "local")) {
    warnings.push(`The local store of ${input.task} is ahead of the committed offset ${committed} and is not used`);
  }
  const best = greatest(usable);
  if (best === undefined) {
    return planWithoutState(input, { committed, metadata, isOutOfLog: ours.length > 0 && inLog.length === 0 });
  }
  const plan = { ...base, candidate: best.candidate, replayFrom: best.offset, taskTimeMs: best.position.taskTimeMs };
  if (!isAhead(best)) return { ...plan, taskTimeAtLiveMs, warnings };
  warnings.push(
    `The state of ${input.task} at ${best.offset} is ahead of the committed offset ${committed}, as after a late offset ` +
      `commit: going on at ${best.offset} and committing it again`,
  );
  return {
    ...plan,
    liveFrom: best.offset,
    leaderEpoch: leaderEpochOf(input, best),
    journal: best.position.journal,
    commitSequence: best.position.commitSequence,
    taskTimeAtLiveMs: best.position.taskTimeMs,
    isCommitNeeded: true,
    warnings,
  };
}

/** Whether the way to the committed offset went through a state that does not lie ahead of it. */
function isPast(
  at: Stored,
  { committed, journal, guarantee }: { committed: bigint; journal: DecisionJournal } & Pick<RecoveryInput, "guarantee">,
): boolean {
  // At-least-once, a late commit may have taken the place of another one at the same offset: output goes on from there.
  if (guarantee === "at-least-once" && at.offset === committed) return true;
  return hasGoneThrough({ offset: committed, journal }, { offset: at.offset, journal: at.position.journal });
}

function otherHistoryText(input: RecoveryInput, at: Stored, committed: bigint): string {
  return `The ${
    nameOf(at.candidate)
  } of ${input.task} at ${at.offset} is not used: something else was decided on the ` +
    `way to the committed offset ${committed}, as after the group was put back`;
}

/** No state reaches the committed offset: the option decides. */
function planWithoutState(
  input: RecoveryInput,
  found: { committed: bigint; metadata: CommitMetadata | undefined; isOutOfLog: boolean },
): RecoveryPlan {
  const { committed, metadata } = found;
  const { logStart, logEnd } = input.log;
  if (input.onCrashRecovery === "fail") {
    if (found.isOutOfLog) throw outOfRange(input, `the replay of its newest state up to ${committed}`);
    throw new RecoveryImpossibleError(
      `Cannot recover ${input.task} as neither its local store nor a usable checkpoint reaches the committed offset ` +
        `${committed} (log [${logStart}, ${logEnd}], ${input.checkpoints.length} checkpoints, local store ` +
        `${localText(input)}): set 'onCrashRecovery' to "rebuild-from-earliest" or "resume-empty", or restore the ` +
        `checkpoints: current value is "fail"`,
      context(input),
    );
  }
  const isRebuild = input.onCrashRecovery === "rebuild-from-earliest";
  const origin = isRebuild ? logStart : committed;
  const taskTimeMs = metadata?.taskTimeMs ?? null;
  const journal = isRebuild
    ? new DecisionJournal(logStart, metadata?.journal.trimmed(logStart).entries ?? [])
    : new DecisionJournal(
      committed,
      taskTimeMs === null ? [] : [{ offset: committed, kind: "jump", value: taskTimeMs }],
    );
  const how = isRebuild ? `is rebuilt from offset ${logStart}` : `begins empty`;
  return newLineagePlan(input, {
    origin,
    liveFrom: committed,
    journal,
    warning: `The state of ${input.task} was lost and ${how}, as 'onCrashRecovery' says: going on at ${committed}`,
  });
}

/** A committed offset that we did not write. */
function planAfterReset(input: RecoveryInput, found: { stored: readonly Stored[]; committed: bigint }): RecoveryPlan {
  const { committed } = found;
  if (!holdsState(input, found.stored) || committed === input.log.logStart) {
    return newLineagePlan(input, {
      origin: committed,
      liveFrom: committed,
      journal: new DecisionJournal(committed),
      warning:
        `The committed offset ${committed} of ${input.task} was set by somebody else: starting there, without the ` +
        `state and the task time of before`,
    });
  }
  return planWithoutState(input, { committed, metadata: undefined, isOutOfLog: false });
}

/** The group has no offset: never committed, expired, or deleted. */
function planWithoutOffset(input: RecoveryInput, stored: readonly Stored[]): RecoveryPlan {
  const fresh = (origin: bigint, warning?: string): RecoveryPlan =>
    newLineagePlan(input, { origin, liveFrom: origin, journal: new DecisionJournal(origin), warning });
  if (!holdsState(input, stored)) return fresh(input.startOffset);
  const { logStart, logEnd } = input.log;
  // The newest owner's lineage is the current one.
  const newest = stored.reduce<Stored | undefined>(
    (a, b) => a === undefined || b.position.ownerToken > a.position.ownerToken ? b : a,
    undefined,
  );
  const ofLineage = stored.filter((at) => at.position.lineage === newest!.position.lineage);
  if (input.guarantee === "at-least-once" && input.onCrashRecovery === "fail") refuseOtherTopic(input, ofLineage);
  const ofTopic = ofLineage.filter((at) => isOfPresentTopic(input, at.position));
  const best = greatest(ofTopic.filter((at) => at.offset >= logStart && at.offset <= logEnd));
  if (input.guarantee === "at-least-once" && best !== undefined) {
    const { position } = best;
    return {
      ...commonPlan(input),
      candidate: best.candidate,
      replayFrom: best.offset,
      liveFrom: best.offset,
      leaderEpoch: leaderEpochOf(input, best),
      taskTimeMs: position.taskTimeMs,
      taskTimeAtLiveMs: position.taskTimeMs,
      journal: position.journal,
      lineage: position.lineage,
      isLineageNew: false,
      origin: position.origin,
      commitSequence: position.commitSequence,
      isCommitNeeded: true,
      warnings: [
        ...commonPlan(input).warnings,
        `The group has no committed offset for ${input.task} (expired or deleted): going on at ${best.offset}, where its ` +
        `state stands`,
      ],
    };
  }
  if (input.onCrashRecovery !== "fail") {
    const origin = input.onCrashRecovery === "rebuild-from-earliest" ? logStart : input.startOffset;
    return fresh(
      origin,
      `The group has no committed offset for ${input.task}, and its state is not used: starting anew at ${origin}, as ` +
        `'onCrashRecovery' says`,
    );
  }
  if (input.guarantee === "at-least-once" && stored.length > 0) throw outOfRange(input, "every position of its state");
  throw new RecoveryImpossibleError(
    `Cannot recover ${input.task} as it has state (local store ${localText(input)}, ${input.checkpoints.length} ` +
      `checkpoints, ${input.damagedCheckpoints} damaged) but the group has no committed offset, so that what was already ` +
      `published is not known: set the group's offset, or set 'onCrashRecovery' to "rebuild-from-earliest" or ` +
      `"resume-empty": current value is "fail"`,
    context(input),
  );
}

function newLineagePlan(
  input: RecoveryInput,
  start: { origin: bigint; liveFrom: bigint; journal: DecisionJournal; warning: string | undefined },
): RecoveryPlan {
  const common = commonPlan(input);
  return {
    ...common,
    candidate: { kind: "empty" },
    replayFrom: start.origin,
    liveFrom: start.liveFrom,
    taskTimeMs: null,
    taskTimeAtLiveMs: undefined,
    journal: start.journal,
    lineage: input.newLineage,
    isLineageNew: true,
    origin: start.origin,
    commitSequence: 0,
    isCommitNeeded: true,
    warnings: start.warning === undefined ? common.warnings : [...common.warnings, start.warning],
  };
}

function commonPlan(input: RecoveryInput) {
  const warnings = input.hasState && input.local === "corrupt"
    ? [`The local store of ${input.task} is damaged and is not used`]
    : [];
  return {
    ownerToken: input.ownerToken,
    witness: witnessOf(input.committed),
    leaderEpoch: -1,
    isCommitNeeded: false,
    warnings,
  } as const satisfies Partial<RecoveryPlan>;
}

/** Whether there is, or was, state: what is damaged cannot be used, but tells that the task is no new one. */
function holdsState(input: RecoveryInput, stored: readonly Stored[]): boolean {
  return input.hasState && (stored.length > 0 || input.local === "corrupt" || input.damagedCheckpoints > 0);
}

/** Local store and checkpoints as candidates, with their offset in the input. */
function storedStates(input: RecoveryInput): Stored[] {
  const toStored = (candidate: StateCandidate, position: TaskPosition): Stored => {
    const offset = offsetOf(position, input.log);
    if (offset !== undefined) return { candidate, position, offset };
    throw new CheckpointIncompatibleError(
      `Cannot recover ${input.task} as the ${nameOf(candidate)} is of another input: expected ` +
        `${input.log.topic}-${input.log.partition}, found ` +
        position.offsets.map((at) => `${at.topic}-${at.partition}`).join(", "),
      context(input),
    );
  };
  const stored = input.checkpoints.map(({ id, position }) => toStored({ kind: "checkpoint", id }, position));
  return typeof input.local === "string" ? stored : [toStored({ kind: "local" }, input.local), ...stored];
}

/** State of a topic that was deleted and created again is refused as a checkpoint of it is. */
function refuseOtherTopic(input: RecoveryInput, stored: readonly Stored[]): void {
  const other = stored.find((at) => !isOfPresentTopic(input, at.position));
  if (other !== undefined) throw otherTopicError(input, nameOf(other.candidate), other);
}

function nameOf(candidate: StateCandidate): string {
  return candidate.kind === "checkpoint" ? `checkpoint ${candidate.id}` : "local store";
}

/** Empty state where the lineage began: the state that the first commit of the lineage was built on. */
function emptyAtOrigin(input: RecoveryInput, metadata: CommitMetadata): Stored {
  const { origin, lineage, journal } = metadata;
  const { topic, partition } = input.log;
  return {
    candidate: { kind: "empty" },
    offset: origin,
    position: {
      offsets: [{ topic, partition, offset: origin, leaderEpoch: -1 }],
      taskTimeMs: null,
      commitSequence: 0,
      lineage,
      origin,
      ownerToken: 0,
      journal,
    },
  };
}

const RANK: Readonly<Record<StateCandidate["kind"], number>> = { local: 2, checkpoint: 1, empty: 0 };

/** The greatest position; of equal ones the local store, then the checkpoint of the newest owner. */
function greatest(states: readonly Stored[]): Stored | undefined {
  return states.reduce<Stored | undefined>((best, at) => {
    if (best === undefined) return at;
    invariant(best.position.lineage === at.position.lineage, "only states of one lineage are compared");
    if (at.offset !== best.offset) return at.offset > best.offset ? at : best;
    const order = at.position.commitSequence - best.position.commitSequence ||
      RANK[at.candidate.kind] - RANK[best.candidate.kind] ||
      at.position.ownerToken - best.position.ownerToken;
    return order > 0 ? at : best;
  }, undefined);
}

function leaderEpochOf(input: RecoveryInput, at: Stored): number {
  const { topic, partition } = input.log;
  return at.position.offsets.find((one) => one.topic === topic && one.partition === partition)!.leaderEpoch;
}

function localText(input: RecoveryInput): string {
  return typeof input.local === "string" ? input.local : `at ${offsetOf(input.local, input.log)}`;
}

function outOfRange(input: RecoveryInput, what: string): OffsetOutOfRangeError {
  const { topic, partition, logStart, logEnd } = input.log;
  return new OffsetOutOfRangeError(
    `Cannot recover ${input.task} as ${what} is outside of the log of ${topic}-${partition}: raise the topic's retention ` +
      `and set the group's offset: current log is [${logStart}, ${logEnd}]`,
    context(input),
  );
}

function context(input: RecoveryInput): StreamErrorOptions {
  const { topic, partition, logStart, logEnd } = input.log;
  return { context: { task: input.task, topic, partition, logStart, logEnd, committed: input.committed?.offset } };
}
