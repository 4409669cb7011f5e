/**
 * Finds out where a task restarts, and restores its state: reads what the group, the local store and the checkpoints hold,
 * lets the recovery plan decide, and does what it says. Damaged candidates are passed over, loudly, one after the other.
 */
import { CheckpointCorruptError, CheckpointTornError, StateCorruptError } from "../base/errors.ts";
import { decodeCommitMetadata } from "../core/commit_metadata.ts";
import type { CommitPoint } from "../core/open_commits.ts";
import type { CommitWitness } from "../core/commit_witness.ts";
import { decodePosition, type TaskPosition } from "../core/position.ts";
import type { RecoveryInput, RecoveryPlan } from "../core/recovery_input.ts";
import { recoveryPlan } from "../core/recovery_plan.ts";
import type { CommittedPosition, PartitionOffsets, TopicDescription, TopicPartition } from "../seams/broker.ts";
import { randomId } from "../seams/random.ts";
import type { StateStore, StateStoreKey } from "../seams/state_store.ts";
import { type RestorableCheckpoint, TaskCheckpoints } from "./task_checkpoints.ts";
import { Ownership } from "./ownership.ts";
import { TaskState } from "./state/task_state.ts";
import type { RunnerParts } from "./runner_parts.ts";
import type { SubscriptionSpec } from "./subscription_spec.ts";
import { TaskKeeper } from "./task_keeper.ts";

/** What a task is opened with. */
export interface TaskOptions {
  /** The input partition. */
  readonly source: TopicPartition;
  /** Its topic as it is now; `undefined` when there is none any more. */
  readonly topic: TopicDescription | undefined;
  /** Broker, stores, clock. */
  readonly parts: RunnerParts;
  /** What the group committed for the partition, read stable. */
  readonly committed: CommittedPosition | undefined;
  /** Writer named in commit metadata, or `null` without transactions. */
  readonly transactionalId: string | null;
}

/** A task's state and where it stands. */
export interface RecoveredTask {
  /** State at {@linkcode RecoveredTask.restored}. */
  readonly state: TaskState;
  /** Flushes and checkpoints. */
  readonly keeper: TaskKeeper;
  /** Owner token. */
  readonly ownership: Ownership;
  /** Lineage from now on. */
  readonly lineage: string;
  /** Where the lineage began. */
  readonly origin: bigint;
  /** Where the state stands: silent replay begins here. */
  readonly restored: CommitPoint;
  /** Where output begins again. */
  readonly live: CommitPoint;
  /** What the group holds now. */
  readonly witness: CommitWitness;
  /** Whether the position is to be committed before any record. */
  readonly isCommitNeeded: boolean;
}

/**
 * Recovers a task.
 *
 * @param spec The subscription.
 * @param options Input partition, committed offset, stores.
 * @throws {StreamError} when no state reaches the committed offset and no option decides, or a store cannot be used.
 */
export async function recoverTask(spec: SubscriptionSpec, options: TaskOptions): Promise<RecoveredTask> {
  const { source, parts, committed } = options;
  const { observer } = parts.environment;
  const place = { subscription: spec.name, partition: source.partition };
  observer.step("restore:begin", place);
  const metadata = decodeCommitMetadata(committed?.metadata ?? "");
  const topic = options.topic ?? parts.topics.get(source.topic)!;
  const checkpoints = new TaskCheckpoints(spec, {
    source,
    parts,
    topic,
    lineage: metadata.kind === "ours" ? metadata.lineage : undefined,
  });
  const committedToken = metadata.kind === "ours" ? metadata.ownerToken : 0;
  const ownership = new Ownership((above) => checkpoints.claimOwner(Math.max(above, committedToken)));
  const local = await openLocal(spec, options);
  try {
    const isDeclared = spec.operator.isStateful || Object.keys(spec.settings.state).length > 0;
    const hasState = isDeclared || committedToken > 0 ||
      (metadata.kind !== "ours" && await holdsState(local, checkpoints));
    if (hasState) await ownership.claim();
    const [log] = await parts.admin.offsets([source]);
    const input: Omit<RecoveryInput, "local" | "checkpoints" | "damagedCheckpoints"> = {
      task: `${spec.name}/${source.partition}`,
      guarantee: spec.settings.processingGuarantee,
      committed,
      log: log!,
      topicId: topic.topicId,
      hasState,
      onCrashRecovery: spec.settings.onCrashRecovery,
      startOffset: await startOffset(options, log!),
      newLineage: randomId(parts.environment.random),
      ownerToken: ownership.token,
    };
    const candidates = hasState ? await checkpoints.candidates() : [];
    const { plan, store } = await restore(input, { local, candidates, checkpoints, options });
    for (const warning of plan.warnings) observer.log("warn", warning, place);
    const state = await TaskState.open(store, { valueCodec: parts.valueCodec });
    return assemble(spec, { options, plan, state, ownership, checkpoints, topic, log: log! });
  } catch (error) {
    await local.store.close();
    throw error;
  }
}

/**
 * Whether there is state of a handler that declares none (it writes the free form): what the group holds does not say so
 * when its offset has expired or was set by somebody else.
 */
async function holdsState(local: LocalStore, checkpoints: TaskCheckpoints): Promise<boolean> {
  return local.position !== "absent" || (await checkpoints.candidates()).length > 0 || checkpoints.damaged > 0;
}

/** The local store and what is known of it; replaced when it has to be deleted. */
interface LocalStore {
  store: StateStore;
  position: TaskPosition | "absent" | "corrupt";
  readonly key: StateStoreKey;
}

async function openLocal(spec: SubscriptionSpec, options: TaskOptions): Promise<LocalStore> {
  const { parts, source } = options;
  const key = { application: spec.application, subscription: spec.name, partition: source.partition };
  try {
    const store = await parts.state.open(key);
    try {
      const bytes = await store.readPosition();
      return { store, key, position: bytes === undefined ? "absent" : decodePosition(bytes) };
    } catch (error) {
      if (!(error instanceof StateCorruptError)) {
        await store.close();
        throw error;
      }
      await store.destroy();
    }
  } catch (error) {
    if (!(error instanceof StateCorruptError)) throw error;
    await parts.state.destroy(key);
  }
  return { store: await parts.state.open(key), key, position: "corrupt" };
}

/** Deletes a local store that is not the one to go on with. */
async function empty(local: LocalStore, options: TaskOptions): Promise<void> {
  await local.store.destroy();
  local.store = await options.parts.state.open(local.key);
  local.position = "absent";
}

/** Plans and loads, until a candidate has been loaded without damage. */
async function restore(
  input: Omit<RecoveryInput, "local" | "checkpoints" | "damagedCheckpoints">,
  more: {
    local: LocalStore;
    candidates: readonly RestorableCheckpoint[];
    checkpoints: TaskCheckpoints;
    options: TaskOptions;
  },
): Promise<{ plan: RecoveryPlan; store: StateStore }> {
  const { local, checkpoints, options } = more;
  const { observer } = options.parts.environment;
  const { subscription } = local.key;
  let { candidates } = more;
  let damagedCheckpoints = checkpoints.damaged;
  for (;;) {
    const plan = recoveryPlan({ ...input, local: local.position, checkpoints: candidates, damagedCheckpoints });
    const { candidate } = plan;
    observer.step("restore:candidate-chosen", {
      subscription,
      partition: options.source.partition,
      candidate: candidate.kind,
      from: plan.replayFrom,
      live: plan.liveFrom,
      lineage: plan.lineage,
      isLineageNew: plan.isLineageNew,
    });
    if (candidate.kind === "local") return { plan, store: local.store };
    const isDirty = local.position !== "absent" || candidate.kind === "checkpoint" || await holdsRows(local.store);
    if (isDirty) await empty(local, options);
    if (candidate.kind === "empty") return { plan, store: local.store };
    const chosen = candidates.find((each) => each.id === candidate.id)!;
    try {
      await checkpoints.load(chosen, local.store);
      return { plan, store: local.store };
    } catch (error) {
      if (!(error instanceof CheckpointCorruptError || error instanceof CheckpointTornError)) throw error;
      observer.log("error", `Checkpoint ${chosen.id} is passed over: ${error.message}`, {
        partition: options.source.partition,
      });
      damagedCheckpoints++;
      candidates = candidates.filter((each) => each !== chosen);
      await empty(local, options);
    }
  }
}

/** Whether there are rows: in a store without a position, those of a load that a crash cut off. */
async function holdsRows(store: StateStore): Promise<boolean> {
  for await (const page of store.scan({}, 1)) return page.count > 0;
  return false;
}

/** Where a fresh task starts. */
async function startOffset(options: TaskOptions, log: PartitionOffsets): Promise<bigint> {
  const { startFrom } = options.parts.options;
  if (startFrom === "earliest") return log.logStart;
  if (startFrom === "latest") return log.logEnd;
  const [found] = await options.parts.admin.offsetsAt([options.source], startFrom.atMs);
  return found!.offset;
}

function assemble(
  spec: SubscriptionSpec,
  more: {
    options: TaskOptions;
    plan: RecoveryPlan;
    state: TaskState;
    ownership: Ownership;
    checkpoints: TaskCheckpoints;
    topic: TopicDescription;
    log: PartitionOffsets;
  },
): RecoveredTask {
  const { options, plan, state, ownership, checkpoints, topic, log } = more;
  const { parts, source } = options;
  const { lineage, origin, journal, commitSequence: sequence, leaderEpoch } = plan;
  const point = { leaderEpoch, sequence, journal };
  const taskTimeAtLiveMs = plan.taskTimeAtLiveMs ?? plan.taskTimeMs;
  checkpoints.begin(lineage, ownership, sequence);
  const keeper = new TaskKeeper(spec, {
    source,
    topicId: topic.topicId,
    lineage,
    origin,
    checkpointed: checkpoints.newestOn(lineage, { offset: plan.liveFrom, journal }),
    state,
    isDurable: parts.state.isDurable,
    ownership,
    checkpoints,
    environment: parts.environment,
    options: parts.options,
    logStart: log.logStart,
  });
  return {
    state,
    keeper,
    ownership,
    lineage,
    origin,
    restored: { ...point, offset: plan.replayFrom, taskTimeMs: plan.taskTimeMs },
    live: { ...point, offset: plan.liveFrom, taskTimeMs: taskTimeAtLiveMs },
    witness: plan.witness,
    isCommitNeeded: plan.isCommitNeeded,
  };
}
