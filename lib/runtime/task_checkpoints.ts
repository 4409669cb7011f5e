/** Checkpoints of one task, as its recovery and its keeper use them. */
import { invariant } from "../base/assert.ts";
import { VERSION } from "../base/version.ts";
import type { CheckpointExpectations } from "../core/checkpoint_compatibility.ts";
import type { CheckpointFacts, CheckpointManifest, CheckpointOperator } from "../core/checkpoint_manifest.ts";
import type { CheckpointCandidate as IntactCheckpoint } from "../core/checkpoint_survey.ts";
import { decodePosition, type TaskPosition } from "../core/position.ts";
import type { CheckpointCandidate } from "../core/recovery_input.ts";
import { fingerprintOf, tableFingerprint } from "../core/schema_fingerprint.ts";
import { hasGoneThrough, type HistoryPoint } from "../core/task_history.ts";
import type { TopicDescription, TopicPartition } from "../seams/broker.ts";
import type { StateSnapshot, StateStore } from "../seams/state_store.ts";
import { Checkpointer } from "./checkpoint/checkpointer.ts";
import { claimOwnerToken } from "./checkpoint/claim_owner_token.ts";
import { Restorer } from "./checkpoint/restorer.ts";
import type { Ownership } from "./ownership.ts";
import type { RunnerParts } from "./runner_parts.ts";
import type { SubscriptionSpec } from "./subscription_spec.ts";
import type { CheckpointSink } from "./task_keeper.ts";

/** A checkpoint that the recovery plan may choose. */
export interface RestorableCheckpoint extends CheckpointCandidate {
  /** What is loaded. */
  readonly intact: IntactCheckpoint;
}

/** Names and shapes of a subscription's state, as manifests hold them. */
export function stateOperators(spec: SubscriptionSpec): readonly CheckpointOperator[] {
  const tables = Object.entries(spec.settings.state).map(([name, table]) => ({
    name: `state.${name}`,
    fingerprint: tableFingerprint(table),
  }));
  const operators = spec.operator.stateNames.map((name) => ({
    name: `operator.${name}`,
    fingerprint: fingerprintOf(`operator ${name} ${spec.operator.stateFormats?.[name] ?? ""}`),
  }));
  return [...tables, ...operators];
}

/** Finds, loads, claims and publishes checkpoints of one task. */
export class TaskCheckpoints implements CheckpointSink {
  readonly #spec: SubscriptionSpec;
  readonly #parts: RunnerParts;
  readonly #source: TopicPartition;
  readonly #topic: TopicDescription;
  readonly #restorer: Restorer;
  #found: readonly RestorableCheckpoint[] = [];
  #lineage: string | undefined;
  #liveSequence = 0;
  #ownership: Ownership | undefined;
  #checkpointer: Checkpointer | undefined;
  #checkpointerToken = 0;

  /**
   * @param spec The subscription.
   * @param more Input partition and its topic as it is now, what the app lends, and the lineage that the group's offset
   * names, if any.
   */
  constructor(
    spec: SubscriptionSpec,
    more: {
      readonly source: TopicPartition;
      readonly topic: TopicDescription;
      readonly parts: RunnerParts;
      readonly lineage: string | undefined;
    },
  ) {
    this.#spec = spec;
    this.#parts = more.parts;
    this.#source = more.source;
    this.#topic = more.topic;
    const { blobs, environment } = more.parts;
    this.#restorer = new Restorer({
      blobs,
      task: this.#task,
      lineage: more.lineage,
      expectations: this.#expectations(),
      environment,
    });
  }

  /** Claims the next owner token. @param above The token of the committed offset, 0 for none. */
  claimOwner(above: number): Promise<number> {
    const { blobs, environment, options } = this.#parts;
    return claimOwnerToken(blobs, this.#task, { environment, instance: options.transactionInstance, above });
  }

  /** How many damaged checkpoints {@linkcode TaskCheckpoints.candidates} has passed over. */
  get damaged(): number {
    return this.#restorer.damaged;
  }

  /** Intact checkpoints that fit the task, newest first. */
  async candidates(): Promise<readonly RestorableCheckpoint[]> {
    const found: RestorableCheckpoint[] = [];
    for (const intact of await this.#restorer.listCandidates()) {
      const { storePosition } = intact.manifest;
      if (storePosition !== null) found.push({ id: intact.name, position: decodePosition(storePosition), intact });
    }
    return this.#found = found;
  }

  /** Loads a checkpoint into an empty store; every byte is verified before the first row. */
  async load(checkpoint: RestorableCheckpoint, store: StateStore): Promise<void> {
    const { observer } = this.#parts.environment;
    const found = this.#found;
    // Until it has been loaded it may turn out damaged.
    this.#found = found.filter((each) => each !== checkpoint);
    await this.#restorer.load(checkpoint.intact, store, {
      onProgress: ({ stage, bytes, bytesTotal, rows, rowsTotal }) =>
        observer.log("info", `Restoring: ${stage}`, { ...this.#task, bytes, bytesTotal, rows, rowsTotal }),
    });
    this.#found = found;
  }

  /** Where the newest checkpoint stands that was found on the way to a point of a lineage, or `undefined`. */
  newestOn(lineage: string, point: HistoryPoint): TaskPosition | undefined {
    return this.#found.find(({ position }) => position.lineage === lineage && isPassed(position, point))?.position;
  }

  /** The task goes on in a lineage, under an owner, after a commit that was not its own. */
  begin(lineage: string, ownership: Ownership, sequence: number): void {
    this.#lineage = lineage;
    this.#ownership = ownership;
    this.#liveSequence = sequence;
  }

  /** Uploads a snapshot. @throws {Error} why it could not be uploaded; earlier checkpoints stay in use. */
  async publish(snapshot: StateSnapshot, position: TaskPosition): Promise<bigint> {
    invariant(this.#ownership?.isClaimed === true && this.#lineage !== undefined, "a checkpoint has an owner");
    const point = { offset: position.offsets[0]!.offset, journal: position.journal };
    const result = await this.#current(this.#lineage, this.#ownership.token).publish(snapshot, this.#facts(position), {
      isUsable: (manifest) => isManifestPassed(manifest, point),
      hasCommitted: position.commitSequence > this.#liveSequence,
    });
    if (result.kind === "failed") throw result.error;
    const oldest = result.oldestRetained ?? result.manifest.position;
    // When retention failed it is not known what else is kept: nothing may be forgotten then.
    return result.retentionError === undefined ? oldest.offsets[0]!.offset : position.journal.from;
  }

  /** Uploads under one token; another one begins anew. */
  #current(lineage: string, ownerToken: number): Checkpointer {
    const { blobs, environment, options } = this.#parts;
    if (this.#checkpointer === undefined || this.#checkpointerToken !== ownerToken) {
      const retained = options.retainedCheckpoints;
      this.#checkpointer = new Checkpointer({ blobs, task: this.#task, lineage, ownerToken, environment, retained });
      this.#checkpointerToken = ownerToken;
    }
    return this.#checkpointer;
  }

  get #task(): { application: string; subscription: string; partition: number } {
    const { application, name } = this.#spec;
    return { application, subscription: name, partition: this.#source.partition };
  }

  #topics(): CheckpointFacts["topics"] {
    const { topic, topicId, partitions } = this.#topic;
    return [{ topic, topicId, partitions }];
  }

  #expectations(): CheckpointExpectations {
    return {
      clusterId: this.#parts.clusterId,
      topics: this.#topics(),
      operators: stateOperators(this.#spec),
      handlerVersion: this.#spec.settings.handlerVersion,
    };
  }

  #facts(position: TaskPosition): CheckpointFacts {
    const { taskTimeMs, commitSequence, offsets } = position;
    const watermarkMs = taskTimeMs === null ? null : taskTimeMs - this.#spec.input.outOfOrdernessMs;
    return {
      clusterId: this.#parts.clusterId,
      topics: this.#topics(),
      position: { offsets, taskTimeMs, watermarkMs, commitSequence },
      operators: stateOperators(this.#spec),
      handlerVersion: this.#spec.settings.handlerVersion,
      libraryVersion: VERSION,
    };
  }
}

/** Whether a restore at a point could choose a checkpoint. */
function isManifestPassed({ storePosition }: CheckpointManifest, point: HistoryPoint): boolean {
  return storePosition !== null && isPassed(decodePosition(storePosition), point);
}

function isPassed({ offsets, journal }: TaskPosition, point: HistoryPoint): boolean {
  return hasGoneThrough(point, { offset: offsets[0]!.offset, journal });
}
